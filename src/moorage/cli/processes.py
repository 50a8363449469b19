"""`moor server`, `moor agent`, `moor gateway`: one process of an installation, in the
foreground."""

from __future__ import annotations

import os
import sys

import click

from moorage.cli.context import Context, home_option, pass_context
from moorage.cli.groups import command


def _command(name: str) -> click.Command:
    """`moor <name>`, which becomes that process."""

    @command(
        name,
        examples=[f"moor {name}", f"moor {name} --home /srv/moorage"],
        help=f"Run the {name} alone, in the foreground; further arguments are its own.",
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @home_option
    @pass_context
    def run(context: Context, arguments: tuple[str, ...]) -> None:
        argv = [
            sys.executable,
            "-m",
            f"moorage.{name}",
            "--home",
            str(context.installation.path),
            *arguments,
        ]
        os.execv(argv[0], argv)  # noqa: S606 - a person's own arguments

    return run


server = _command("server")
agent = _command("agent")
gateway = _command("gateway")
