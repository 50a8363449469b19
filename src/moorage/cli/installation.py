"""`moor up`, `down`, `status`: the installation on this machine; and its processes one by one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli import output
from moorage.cli.options import HomeOption, OutputOption
from moorage.kernel.home import Home, default_home, narrow_umask

if TYPE_CHECKING:
    from moorage.supervisor.prepare import Options, Plan
    from moorage.supervisor.status import Status

UNHEALTHY = 8
"""Exit code of `moor status` when something is down: that of `Unavailable`."""

app = typer.Typer()


@app.command(rich_help_panel="This machine")
def up(
    *,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything answers.")] = False,
    home: HomeOption = None,
    zone: Annotated[
        str | None,
        typer.Option(
            help="DNS name of Moorage and suffix of its workspaces' names.", show_default="localhost"
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="TCP port; the next one is used for metrics.", show_default="8080")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    ca_bundle: Annotated[
        Path | None, typer.Option(help="PEM file of certificates that workspaces trust, too.")
    ] = None,
    tools_image: Annotated[str | None, typer.Option(help="Image that holds editor and helpers.")] = None,
    repository_network: Annotated[
        list[str] | None,
        typer.Option(
            help="Network, address or host without a public address that repositories may be read from; may be given often.",
            metavar="PLACE",
        ),
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="console or json.", metavar="FORMAT")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait with --detach.")] = 60.0,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Run Moorage on this machine: server, agent, gateway and HAProxy, restarted when they die.

    Zone, port, address, CA bundle, tools image and repository networks are kept in the state folder: they need not be said again.
    """
    from moorage.supervisor import launch, state
    from moorage.supervisor.prepare import Options

    narrow_umask()
    place = _home(home)
    if log_format not in (None, "console", "json"):
        raise typer.BadParameter("it is console or json.", param_hint="--log-format")
    options = Options(
        zone=zone,
        port=port,
        address=address,
        ca_bundle=ca_bundle,
        tools_image=tools_image,
        repository_networks=tuple(repository_network or ()),
    )
    if place.run.is_dir() and state.locked(place):
        _already_running(place, options, wait=timeout if detach else 0.0)
        return
    plan = launch.ready_to_start(place, options)
    if detach:
        launch.start_detached(place, plan, fmt=log_format, seconds=timeout)
        _welcome(place, plan)
    else:
        launch.become_supervisor(place, plan, fmt=log_format, announce=lambda: _welcome(place, plan))


@app.command(rich_help_panel="This machine")
def down(home: HomeOption = None, format_: OutputOption = output.Format.TEXT) -> None:
    """End the installation on this machine. Workspaces go on running; `moor up` finds them again."""
    from moorage.supervisor import launch

    ran = launch.stop(_home(home))
    if output.as_json():
        output.show_json({"ran": ran})
    else:
        output.say("Moorage has ended." if ran else "Moorage did not run.")


@app.command(rich_help_panel="This machine")
def status(home: HomeOption = None, format_: OutputOption = output.Format.TEXT) -> None:
    """Say what runs, since when, what died, and whether everything answers (exit code 8 when not)."""
    from moorage.supervisor import status as supervisor_status

    found = supervisor_status.status(_home(home))
    if output.as_json():
        output.show_json(found)
    else:
        _show_status(found)
    if not found.healthy:
        raise typer.Exit(UNHEALTHY)


def process(name: str) -> None:
    """Adds `moor <name>`, which becomes that process."""

    def run(context: typer.Context, home: HomeOption = None) -> None:
        argv = [sys.executable, "-m", f"moorage.{name}", "--home", str(_home(home).path), *context.args]
        os.execv(argv[0], argv)  # noqa: S606 - a person's own arguments

    run.__doc__ = f"Run the {name} alone, in the foreground; further arguments are its own."
    app.command(
        name,
        rich_help_panel="This machine",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(run)


for _name in ("server", "agent", "gateway"):
    process(_name)


def _home(given: Path | None) -> Home:
    return Home(given.absolute() if given else default_home())


def _already_running(home: Home, options: Options, *, wait: float) -> None:
    from moorage.supervisor import launch

    plan, renewed = launch.join(home, options, seconds=wait)
    if output.as_json():
        output.show_json({"url": plan.url, "home": str(home.path), "started": False, "restarted": renewed})
        return
    again = f" Started again: {', '.join(renewed)}." if renewed else ""
    output.say(f"Moorage is running already: {plan.url}.{again} `moor status` says more.")


def _welcome(home: Home, plan: Plan) -> None:
    if output.as_json():
        output.show_json({"url": plan.url, "home": str(home.path), "started": True})
        return
    output.say(f"Moorage is ready: {plan.url}")
    output.say(
        "`moor sign-in-link` prints a one-time link that signs you in; `moor create REPOSITORY` makes a workspace."
    )


def _show_status(found: Status) -> None:
    from moorage.cli.words import since, size

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
        rows = rows if any(process.state == "down" and process.pid for process in found.processes) else []
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
    """What agents know and the server does not."""
    from moorage.cli.words import since

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
