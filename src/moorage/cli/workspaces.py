"""`moor list`, `show`, `start`, `stop`, `restart`, `delete`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.options import (
    ExactWorkspaceArgument,
    HomeOption,
    OutputOption,
    ServerOption,
    TimeoutOption,
    WorkspaceArgument,
)
from moorage.cli.words import state_word
from moorage.contract import DesiredState
from moorage.kernel.errors import InvalidInput, MoorageError

app = typer.Typer()

WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")]
PANEL = "Workspaces"
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells have it."""


@app.command("list", rich_help_panel=PANEL)
def list_(
    *,
    everyones: Annotated[bool, typer.Option("--all", help="Everyone's, for an administrator.")] = False,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """List your workspaces."""
    with Client.connect(server, home) as client:
        answer = client.get("/workspaces", all="true" if everyones else None)
    if output.as_json():
        output.show_json(answer)
        return
    from moorage.cli.words import since

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


@app.command(rich_help_panel=PANEL)
def show(
    workspace: WorkspaceArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Show a workspace: state and its cause, stages, containers, ports."""
    from moorage.cli.details import show_details

    with Client.connect(server, home) as client:
        found = client.workspace(workspace)
    if output.as_json():
        output.show_json(found)
    else:
        show_details(found)


@app.command(rich_help_panel=PANEL)
def start(
    workspace: WorkspaceArgument,
    *,
    wait: WaitOption = True,
    timeout: TimeoutOption = 3600.0,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Start a workspace. Files and home are as they were."""
    with Client.connect(server, home) as client:
        _run(client, client.workspace_name(workspace), "start", wait=wait, timeout=timeout)


@app.command(rich_help_panel=PANEL)
def restart(
    workspace: ExactWorkspaceArgument,
    *,
    wait: WaitOption = True,
    timeout: TimeoutOption = 3600.0,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Start a workspace anew, with new containers. Files and home are as they were."""
    with Client.connect(server, home) as client:
        _run(client, client.workspace_exactly(workspace)["name"], "restart", wait=wait, timeout=timeout)


@app.command(rich_help_panel=PANEL)
def stop(
    workspace: ExactWorkspaceArgument,
    *,
    wait: WaitOption = True,
    timeout: TimeoutOption = 3600.0,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Stop a workspace. Files and home stay."""
    with Client.connect(server, home) as client:
        asked = client.post(f"/workspaces/{client.workspace_exactly(workspace)['name']}/stop")
        if wait:
            asked = _wait(client, asked, DesiredState.STOPPED, timeout) or asked
    _done(asked, "is stopped" if wait else "is to stop")


@app.command(rich_help_panel=PANEL)
def delete(
    workspace: ExactWorkspaceArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: WaitOption = True,
    timeout: TimeoutOption = 3600.0,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Delete a workspace with its files and its home. Nothing brings them back."""
    with Client.connect(server, home) as client:
        found = client.workspace_exactly(workspace)
        if not yes:
            _ask(found)
        asked = client.delete(f"/workspaces/{found['name']}")
        if wait:
            asked = _wait(client, asked, DesiredState.TERMINATED, timeout) or {**asked, "state": "Terminated"}
    _done(asked, "is deleted" if wait else "is to be deleted")


def wait_running(client: Client, workspace: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Waits with a view of the stages.

    When that ends in any other way, a programme gets the workspace all the same, as it was last heard of: for its name.
    """
    from moorage.cli.following import wait
    from moorage.cli.progress import stages

    latest = workspace

    def show(now: dict[str, Any]) -> None:
        nonlocal latest
        latest = now
        progress.show(now)

    try:
        with stages() as progress:
            return (
                wait(
                    client,
                    workspace["name"],
                    DesiredState.RUNNING,
                    seconds=seconds,
                    show=show,
                    say=progress.say,
                )
                or latest
            )
    except KeyboardInterrupt:
        if output.as_json():
            output.show_json(latest)
        title = workspace["title"]
        output.note(
            f"It goes on starting. `moor show {title}` says how far it is, `moor start {title}` waits again, "
            f"`moor delete {title}` removes it."
        )
        raise typer.Exit(INTERRUPTED) from None
    except MoorageError:
        if output.as_json():
            output.show_json(latest)
        raise


def tell(workspace: dict[str, Any], *, started: bool) -> None:
    """What to do with a workspace that runs, or that was asked to."""
    if output.as_json():
        output.show_json(workspace)
        return
    title = workspace["title"]
    if started:
        output.say(f"{title} runs. {workspace['url']}".rstrip())
    else:
        output.say(f"{title} is starting. `moor start {title}` waits for it.")


def _run(client: Client, name: str, verb: str, *, wait: bool, timeout: float) -> None:
    asked = client.post(f"/workspaces/{name}/{verb}")
    if wait:
        asked = wait_running(client, asked, timeout)
    tell(asked, started=wait)


def _wait(
    client: Client, workspace: dict[str, Any], goal: DesiredState, seconds: float
) -> dict[str, Any] | None:
    from moorage.cli.following import wait

    try:
        if output.as_json():
            return wait(client, workspace["name"], goal, seconds=seconds)
        with output.console(error=True).status(f"{workspace['title']}: {state_word(workspace)} …") as shown:
            return wait(
                client,
                workspace["name"],
                goal,
                seconds=seconds,
                show=lambda now: shown.update(f"{now['title']}: {state_word(now)} …{_reason(now)}"),
                say=shown.update,
            )
    except KeyboardInterrupt:
        output.note(f"It goes on by itself. `moor show {workspace['title']}` says how far it is.")
        raise typer.Exit(INTERRUPTED) from None


def _reason(workspace: dict[str, Any]) -> str:
    cause = workspace["cause"]
    return f" {cause['message']}" if cause else ""


def _done(workspace: dict[str, Any], what: str) -> None:
    if output.as_json():
        output.show_json(workspace)
    else:
        output.say(f"{workspace['title']} {what}.")


def _ask(workspace: dict[str, Any]) -> None:
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Deleting asks first, and nobody can answer here.",
            code="not-confirmed",
            hint="Say it with --yes.",
        )
    question = f"Delete {workspace['title']} ({workspace['repository']}) with all its files?"
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
