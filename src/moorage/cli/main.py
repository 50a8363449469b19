"""`moor`: the commands in one application, and the one place where an error becomes an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from moorage.cli import (
    agents,
    creation,
    devfile,
    found,
    installation,
    logs,
    output,
    ports,
    sign_in,
    terminal,
    users,
    workspaces,
)
from moorage.kernel.errors import MoorageError

app = typer.Typer(
    name="moor",
    help="On-demand development environments on your own infrastructure.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        _print_version()
        raise typer.Exit


@app.command("version")
def _print_version() -> None:
    """Print the version."""
    from moorage import __version__

    if output.as_json():
        output.show_json({"version": __version__})
    else:
        sys.stdout.write(f"moor {__version__}\n")


for _noun in (creation, workspaces, ports, logs, terminal, sign_in, installation):
    app.add_typer(_noun.app)
app.add_typer(devfile.app, name="devfile", rich_help_panel="Devfiles")
app.add_typer(users.app, name="users", rich_help_panel="People and agents")
agents.app.add_typer(found.app)
app.add_typer(agents.app, name="agents", rich_help_panel="People and agents")


def main() -> None:
    """Runs the command line. Exit codes are those of `kernel.errors`; 130 after Ctrl-C."""
    if sys.stdin is None:  # closed: the next descriptor that is opened would be taken for it
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = os.fdopen(0)
    try:
        app()
    except MoorageError as error:
        output.show_error(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
