"""`moor agents found`, `adopt` and `discard`, against a server that answers what it is told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit.cli.running import moor
from unit.cli.serving import Answer, Server, as_json
from unit.cli.test_agents import agent

NAME = "workspace-2-5-abc123"


def item(**changes: Any) -> dict[str, Any]:
    base = {
        "name": NAME,
        "agent": "far",
        "mark": "m/1",
        "generation": 7,
        "owner": 5,
        "owner_name": "eve",
        "owner_now": "",
        "title": "shop",
        "repository": "https://git.example.com/shop.git",
        "ref": "",
        "since": 1000.0,
        "found_at": 2000.0,
        "shown_at": 2000.0,
        "remove_at": None,
        "removing": False,
        "running": False,
        "desired": "Running",
        "objects": [f"volume {NAME}"],
        "elsewhere": "",
        "complete": True,
        "listed": False,
    }
    return base | changes


def answering(*items: dict[str, Any]) -> Any:
    def respond(method: str, path: str, _body: Any) -> Answer:
        if path == "/api/v1/agents":
            return as_json({"items": [agent(found=len(items)), agent(name="near")]})
        if method == "POST":
            return as_json({"name": NAME, "title": "shop", "owner_name": "ana"}, 201)
        if method == "DELETE":
            return as_json(item(removing=True), 202)
        return as_json({"items": list(items)})

    return respond


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ("shop", "eve", "kept", "stopped, and kept", f"volume {NAME}")),
        ({"remove_at": 10_000_000_000.0}, ("removed in",)),
        ({"removing": True}, ("being removed",)),
        ({"elsewhere": "the state folder /b", "running": True}, ("another agent's", "/b")),
        ({"complete": False}, ("--repository",)),
    ],
)
def test_what_was_found(
    home: Path, server: Server, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    """Of all agents that have something, or of one: what it is, what there is of it, and what
    becomes of it."""
    server.respond = answering(item(**changes))
    for command in (["agents", "found"], ["agents", "found", "far"]):
        said = moor(home, *command).stdout
        for word in words:
            assert word in said
    asked = [path for _, path, _ in server.asked]
    assert "/api/v1/agents/near/found" not in asked
    assert json.loads(moor(home, "agents", "found", "-o", "json").stdout) == {
        "items": [item(**changes)]
    }


def test_adopting(home: Path, server: Server) -> None:
    """By name or title; what was looked at is named to the server."""
    server.respond = answering(item())
    done = moor(home, "agents", "adopt", "far", "shop", "--owner", "ana")
    assert "a workspace of ana again" in done.stdout
    method, path, body = server.asked[-1]
    assert (method, path) == ("POST", f"/api/v1/agents/far/found/{NAME}/adopt")
    assert (body["mark"], body["owner"]) == ("m/1", "ana")
    assert moor(home, "agents", "adopt", "far", "nothing").returncode == 5


def test_discarding_asks_first(home: Path, server: Server) -> None:
    """Without an answer nothing is removed; with `--yes`, just what was looked at."""
    server.respond = answering(item())
    refused = moor(home, "agents", "discard", "far", NAME)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert all(method != "DELETE" for method, _, _ in server.asked)
    assert "is being removed" in moor(home, "agents", "discard", "far", NAME, "--yes").stdout
    assert server.asked[-1][:2] == ("DELETE", f"/api/v1/agents/far/found/{NAME}?mark=m%2F1")


def test_an_agent_with_something_to_tell(home: Path, server: Server) -> None:
    """`moor agents show` says what was found, and that the database was set back, with its stable
    code."""
    server.respond = lambda *_: as_json(agent(found=2, set_back_at=1000.0))
    said = moor(home, "agents", "show", "far").stdout
    assert "moor agents found far" in said
    assert "server-set-back" in said
