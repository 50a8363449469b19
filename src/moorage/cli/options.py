"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moorage.cli import output


def _complete_workspace(incomplete: str) -> list[str]:
    from moorage.cli.completion import workspaces

    return workspaces(incomplete)


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="MOORAGE_HOME",
        show_default=False,
        help="State folder of the installation on this machine.",
    ),
]
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="MOORAGE_SERVER",
        show_default=False,
        help="A server elsewhere: its URL, or unix:PATH. Its token comes from MOORAGE_TOKEN.",
    ),
]
OutputOption = Annotated[
    output.Format,
    typer.Option("--output", "-o", callback=output.choose, help="For a person, or for a programme."),
]
TimeoutOption = Annotated[
    float, typer.Option(min=0, help="Seconds to wait at most; what was asked for goes on by itself.")
]
WorkspaceArgument = Annotated[
    str,
    typer.Argument(
        metavar="WORKSPACE",
        help="Its title, its name, or a beginning of one that fits no other.",
        autocompletion=_complete_workspace,
    ),
]
ExactWorkspaceArgument = Annotated[
    str,
    typer.Argument(
        metavar="WORKSPACE",
        help="Its whole title or name.",
        autocompletion=_complete_workspace,
    ),
]
"""For what cannot be undone."""
