"""`moor sign-in-link`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from moorage.cli import output
from moorage.cli.client import Client, quoted
from moorage.cli.options import HomeOption, OutputOption, ServerOption

app = typer.Typer()


@app.command("sign-in-link", rich_help_panel="People and agents")
def sign_in_link(
    user: Annotated[str, typer.Argument(metavar="[USER]", show_default="you")] = "",
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Print a link that signs a user in, once."""
    with Client.connect(server, home) as client:
        name = user or client.get("/me")["name"]
        link = client.post(f"/users/{quoted(name)}/sign-in-links")
    if output.as_json():
        output.show_json(link)
        return
    output.say(link["url"])
    minutes = max(1, round((link["expires_at"] - time.time()) / 60))
    output.note(f"It signs {name} in, once, within {minutes} minutes.")
