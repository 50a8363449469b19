"""`moor version`."""

from __future__ import annotations

import click

from moorage import __version__
from moorage.cli.context import Context, output_option, pass_context


@click.command("version")
@output_option
@pass_context
def version(context: Context) -> None:
    """Print the version."""
    context.tell({"version": __version__}, f"moor {__version__}")
