"""`moor logs`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.options import HomeOption, ServerOption, WorkspaceArgument

app = typer.Typer()


@app.command(rich_help_panel="Workspaces")
def logs(
    workspace: WorkspaceArgument,
    *,
    container: Annotated[str, typer.Option("--container", "-c", show_default="the editor's")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only so many last lines.")] = None,
    server: ServerOption = None,
    home: HomeOption = None,
) -> None:
    """Print what a container writes, byte by byte."""
    with Client.connect(server, home) as client:
        path = f"/workspaces/{client.workspace_name(workspace)}/logs"
        wanted = client.stream(
            path, container=container or None, follow="true" if follow else None, tail=tail
        )
        with wanted as answer:
            try:
                for data in answer.iter_raw():
                    sys.stdout.buffer.write(data)
                    sys.stdout.buffer.flush()
            except KeyboardInterrupt:
                raise typer.Exit(130) from None
            except BrokenPipeError:
                raise typer.Exit(output.reader_gone()) from None
