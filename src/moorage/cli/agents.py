"""`moor agents …`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from moorage.cli import output
from moorage.cli.client import Client, quoted
from moorage.cli.context import Context, output_option, pass_context, server_options
from moorage.cli.groups import LazyGroup, command
from moorage.cli.options import agent_argument
from moorage.cli.words import since, size
from moorage.kernel.errors import InvalidInput

ANSWER_SECONDS = 15.0
"""For which a connected agent may think about settings."""
ONCE = "These tokens are shown once; `moor agents rotate {name}` makes others."


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    places={
        "Where workspaces run": {
            "list": f"{__name__}:list_",
            "show": f"{__name__}:show",
            "add": f"{__name__}:add",
            "rotate": f"{__name__}:rotate",
            "revoke": f"{__name__}:revoke",
            "enable": f"{__name__}:enable",
            "disable": f"{__name__}:disable",
            "remove": f"{__name__}:remove",
        },
        "How they run": {"settings": f"{__name__}:settings", "configure": f"{__name__}:configure"},
        "What the server does not list": {
            "found": "moorage.cli.found:found",
            "adopt": "moorage.cli.found:adopt",
            "discard": "moorage.cli.found:discard",
        },
    },
)
@server_options
@output_option
@click.pass_context
def agents(context: click.Context) -> None:
    """Where workspaces run. Without a command: the list."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@command("list", examples=["moor agents list"])
@server_options
@output_option
@pass_context
def list_(context: Context) -> None:
    """List the agents, and whether they are connected."""
    with context.connect() as client:
        answer = client.get("/agents")
    if context.as_json:
        output.show_json(answer)
        return
    rows = [
        [
            item["name"],
            _state(item),
            f"{since(item['last_seen'])} ago" if item["last_seen"] else "never",
            item["runtime"] or "–",
            item["version"] or "–",
            str(item["workspaces"]),
            item["dns_zone"],
        ]
        for item in answer["items"]
    ]
    headings = ["AGENT", "STATE", "LAST SEEN", "RUNTIME", "VERSION", "WORKSPACES", "ZONE"]
    output.show_table(headings, rows, empty="No agents. `moor agents add` registers one.")


@command(examples=["moor agents show europe"])
@agent_argument
@server_options
@output_option
@pass_context
def show(context: Context, agent: str) -> None:
    """Show an agent: its connection, version, capacity, and what it says of its settings."""
    with context.connect() as client:
        found = client.get(f"/agents/{quoted(agent)}")
    if context.as_json:
        output.show_json(found)
    else:
        _show(found)


@command(examples=["moor agents add europe https://dev.example.com"])
@agent_argument
@click.argument("zone", metavar="ZONE", help="Origin of its zone, such as https://dev.example.com.")
@server_options
@output_option
@pass_context
def add(context: Context, agent: str, zone: str) -> None:
    """Register an agent and its gateway. Prints their tokens, once, and what to paste where they
    are to run."""
    with context.connect() as client:
        made = client.post("/agents", {"name": agent, "zone_url": zone})
    _show_new(context, made, f"The agent {agent} is registered.")


@command(examples=["moor agents rotate europe", "moor agents rotate europe --only gateway"])
@agent_argument
@click.option("--only", metavar="agent|gateway", show_default="both", help="That token alone.")
@server_options
@output_option
@pass_context
def rotate(context: Context, agent: str, *, only: str | None) -> None:
    """Give an agent and its gateway new tokens. The old ones end at once, and what is connected
    with them."""
    if only not in (None, "agent", "gateway"):
        raise InvalidInput(
            f"There is no token of {only}.", field="only", hint="Say agent or gateway."
        )
    with context.connect() as client:
        made = client.post(f"/agents/{quoted(agent)}/token", {"only": only})
    _show_new(context, made, "The former tokens have ended.")


@command(examples=["moor agents revoke europe"])
@agent_argument
@server_options
@output_option
@pass_context
def revoke(context: Context, agent: str) -> None:
    """Take the tokens back: neither agent nor gateway connects any more. Workspaces go on
    running."""
    with context.connect() as client:
        found = client.delete(f"/agents/{quoted(agent)}/token")
    context.tell(
        found,
        f"{agent} and its gateway cannot connect any more. `moor agents rotate {agent}` lets them in again.",
    )


@command(examples=["moor agents enable europe"])
@agent_argument
@server_options
@output_option
@pass_context
def enable(context: Context, agent: str) -> None:
    """Let an agent take new workspaces again."""
    with context.connect() as client:
        found = client.patch(f"/agents/{quoted(agent)}", {"enabled": True})
    context.tell(found, f"{agent} takes new workspaces.")


@command(examples=["moor agents disable europe"])
@agent_argument
@server_options
@output_option
@pass_context
def disable(context: Context, agent: str) -> None:
    """Keep new workspaces from an agent. Those that it has go on."""
    with context.connect() as client:
        found = client.patch(f"/agents/{quoted(agent)}", {"enabled": False})
    context.tell(found, f"{agent} takes no new workspaces.")


@command(examples=["moor agents remove europe"])
@agent_argument
@server_options
@output_option
@pass_context
def remove(context: Context, agent: str) -> None:
    """Remove an agent that has no workspaces, and its gateway."""
    with context.connect() as client:
        client.delete(f"/agents/{quoted(agent)}")
    context.tell({"name": agent, "removed": True}, f"{agent} is removed.")


@command(
    examples=[
        "moor agents settings europe > europe.yaml",
        "moor agents settings europe --effective",
        "moor agents settings europe --history",
    ]
)
@agent_argument
@click.option(
    "--version", type=int, metavar="NUMBER", show_default="the newest", help="That version."
)
@click.option("--history", is_flag=True, help="List the versions instead.")
@click.option("--effective", is_flag=True, help="All settings, with the defaults.")
@server_options
@output_option
@pass_context
def settings(
    context: Context, agent: str, *, version: int | None, history: bool, effective: bool
) -> None:
    """Print an agent's settings (YAML), as they were written."""
    path = f"/agents/{quoted(agent)}/settings"
    with context.connect() as client:
        found = client.get(f"{path}/versions") if history else client.get(path, version=version)
    if context.as_json:
        output.show_json(found)
    elif history:
        _show_history(found["items"])
    else:
        sys.stdout.write(output.clean(found["effective"] if effective else found["text"]))
        _note_settings(found)


@command(
    examples=[
        "moor agents configure europe europe.yaml",
        "moor agents configure europe - < europe.yaml",
    ]
)
@agent_argument
@click.argument("file", metavar="FILE", help="The settings (YAML); - reads standard input.")
@click.option(
    "--version",
    type=int,
    metavar="NUMBER",
    help="The version that was edited: refused when there is a newer one.",
)
@server_options
@output_option
@pass_context
def configure(context: Context, agent: str, file: str, *, version: int | None) -> None:
    """Set an agent's settings. They hold for workspaces that are started from then on."""
    body = {"text": _text(file), "version": version}
    path = f"/agents/{quoted(agent)}"
    with context.connect() as client:
        found = client.put(f"{path}/settings", body)
        found["taken"] = _answer_of_agent(client, path, found)
    answered = found["taken"]["version"] >= found["version"]
    refused = found["taken"]["version"] == found["version"]
    problem = found["taken"]["problem"] if refused else ""
    if context.as_json:
        output.show_json(found)
    elif not problem:
        when = "" if answered else " The agent takes them when it is connected."
        output.say(f"{agent} has version {found['version']} of its settings.{when}")
    if not context.as_json:
        _note_settings({**found, "taken": {"version": 0, "problem": ""}})
    if problem:
        raise InvalidInput(
            f"{agent} does not take version {found['version']} of its settings, and goes on as before: {problem}",
            code="settings-not-taken",
            field="file",
            hint=f"Correct them and configure {agent} again; what it takes is bounded where it runs, under [agent].",
        )


def _answer_of_agent(client: Client, path: str, found: dict[str, Any]) -> dict[str, Any]:
    """What the agent says of the settings, waited for while it is connected: it answers at once,
    unless it is busy."""
    taken: dict[str, Any] = found["taken"]
    deadline = time.monotonic() + ANSWER_SECONDS
    while taken["version"] < found["version"] and time.monotonic() < deadline:
        agent = client.get(path)
        taken = agent["settings"]
        if not agent["connected"]:
            break
        time.sleep(0.1)
    return taken


def _state(agent: dict[str, Any]) -> str:
    words = ["revoked" if agent["revoked"] else "connected" if agent["connected"] else "away"]
    if not agent["enabled"]:
        words.append("disabled")
    return ", ".join(words)


def _show(agent: dict[str, Any]) -> None:
    capacity, taken = agent["capacity"], agent["settings"]
    facts = {
        "Agent": agent["name"],
        "State": _state(agent),
        "Last seen": f"{since(agent['last_seen'])} ago" if agent["last_seen"] else "never",
        "Runtime": f"{agent['runtime']} {agent['runtime_version']}".strip() or "–",
        "Version": agent["version"] or "–",
        "Zone": agent["zone_url"],
        "Processors": f"{capacity['cpu'] / 1000:g}" if capacity["cpu"] else "–",
        "Memory": size(capacity["memory"]) if capacity["memory"] else "–",
        "Workspaces": str(agent["workspaces"]),
        "Settings": f"version {taken['version']}" if taken["version"] else "–",
    }
    for name, value in facts.items():
        output.say(f"{name + ':':<13}{value}")
    if taken["problem"]:
        output.say(f"Problem:     {taken['problem']}")
    if agent.get("set_back_at"):
        output.say(
            f"Warning:     the server's database was set back to an earlier state (seen {since(agent['set_back_at'])} ago): "
            "what the agent knows better goes on as it is. [server-set-back]"
        )
    if agent.get("found"):
        output.say(
            f"Found:       {agent['found']} that the server does not list, stopped and kept: "
            f"`moor agents found {agent['name']}`."
        )
    if agent["second_seen"]:
        output.say(
            f"Warning:     another process with this agent's token waits ({since(agent['second_seen'])} ago)."
        )


def _show_new(context: Context, made: dict[str, Any], sentence: str) -> None:
    if context.as_json:
        output.show_json(made)
        return
    name = made["agent"]["name"]
    output.say(sentence)
    for of, token in made["tokens"].items():
        if token:
            output.say(f"Token of the {of}: {token}")
    output.say(ONCE.format(name=name))
    output.say(f"\nOn a cluster:\n\n{made['helm']}")
    output.say(f"On a machine with Docker:\n\n{made['settings']}")


def _show_history(items: list[dict[str, Any]]) -> None:
    rows = [
        [
            str(item["version"]),
            f"{since(item['created_at'])} ago",
            item["author"] or ("the agent's file" if item["source"] == "file" else "–"),
        ]
        for item in items
    ]
    output.show_table(
        ["VERSION", "SET", "BY"], rows, empty="Nobody has set anything: the defaults hold."
    )


def _note_settings(found: dict[str, Any]) -> None:
    taken = found["taken"]
    if found["file"]:
        output.note("The agent brings these in a file of its own: change it there.")
    for warning in found["warnings"]:
        output.note(f"warning: {warning}")
    if taken["problem"] and taken["version"] == found["newest"]:
        output.note(f"warning: the agent cannot use version {taken['version']}: {taken['problem']}")


def _text(file: str) -> str:
    """Raises `InvalidInput`."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InvalidInput(
            f"{file} cannot be read: {reason}.",
            code="file-unreadable",
            field="file",
            hint="Give a YAML file, or -.",
        ) from error
