"""`moor up`, `down`, `status`: the installation on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from moorage.cli import output
from moorage.cli.context import Context, home_option, output_option, pass_context
from moorage.cli.groups import command
from moorage.cli.words import since, size
from moorage.contract.hosts import ONE_MACHINE_ZONE
from moorage.kernel.home import narrow_umask

if TYPE_CHECKING:
    from moorage.supervisor.prepare import Options, Plan
    from moorage.supervisor.status import Status

UNHEALTHY = 8
"""Exit code of `moor status` when something is down: that of `Unavailable`."""


@command(
    examples=[
        "moor up --detach",
        "moor up --zone dev.example.com --address 0.0.0.0",
        "moor up --detach --repository-network 10.0.0.0/8",
        "moor up --zone dev.example.com --public-url https://dev.example.com",
    ]
)
@click.option("--detach", "-d", is_flag=True, help="Return when everything answers.")
@home_option
@click.option(
    "--zone",
    show_default=ONE_MACHINE_ZONE,
    help="DNS name of Moorage and suffix of its workspaces' names.",
)
@click.option(
    "--port",
    type=int,
    metavar="NUMBER",
    show_default="8080",
    help="TCP port; the next one is used for metrics.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="Where browsers find Moorage, if a proxy in front has another address.",
)
@click.option("--address", show_default="127.0.0.1", help="Address to listen on.")
@click.option(
    "--ca-bundle",
    type=click.Path(path_type=Path),
    help="PEM file of certificates that workspaces trust, too.",
)
@click.option("--tools-image", metavar="IMAGE", help="Image that holds editor and helpers.")
@click.option(
    "--repository-network",
    "repository_networks",
    multiple=True,
    metavar="PLACE",
    help="Network, address or host without a public address that repositories may be read from; may be given often.",
)
@click.option("--log-format", metavar="FORMAT", help="console or json.")
@click.option(
    "--timeout",
    type=float,
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds to wait with --detach.",
)
@output_option
@pass_context
def up(
    context: Context, /, *, detach: bool, log_format: str | None, timeout: float, **said: Any
) -> None:
    """Run Moorage on this machine: server, agent, gateway and HAProxy, restarted when they die.

    Zone, port, public URL, address, CA bundle, tools image and repository networks are kept in
    the state folder: they need not be said again.
    """
    from moorage.supervisor import launch, state
    from moorage.supervisor.prepare import Options

    narrow_umask()
    place = context.installation
    if log_format not in (None, "console", "json"):
        raise click.BadParameter("it is console or json.", param_hint="--log-format")
    options = Options(**said)
    if place.run.is_dir() and state.locked(place):
        _already_running(context, options, wait=timeout if detach else 0.0)
        return
    plan = launch.ready_to_start(place, options)
    if detach:
        launch.start_detached(place, plan, fmt=log_format, seconds=timeout)
        _welcome(context, plan)
    else:
        launch.become_supervisor(
            place, plan, fmt=log_format, announce=lambda: _welcome(context, plan)
        )


@command(examples=["moor down"])
@home_option
@output_option
@pass_context
def down(context: Context) -> None:
    """End the installation on this machine. Workspaces go on running; `moor up` finds them
    again."""
    from moorage.supervisor import launch

    ran = launch.stop(context.installation)
    context.tell({"ran": ran}, "Moorage has ended." if ran else "Moorage did not run.")


@command(examples=["moor status", "moor status -o json"])
@home_option
@output_option
@pass_context
def status(context: Context) -> None:
    """Say what runs, since when, what died, and whether everything answers (exit code 8 when
    not)."""
    from moorage.cli import served_status
    from moorage.supervisor import status as supervisor_status

    if (server := served_status.server_beside(context.installation)) is not None:
        served = served_status.status_of(server, context.installation)
        if context.as_json:
            output.show_json(served)
        else:
            served_status.show(served)
        if not served.healthy:
            raise click.exceptions.Exit(UNHEALTHY)
        return
    found = supervisor_status.status(context.installation)
    if context.as_json:
        output.show_json(found)
    else:
        _show_status(found)
    if not found.healthy:
        raise click.exceptions.Exit(UNHEALTHY)


def _already_running(context: Context, options: Options, *, wait: float) -> None:
    from moorage.supervisor import launch

    home = context.installation
    plan, renewed = launch.join(home, options, seconds=wait)
    again = f" Started again: {', '.join(renewed)}." if renewed else ""
    context.tell(
        {"url": plan.url, "home": str(home.path), "started": False, "restarted": renewed},
        f"Moorage is running already: {plan.url}.{again} `moor status` says more.",
    )


def _welcome(context: Context, plan: Plan) -> None:
    from moorage.supervisor import names

    notes = names.notes(plan)
    said = [
        f"Moorage is ready: {plan.url}",
        "`moor sign-in-link` prints a one-time link that signs you in; `moor create REPOSITORY` makes a workspace.",
        *notes,
    ]
    result = {"url": plan.url, "home": str(context.installation.path), "started": True}
    context.tell(result | {"notes": notes}, "\n".join(said))


def _show_status(found: Status) -> None:
    rows = [
        [
            process.name,
            process.state,
            str(process.pid or "–"),
            since(process.since),
            str(process.restarts),
            size(process.memory) if process.memory else "–",
            process.last_exit["text"] if process.last_exit else "",
        ]
        for process in found.processes
    ]
    if not found.running:
        rows = (
            rows
            if any(process.state == "down" and process.pid for process in found.processes)
            else []
        )
        output.say(f"Moorage is not running in {found.home}. `moor up` starts it.")
    if rows:
        headings = ["PROCESS", "STATE", "PID", "SINCE", "RESTARTS", "MEMORY", "LAST EXIT"]
        output.show_table(headings, rows, empty="")
        output.say("")
    facts = {
        "URL": found.url,
        "State folder": f"{found.home} ({size(found.disk_free)} free)",
        "Accounts": found.accounts or "nothing runs",
        "Container engine": found.engine or "none answers",
    }
    if found.workspaces is not None:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(found.workspaces.items()))
        facts["Workspaces"] = counts or "none"
    for name, value in facts.items():
        output.say(f"{name + ':':<18}{value}")
    _show_agents(found)
    problems = (f"{part.name}: {part.problem}" for part in found.parts if part.problem)
    for note in (found.caveat, *problems):
        if note:
            output.say(note)
    for process in found.processes:
        if process.state in ("waiting", "failed") and process.last_exit:
            output.say(f"\nLast lines of {process.name}:")
            for line in process.last_exit["lines"]:
                output.say(f"  {line}")


def _show_agents(found: Status) -> None:
    """Prints what agents know and the server does not."""
    for agent in found.agents:
        if agent.set_back_at:
            output.say(
                f"\n{agent.name}: the server's database was set back to an earlier state (seen {since(agent.set_back_at)} ago): "
                "what the agent knows better goes on as it is. [server-set-back]"
            )
        if agent.found:
            output.say(
                f"\n{agent.name} has what the server does not list; it is kept. `moor agents found {agent.name}`:"
            )
            for item in agent.found:
                output.say(f"  {item['name']}  {item['title']}".rstrip())
