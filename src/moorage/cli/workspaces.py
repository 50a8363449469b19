"""`moor list`, `show`, `start`, `stop`, `restart`, `delete`."""

from __future__ import annotations

import sys
from typing import NamedTuple

import click

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import command
from moorage.cli.options import (
    exact_workspace_argument,
    post_start_option,
    timeout_option,
    wait_option,
    workspace_argument,
    workspaces_argument,
    yes_option,
)
from moorage.cli.several import Finish, Workspace, choose, each
from moorage.cli.words import since, state_word
from moorage.contract import DesiredState
from moorage.kernel.errors import InvalidInput


@command("list", examples=["moor list", "moor list --all -o json"])
@click.option("--all", "everyones", is_flag=True, help="Everyone's, for an administrator.")
@server_options
@output_option
@pass_context
def list_(context: Context, *, everyones: bool) -> None:
    """List your workspaces."""
    with context.connect() as client:
        answer = client.get("/workspaces", all="true" if everyones else None)
    if context.as_json:
        output.show_json(answer)
        return
    headings = ["TITLE", "STATE", "AGENT", "AGE", "NAME", "REPOSITORY"]
    rows = [
        [
            item["title"],
            state_word(item),
            item["agent"],
            since(item["created_at"]),
            item["name"],
            item["repository"],
        ]
        for item in answer["items"]
    ]
    if everyones:
        headings.insert(1, "OWNER")
        for row, item in zip(rows, answer["items"], strict=True):
            row.insert(1, item["owner_name"])
    output.show_table(headings, rows, empty="No workspaces. `moor create REPOSITORY` makes one.")
    if changed := [item["title"] for item in answer["items"] if item.get("devfile_changed")]:
        output.note(f"With another devfile in the repository by now: {', '.join(changed)}.")


@command(examples=["moor show app", "moor show app -o json"])
@workspace_argument
@server_options
@output_option
@pass_context
def show(context: Context, workspace: str) -> None:
    """Show a workspace: state and its cause, stages, containers, ports."""
    from moorage.cli.details import show_details, usage_of

    with context.connect() as client:
        found = client.workspace(workspace)
        # Waits a moment for whether its devfile has changed.
        found = client.get(f"/workspaces/{found['name']}", look="true")
        usage = usage_of(client, found)
    if context.as_json:
        output.show_json({**found, "usage": usage})
    else:
        show_details(found, usage)


class Waiting(NamedTuple):
    """How long a start is waited for, in seconds."""

    timeout: float
    post_start: float
    """For postStart commands, once it runs."""


RUNNING, STOPPED = DesiredState.RUNNING, DesiredState.STOPPED


@command(
    examples=[
        "moor start app",
        "moor start app web --no-wait",
        "moor start app --rescue",
        "moor start --all",
    ]
)
@workspaces_argument("Titles, names, or beginnings of one that fit no other.")
@click.option(
    "--fresh-files",
    is_flag=True,
    help="Where the files were lost outside of Moorage, begin with empty volumes. What there is stays.",
)
@click.option(
    "--rescue",
    is_flag=True,
    help="With the files, but in an environment to repair it from: an editor in another image, and nothing of the devfile."
    " What runs now is ended; `moor restart` tries its own again.",
)
@wait_option
@post_start_option
@timeout_option
@server_options
@output_option
@pass_context
def start(
    context: Context,
    names: tuple[str, ...],
    *,
    everything: bool,
    fresh_files: bool,
    rescue: bool,
    wait: bool,
    post_start_wait: float,
    timeout: float,
) -> None:
    """Start workspaces. Files and home are as they were."""
    if everything and fresh_files:
        raise InvalidInput(
            "--fresh-files is agreed to for each workspace by its name, not for --all.",
            code="workspaces-unclear",
            field="fresh-files",
            hint="Name the workspaces whose files are lost.",
        )
    if everything and rescue:
        raise InvalidInput(
            "--rescue ends what runs: it is asked for by each workspace's name, not with --all.",
            code="workspaces-unclear",
            field="rescue",
            hint="Name the workspaces that are to be repaired.",
        )
    asked = [
        f"{name}=true" for name, on in (("fresh_files", fresh_files), ("rescue", rescue)) if on
    ]
    verb = f"start?{'&'.join(asked)}" if asked else "start"
    waiting = Waiting(timeout, post_start_wait) if wait else None
    with context.connect() as client:
        chosen = choose(client, names, everything, STOPPED, find=client.workspace)
        each(
            context,
            names,
            chosen,
            lambda one: _run(context, client, one, verb, waiting, rescue=rescue),
        )


@command(examples=["moor restart app"])
@workspaces_argument("Whole titles or names.")
@wait_option
@post_start_option
@timeout_option
@server_options
@output_option
@pass_context
def restart(
    context: Context,
    names: tuple[str, ...],
    *,
    everything: bool,
    wait: bool,
    post_start_wait: float,
    timeout: float,
) -> None:
    """Start workspaces anew, with new containers. Files and home are as they were."""
    waiting = Waiting(timeout, post_start_wait) if wait else None
    with context.connect() as client:
        chosen = choose(client, names, everything, RUNNING)
        each(
            context,
            names,
            chosen,
            lambda one: _run(context, client, one, "restart", waiting),
        )


@command(examples=["moor stop app", "moor stop app web", "moor stop --all"])
@workspaces_argument("Whole titles or names.")
@wait_option
@timeout_option
@server_options
@output_option
@pass_context
def stop(
    context: Context, names: tuple[str, ...], *, everything: bool, wait: bool, timeout: float
) -> None:
    """Stop workspaces. Files and home stay."""
    with context.connect() as client:

        def ask(one: Workspace) -> Finish:
            asked = client.post(f"/workspaces/{one['name']}/stop")

            def finish() -> None:
                now = asked
                if wait:
                    now = _ended(context, client, asked, STOPPED, timeout) or asked
                context.tell(now, f"{asked['title']} {'is stopped' if wait else 'is to stop'}.")

            return finish

        each(context, names, choose(client, names, everything, RUNNING), ask)


@command(examples=["moor rename app shop"])
@exact_workspace_argument
@click.argument("title", help="Lower-case letters, digits and dashes.")
@server_options
@output_option
@pass_context
def rename(context: Context, workspace: str, title: str) -> None:
    """Give a workspace another title. Its addresses and its folder stay; nothing is restarted."""
    with context.connect() as client:
        before = client.workspace_exactly(workspace)
        now = client.patch(f"/workspaces/{before['name']}", {"title": title})
    context.tell(now, f"{before['title']} is now called {now['title']}.")


@command(examples=["moor delete app", "moor delete app web --yes"])
@workspaces_argument("Whole titles or names.")
@yes_option
@wait_option
@timeout_option
@server_options
@output_option
@pass_context
def delete(
    context: Context,
    names: tuple[str, ...],
    *,
    everything: bool,
    yes: bool,
    wait: bool,
    timeout: float,
) -> None:
    """Delete workspaces with their files and their homes. Nothing brings them back."""
    with context.connect() as client:

        def ask(one: Workspace) -> Finish:
            asked = client.delete(f"/workspaces/{one['name']}")

            def finish() -> None:
                now = asked
                if wait:
                    gone = _ended(context, client, asked, DesiredState.TERMINATED, timeout)
                    now = gone or {**asked, "state": "Terminated"}
                done = "is deleted" if wait else "is to be deleted"
                context.tell(now, f"{asked['title']} {done}.")

            return finish

        chosen = choose(client, names, everything, RUNNING, STOPPED)
        if not yes:
            _confirm(chosen)
        each(context, names, chosen, ask)


def _run(
    context: Context,
    client: Client,
    one: Workspace,
    verb: str,
    waiting: Waiting | None,
    *,
    rescue: bool = False,
) -> Finish:
    """`waiting` None: nobody waits; `rescue`: what runs for repair is what was asked for."""
    from moorage.cli.settling import check
    from moorage.cli.waiting import tell_started, wait_running

    asked = client.post(f"/workspaces/{one['name']}/{verb}")

    def finish() -> None:
        now = asked
        if waiting is not None:
            now = wait_running(context, client, asked, waiting.timeout, patience=waiting.post_start)
        tell_started(context, now, started=waiting is not None)
        if waiting is not None and not (rescue and now.get("rescue")):
            check(now)

    return finish


def _ended(
    context: Context, client: Client, asked: Workspace, goal: DesiredState, timeout: float
) -> Workspace | None:
    from moorage.cli.waiting import wait_ended

    return wait_ended(context, client, asked, goal, timeout)


def _confirm(chosen: list[Workspace]) -> None:
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Deleting asks first, and nobody can answer here.",
            code="not-confirmed",
            hint="Say it with --yes.",
        )
    if len(chosen) == 1:
        [one] = chosen
        question = f"Delete {one['title']} ({one['repository']}) with all its files?"
    else:
        for one in chosen:
            output.note(f"{one['title']} ({one['repository']})")
        question = f"Delete these {len(chosen)} workspaces with all their files?"
    if not click.confirm(question, err=True):
        raise click.exceptions.Exit(1)
