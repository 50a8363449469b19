"""`moor agents found`, `adopt`, `discard`: what agents have and the server does not list."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from moorage.cli import output
from moorage.cli.client import Client, quoted
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import command
from moorage.cli.options import agent_argument, yes_option
from moorage.cli.words import since
from moorage.kernel.errors import InvalidInput, NotFound
from moorage.wording import duration

workspace_argument = click.argument(
    "workspace", metavar="WORKSPACE", help="Its name, as `moor agents found` prints it."
)


@command(examples=["moor agents found", "moor agents found europe"])
@click.argument(
    "agent", metavar="[AGENT]", required=False, help="Its name; all agents, when left out."
)
@server_options
@output_option
@pass_context
def found(context: Context, agent: str | None) -> None:
    """List what agents have and the server does not: it is stopped, and kept until you adopt or
    discard it."""
    with context.connect() as client:
        agents = (
            [agent]
            if agent
            else [item["name"] for item in client.get("/agents")["items"] if item.get("found")]
        )
        items = [item for name in agents for item in client.get(_path(name))["items"]]
    if context.as_json:
        output.show_json({"items": items})
        return
    rows = [
        [
            item["name"],
            item["title"] or "–",
            _owner(item),
            _age(item["since"]),
            _age(item["found_at"]),
            _becomes(item),
        ]
        for item in items
    ]
    headings = ["WORKSPACE", "TITLE", "OWNER", "MADE", "FOUND", "WHAT BECOMES OF IT"]
    output.show_table(headings, rows, empty="The server lists all that its agents have.")
    for item in items:
        output.say(
            f"\n{item['name']} on {item['agent']}, generation {item['generation']}: {_state(item)}"
        )
        if item["repository"]:
            output.say(f"  made from {item['repository']}")
        if not item["complete"]:
            output.say(
                "  of an earlier version: to adopt it, name its repository with --repository"
            )
        for thing in item["objects"]:
            output.say(f"  {thing}")
    if items:
        output.say("\nTake one back:  moor agents adopt AGENT WORKSPACE")
        output.say("Remove one:     moor agents discard AGENT WORKSPACE")


@command(
    examples=[
        "moor agents adopt europe workspace-1-2-abcdef",
        "moor agents adopt europe workspace-1-2-abcdef --owner ana",
    ]
)
@agent_argument
@workspace_argument
@click.option(
    "--owner", metavar="USER", default="", show_default="whose it was", help="Whose it becomes."
)
@click.option(
    "--repository",
    metavar="URL",
    default="",
    help="Make it anew from the devfile there, on the files that are kept.",
)
@click.option("--ref", default="", help="Branch, tag or commit of that repository.")
@click.option("--devfile", metavar="PATH", default="", help="Where the devfile is in it.")
@server_options
@output_option
@pass_context
def adopt(context: Context, /, agent: str, workspace: str, **said: str) -> None:
    """Make a workspace of what an agent found: with its files, under its name. Its owner starts
    it."""
    with context.connect() as client:
        item = _find(client, agent, workspace)
        body = {"mark": item["mark"], **said}
        made = client.post(f"{_path(agent)}/{quoted(item['name'])}/adopt", body)
    context.tell(
        made, f"{made['title']} ({made['name']}) is a workspace of {made['owner_name']} again."
    )


@command(examples=["moor agents discard europe workspace-1-2-abcdef"])
@agent_argument
@workspace_argument
@yes_option
@server_options
@output_option
@pass_context
def discard(context: Context, agent: str, workspace: str, *, yes: bool) -> None:
    """Remove what an agent found, with all its files. Nothing brings them back."""
    with context.connect() as client:
        item = _find(client, agent, workspace)
        if not yes:
            _ask(item)
        removed = client.delete(
            f"{_path(agent)}/{quoted(item['name'])}?mark={quoted(item['mark'])}"
        )
    context.tell(removed, f"{item['name']} is being removed.")


def _path(agent: str) -> str:
    return f"/agents/{quoted(agent)}/found"


def _find(client: Client, agent: str, workspace: str) -> dict[str, Any]:
    """By name, or by the title that it had, where only one had it. Raises `NotFound`."""
    items = client.get(_path(agent))["items"]
    for key in ("name", "title"):
        matching: list[dict[str, Any]] = [item for item in items if item[key] == workspace]
        if len(matching) == 1:
            return matching[0]
    raise NotFound(
        f"The agent {agent} tells of no {workspace} that the server does not list.",
        code="found-not-found",
        hint=f"`moor agents found {agent}` prints their names.",
    )


def _ask(item: dict[str, Any]) -> None:
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Removing asks first, and nobody can answer here.",
            code="not-confirmed",
            hint="Say it with --yes.",
        )
    what = item["title"] or item["name"]
    whose = f" of {_owner(item)}" if _owner(item) != "–" else ""
    output.note(f"{item['name']}: {', '.join(item['objects']) or 'a record alone'}")
    if not click.confirm(
        f"Remove {what}{whose} with all its files? Nothing brings them back.", err=True
    ):
        raise click.exceptions.Exit(1)


def _owner(item: dict[str, Any]) -> str:
    return str(
        item["owner_now"]
        or item["owner_name"]
        or (f"user {item['owner']}" if item["owner"] else "–")
    )


def _state(item: dict[str, Any]) -> str:
    if item["elsewhere"]:
        return f"another agent with this one's identity works on it: {item['elsewhere']}"
    return "it runs" if item["running"] else "stopped, and kept"


def _becomes(item: dict[str, Any]) -> str:
    if item["removing"]:
        return "being removed"
    if item["elsewhere"]:
        return "left alone: another agent's"
    if item["remove_at"] is None:
        return "kept"
    return f"removed in {duration(max(0.0, item['remove_at'] - time.time()))}"


def _age(then: float | None) -> str:
    return f"{since(then)} ago" if then else "–"
