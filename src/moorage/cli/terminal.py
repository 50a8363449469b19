"""`moor exec`: a command in a workspace, with a terminal when there is one here."""

from __future__ import annotations

import sys

import click

from moorage.cli import output
from moorage.cli.context import Context, pass_context, server_options
from moorage.cli.groups import command
from moorage.cli.options import container_option, exact_workspace_argument, tty_option


@command(
    "exec",
    examples=[
        "moor exec app -- make test",
        "moor exec app -- bash",
        "moor exec app --container db -- psql -U postgres",
    ],
)
@exact_workspace_argument
@click.argument(
    "command", nargs=-1, required=True, metavar="COMMAND...", help="The command and its arguments."
)
@container_option
@tty_option
@server_options
@pass_context
def exec_(
    context: Context, workspace: str, command: tuple[str, ...], *, container: str, tty: bool | None
) -> None:
    """Run a command in a workspace: `moor exec app -- make test`. The exit code is the command's
    own."""
    import asyncio

    from moorage.cli.execution import Execution

    with_terminal = sys.stdin.isatty() and sys.stdout.isatty() if tty is None else tty
    with context.connect() as client:
        name = client.workspace_exactly(workspace)["name"]
        target = client.target
    execution = Execution(target, name, list(command), container=container, tty=with_terminal)
    try:
        code = asyncio.run(execution.run())
    except BrokenPipeError:
        code = output.reader_gone()
    raise click.exceptions.Exit(code)
