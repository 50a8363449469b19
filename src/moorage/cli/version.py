"""`moor version`."""

from __future__ import annotations

from moorage import __version__
from moorage.cli.context import Context, output_option, pass_context
from moorage.cli.groups import command


@command("version", examples=["moor version"])
@output_option
@pass_context
def version(context: Context) -> None:
    """Print the version."""
    context.tell({"version": __version__}, f"moor {__version__}")
