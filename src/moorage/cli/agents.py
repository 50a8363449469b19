"""`moor agents …`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from moorage.cli import output
from moorage.cli.client import Client, quoted
from moorage.cli.options import HomeOption, OutputOption, ServerOption
from moorage.kernel.errors import InvalidInput

app = typer.Typer(help="Where workspaces run.")

AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Its name.")]
ONCE = "These tokens are shown once; `moor agents rotate {name}` makes others."


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Where workspaces run. Without a command: the list."""
    if context.invoked_subcommand is None:
        _list(server, home)


@app.command("list")
def list_(
    server: ServerOption = None, home: HomeOption = None, format_: OutputOption = output.Format.TEXT
) -> None:
    """List the agents, and whether they are connected."""
    _list(server, home)


@app.command()
def show(
    agent: AgentArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Show an agent: its connection, version, capacity, and what it says of its settings."""
    with Client.connect(server, home) as client:
        found = client.get(f"/agents/{quoted(agent)}")
    if output.as_json():
        output.show_json(found)
    else:
        _show(found)


@app.command()
def add(
    agent: AgentArgument,
    zone: Annotated[
        str, typer.Argument(metavar="ZONE", help="Origin of its zone, such as https://dev.example.com.")
    ],
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Register an agent and its gateway. Prints their tokens, once, and what to paste where they are to run."""
    with Client.connect(server, home) as client:
        made = client.post("/agents", {"name": agent, "zone_url": zone})
    _show_new(made, f"The agent {agent} is registered.")


@app.command()
def rotate(
    agent: AgentArgument,
    *,
    only: Annotated[
        str | None, typer.Option(metavar="agent|gateway", help="That token alone.", show_default="both")
    ] = None,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Give an agent and its gateway new tokens. The old ones end at once, and what is connected with them."""
    if only not in (None, "agent", "gateway"):
        raise InvalidInput(f"There is no token of {only}.", field="only", hint="Say agent or gateway.")
    with Client.connect(server, home) as client:
        made = client.post(f"/agents/{quoted(agent)}/token", {"only": only})
    _show_new(made, "The former tokens have ended.")


@app.command()
def revoke(
    agent: AgentArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Take the tokens back: neither agent nor gateway connects any more. Workspaces go on running."""
    with Client.connect(server, home) as client:
        found = client.delete(f"/agents/{quoted(agent)}/token")
    _tell(
        found,
        f"{agent} and its gateway cannot connect any more. `moor agents rotate {agent}` lets them in again.",
    )


@app.command()
def enable(
    agent: AgentArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Let an agent take new workspaces again."""
    with Client.connect(server, home) as client:
        _tell(client.patch(f"/agents/{quoted(agent)}", {"enabled": True}), f"{agent} takes new workspaces.")


@app.command()
def disable(
    agent: AgentArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Keep new workspaces from an agent. Those that it has go on."""
    with Client.connect(server, home) as client:
        _tell(
            client.patch(f"/agents/{quoted(agent)}", {"enabled": False}), f"{agent} takes no new workspaces."
        )


@app.command()
def remove(
    agent: AgentArgument,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Remove an agent that has no workspaces, and its gateway."""
    with Client.connect(server, home) as client:
        client.delete(f"/agents/{quoted(agent)}")
    _tell({"name": agent, "removed": True}, f"{agent} is removed.")


@app.command()
def settings(
    agent: AgentArgument,
    *,
    version: Annotated[int | None, typer.Option(help="That version.", show_default="the newest")] = None,
    history: Annotated[bool, typer.Option("--history", help="List the versions instead.")] = False,
    effective: Annotated[bool, typer.Option("--effective", help="All settings, with the defaults.")] = False,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Print an agent's settings (YAML), as they were written."""
    path = f"/agents/{quoted(agent)}/settings"
    with Client.connect(server, home) as client:
        found = client.get(f"{path}/versions") if history else client.get(path, version=version)
    if output.as_json():
        output.show_json(found)
    elif history:
        _show_history(found["items"])
    else:
        sys.stdout.write(output.clean(found["effective"] if effective else found["text"]))
        _note_settings(found)


@app.command()
def configure(
    agent: AgentArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The settings (YAML); - reads standard input.")],
    *,
    version: Annotated[
        int | None, typer.Option(help="The version that was edited: refused when there is a newer one.")
    ] = None,
    server: ServerOption = None,
    home: HomeOption = None,
    format_: OutputOption = output.Format.TEXT,
) -> None:
    """Set an agent's settings. They hold for workspaces that are started from then on."""
    body = {"text": _text(file), "version": version}
    with Client.connect(server, home) as client:
        found = client.put(f"/agents/{quoted(agent)}/settings", body)
    if output.as_json():
        output.show_json(found)
        return
    output.say(f"{agent} has version {found['version']} of its settings.")
    _note_settings(found)


def _list(server: str | None, home: Path | None) -> None:
    with Client.connect(server, home) as client:
        answer = client.get("/agents")
    if output.as_json():
        output.show_json(answer)
        return
    from moorage.cli.words import since

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


def _state(agent: dict[str, Any]) -> str:
    words = ["revoked" if agent["revoked"] else "connected" if agent["connected"] else "away"]
    if not agent["enabled"]:
        words.append("disabled")
    return ", ".join(words)


def _show(agent: dict[str, Any]) -> None:
    from moorage.cli.words import since, size

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


def _show_new(made: dict[str, Any], sentence: str) -> None:
    if output.as_json():
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
    from moorage.cli.words import since

    rows = [
        [
            str(item["version"]),
            f"{since(item['created_at'])} ago",
            item["author"] or ("the agent's file" if item["source"] == "file" else "–"),
        ]
        for item in items
    ]
    output.show_table(["VERSION", "SET", "BY"], rows, empty="Nobody has set anything: the defaults hold.")


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


def _tell(found: dict[str, Any], sentence: str) -> None:
    if output.as_json():
        output.show_json(found)
    else:
        output.say(sentence)
