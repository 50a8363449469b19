"""`moor agents`."""

from __future__ import annotations

import typer

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.options import HomeOption, OutputOption, ServerOption

app = typer.Typer()


@app.command(rich_help_panel="People and agents")
def agents(
    server: ServerOption = None, home: HomeOption = None, format_: OutputOption = output.Format.TEXT
) -> None:
    """List the agents, and whether they are connected."""
    with Client.connect(server, home) as client:
        answer = client.get("/agents")
    if output.as_json():
        output.show_json(answer)
        return
    from moorage.cli.words import since

    rows = [
        [
            item["name"],
            "connected" if item["connected"] else "away",
            f"{since(item['last_seen'])} ago" if item["last_seen"] else "never",
            item["runtime"] or "–",
            item["version"] or "–",
            str(item["workspaces"]),
            item["dns_zone"],
        ]
        for item in answer["items"]
    ]
    headings = ["AGENT", "STATE", "LAST SEEN", "RUNTIME", "VERSION", "WORKSPACES", "ZONE"]
    output.show_table(headings, rows, empty="No agents.")
