"""`moor run`: the devfile's commands by their names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from moorage.cli import output
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import command
from moorage.cli.options import command_argument, exact_workspace_argument, tty_option
from moorage.kernel.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from moorage.cli.client import Target

Command = dict[str, Any]
"""As in `docs/api.md`."""


@command(examples=["moor run app", "moor run app test", "moor run app build < input.txt"])
@exact_workspace_argument
@command_argument
@tty_option
@server_options
@output_option
@pass_context
def run(context: Context, workspace: str, command: str, *, tty: bool | None) -> None:
    """Run one of the devfile's commands in its container, or list them.

    The exit code is the command's own. Commands of several containers run without a terminal and
    without input.
    """
    with context.connect() as client:
        found = client.workspace_exactly(workspace)
        target = client.target
    commands: list[Command] = found.get("commands", [])
    if not command:
        if context.as_json:
            output.show_json({"items": commands})
        else:
            _show(commands)
        return
    chosen = find(command, commands)
    with_terminal = sys.stdin.isatty() and sys.stdout.isatty() if tty is None else tty
    raise click.exceptions.Exit(_run(target, found["name"], chosen, commands, with_terminal))


def find(wanted: str, commands: list[Command]) -> Command:
    """The command of that id. Pure.

    Raises `NotFound` when there is none, `InvalidInput` when a workspace cannot run it.
    """
    found = next((item for item in commands if item["id"] == wanted), None)
    if found is None:
        names = ", ".join(item["id"] for item in commands)
        raise NotFound(
            f"The devfile has no command {wanted}.",
            code="command-not-found",
            hint=f"It has: {names}." if names else "It has none: `moor exec` runs any program.",
        )
    if found["unable"]:
        raise InvalidInput(
            f"{wanted} cannot be run. {found['unable']}",
            code="command-not-runnable",
            field="command",
            hint="`moor run` without a command lists those that can be.",
        )
    return found


def argv(command: Command) -> list[str]:
    """The program and arguments that run it in its container. Pure."""
    words = ["sh", "-c", command["command_line"]]
    if command["env"]:
        words = ["env", *(f"{name}={value}" for name, value in command["env"].items()), *words]
    if command["working_dir"]:
        words = ["sh", "-c", 'cd -- "$0" || exit; exec "$@"', command["working_dir"], *words]
    return words


def _run(
    target: Target, workspace: str, chosen: Command, commands: list[Command], tty: bool
) -> int:
    import asyncio

    from moorage.cli.execution import Execution
    from moorage.cli.several_commands import SeveralCommands

    try:
        if chosen["container"]:
            execution = Execution(
                target, workspace, argv(chosen), container=chosen["container"], tty=tty
            )
            return asyncio.run(execution.run())
        return asyncio.run(SeveralCommands(target, workspace, commands).run(chosen))
    except BrokenPipeError:
        return output.reader_gone()
    except KeyboardInterrupt:
        return output.INTERRUPTED


def _show(commands: list[Command]) -> None:
    rows = [[item["id"], _group(item), item["container"], says(item)] for item in commands]
    output.show_table(
        ["COMMAND", "GROUP", "CONTAINER", "WHAT IT DOES"], rows, empty="The devfile has no command."
    )


def _group(command: Command) -> str:
    return f"{command['group']} (default)" if command["default"] else str(command["group"])


def says(command: Command) -> str:
    """Label or command line in one line, and why it cannot be run, or what runs it beside people.
    Pure."""
    what = command["label"] or command["command_line"]
    if command["members"]:
        how = " and " if command["parallel"] else ", then "
        what = command["label"] or how.join(command["members"])
    if command["unable"]:
        what = f"{what}: {command['unable']}" if what else command["unable"]
    elif command["event"]:
        what = f"{what} (also at {command['event']})"
    return " ".join(what.split())
