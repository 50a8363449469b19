"""`moor users …`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from moorage.cli import output
from moorage.cli.client import Client, quoted
from moorage.cli.options import HomeOption, OutputOption, ServerOption

app = typer.Typer(help="Who may use this installation.", no_args_is_help=True)

UserArgument = Annotated[str, typer.Argument(metavar="USER")]


@app.command()
def add(
    user: UserArgument,
    *,
    administrator: Annotated[bool, typer.Option("--administrator", help="May do everything.")] = False,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Add a user. `moor sign-in-link USER` lets them in."""
    body = {"name": user, "role": "administrator" if administrator else "developer"}
    with Client.connect(server, home) as client:
        found = client.post("/users", body)
    _show(found, f"{found['name']} is added. `moor sign-in-link {found['name']}` prints a link for them.")


@app.command("list")
def list_(
    server: ServerOption = None, home: HomeOption = None, format_: OutputOption = output.Format.TEXT
) -> None:
    """List all users."""
    with Client.connect(server, home) as client:
        answer = client.get("/users")
    if output.as_json():
        output.show_json(answer)
        return
    rows = [
        [str(item["id"]), item["name"], item["role"], "blocked" if item["blocked"] else ""]
        for item in answer["items"]
    ]
    output.show_table(["ID", "NAME", "ROLE", ""], rows, empty="No users.")


@app.command()
def block(
    user: UserArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Keep a user out. Their sessions and open connections end at once; their workspaces stay."""
    with Client.connect(server, home) as client:
        _show(client.post(f"/users/{quoted(user)}/block"), f"{user} is blocked.")


@app.command()
def unblock(
    user: UserArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Let a blocked user in again."""
    with Client.connect(server, home) as client:
        _show(client.post(f"/users/{quoted(user)}/unblock"), f"{user} may sign in again.")


def _show(user: dict[str, Any], sentence: str) -> None:
    if output.as_json():
        output.show_json(user)
    else:
        output.say(sentence)
