"""`moor logs`."""

from __future__ import annotations

import sys

import click

from moorage.cli import output
from moorage.cli.context import Context, pass_context, server_options
from moorage.cli.groups import command
from moorage.cli.options import log_option, workspace_argument


@command(
    examples=[
        "moor logs app",
        "moor logs app --container db --follow --tail 100",
        "moor logs app -c postStart -f",
    ]
)
@workspace_argument
@log_option
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes.")
@click.option(
    "--tail", type=click.IntRange(min=0), metavar="LINES", help="Only so many last lines."
)
@server_options
@pass_context
def logs(
    context: Context, workspace: str, *, container: str, follow: bool, tail: int | None
) -> None:
    """Print what a container writes, byte by byte."""
    with context.connect() as client:
        path = f"/workspaces/{client.workspace_name(workspace)}/logs"
        wanted = client.stream(
            path, container=container or None, follow="true" if follow else None, tail=tail
        )
        with wanted as chunks:
            try:
                for data in chunks:
                    sys.stdout.buffer.write(data)
                    sys.stdout.buffer.flush()
            except KeyboardInterrupt:
                raise click.exceptions.Exit(output.INTERRUPTED) from None
            except BrokenPipeError:
                raise click.exceptions.Exit(output.reader_gone()) from None
