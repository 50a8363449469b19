"""`moor sign-in-link`."""

from __future__ import annotations

import time

import click

from moorage.cli import output
from moorage.cli.client import quoted
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import command


@command("sign-in-link", examples=["moor sign-in-link", "moor sign-in-link ana"])
@click.argument("user", required=False, default="", help="Whom it signs in; you, when left out.")
@server_options
@output_option
@pass_context
def sign_in_link(context: Context, user: str) -> None:
    """Print a link that signs a user in, once."""
    with context.connect() as client:
        name = user or client.get("/me")["name"]
        link = client.post(f"/users/{quoted(name)}/sign-in-links")
    context.tell(link, link["url"])
    if not context.as_json:
        minutes = max(1, round((link["expires_at"] - time.time()) / 60))
        output.note(f"It signs {name} in, once, within {minutes} minutes.")
