"""`moor exec`: a command in a workspace, with a terminal when there is one here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.options import ExactWorkspaceArgument, HomeOption, ServerOption

app = typer.Typer()


@app.command("exec", rich_help_panel="Workspaces")
def exec_(
    workspace: ExactWorkspaceArgument,
    command: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND...", help="The command and its arguments.", show_default=False),
    ],
    *,
    container: Annotated[str, typer.Option("--container", "-c", show_default="the editor's")] = "",
    tty: Annotated[
        bool | None,
        typer.Option(
            "--tty/--no-tty", "-t/-T", help="With a terminal.", show_default="when input and output are one"
        ),
    ] = None,
    server: ServerOption = None,
    home: HomeOption = None,
) -> None:
    """Run a command in a workspace: `moor exec app -- make test`. The exit code is the command's own."""
    import asyncio

    from moorage.cli.execution import Execution

    with_terminal = sys.stdin.isatty() and sys.stdout.isatty() if tty is None else tty
    with Client.connect(server, home) as client:
        name = client.workspace_exactly(workspace)["name"]
        target = client.target
    execution = Execution(target, name, command, container=container, tty=with_terminal)
    try:
        code = asyncio.run(execution.run())
    except BrokenPipeError:
        code = output.reader_gone()
    raise typer.Exit(code)
