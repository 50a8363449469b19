"""`moor agents …`, against a server that answers what it is told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit.cli.running import moor
from unit.cli.serving import Answer, Server, as_json

TEXT = "# ours\nremote_development: {workspaces_quota: 3}\n"


def agent(**changes: Any) -> dict[str, Any]:
    base = {
        "id": 2,
        "name": "far",
        "enabled": True,
        "local": False,
        "revoked": False,
        "runtime": "kubernetes",
        "runtime_version": "v1.30",
        "version": "0.1.0",
        "connected": True,
        "last_seen": None,
        "second_seen": None,
        "set_back_at": None,
        "found": 0,
        "capacity": {"cpu": 3500, "memory": 8_000_000_000, "workspaces": 2},
        "settings": {"version": 4, "problem": ""},
        "workspaces": 3,
        "zone_url": "https://dev.example.com",
        "dns_zone": "dev.example.com",
        "created_at": 1.0,
    }
    return base | changes


def settings(**changes: Any) -> dict[str, Any]:
    base = {
        "agent": "far",
        "version": 4,
        "newest": 4,
        "text": TEXT,
        "source": "api",
        "author": "ana",
        "created_at": 1.0,
        "file": False,
        "taken": {"version": 4, "problem": ""},
        "effective": "remote_development: {all: of it}\n",
        "warnings": [],
    }
    return base | changes


NEW = {
    "agent": agent(),
    "tokens": {"agent": "moor_agent_a", "gateway": "moor_gateway_g"},
    "helm": "helm upgrade --install … <<'EOF'\nEOF\n",
    "settings": "[agent]\n",
}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "connected"),
        ({"connected": False}, "away"),
        ({"enabled": False}, "connected, disabled"),
        ({"revoked": True, "connected": False}, "revoked"),
    ],
)
def test_the_list(home: Path, server: Server, changes: dict[str, Any], state: str) -> None:
    """With and without the word: which agents there are, and how they are."""
    server.respond = lambda *_: as_json({"items": [agent(**changes)]})
    for words in (["agents"], ["agents", "list"]):
        line = moor(home, *words).stdout.splitlines()[1].split("  ")
        assert [cell.strip() for cell in line if cell.strip()] == [
            "far", state, "never", "kubernetes", "0.1.0", "3", "dev.example.com",
        ]  # fmt: skip
    for words in (["agents", "-o", "json"], ["agents", "list", "-o", "json"]):
        assert json.loads(moor(home, *words).stdout) == {"items": [agent(**changes)]}


def test_one_agent(home: Path, server: Server) -> None:
    """Capacity, and what is wrong with its settings or its token."""
    problem = {"version": 4, "problem": "This agent does not accept that."}
    server.respond = lambda *_: as_json(agent(settings=problem, second_seen=1.0))
    said = moor(home, "agents", "show", "far").stdout
    assert server.asked[-1][:2] == ("GET", "/api/v1/agents/far")
    for words in (
        "Processors:  3.5",
        "Memory:      8.0 GB",
        "3",
        "does not accept",
        "another process",
    ):
        assert words in said


def test_new_tokens_are_shown_once(home: Path, server: Server) -> None:
    """With that sentence, and with what to paste."""
    server.respond = lambda *_: as_json(NEW, 201)
    done = moor(home, "agents", "add", "far", "https://dev.example.com")
    assert server.asked[-1] == (
        "POST",
        "/api/v1/agents",
        {"name": "far", "zone_url": "https://dev.example.com"},
    )
    for words in ("moor_agent_a", "moor_gateway_g", "shown once", NEW["helm"], NEW["settings"]):
        assert str(words) in done.stdout
    assert json.loads(moor(home, "agents", "add", "far", "https://x", "-o", "json").stdout) == NEW
    moor(home, "agents", "rotate", "far")
    assert server.asked[-1] == ("POST", "/api/v1/agents/far/token", {})
    moor(home, "agents", "rotate", "far", "--only", "gateway")
    assert server.asked[-1] == ("POST", "/api/v1/agents/far/token", {"only": "gateway"})
    assert moor(home, "agents", "rotate", "far", "--only", "door").returncode == 2


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("revoke", ("DELETE", "/agents/far/token", None)),
        ("enable", ("PATCH", "/agents/far", {"enabled": True})),
        ("disable", ("PATCH", "/agents/far", {"enabled": False})),
        ("remove", ("DELETE", "/agents/far", None)),
    ],
)
def test_what_is_done_to_one(
    home: Path, server: Server, command: str, asked: tuple[str, str, Any]
) -> None:
    """One request each, a sentence for a person, JSON for a programme."""
    server.respond = lambda *_: (
        (204, "text/plain", b"") if command == "remove" else as_json(agent())
    )
    done = moor(home, "agents", command, "far")
    assert done.returncode == 0, done.stderr
    assert server.asked[-1] == (asked[0], f"/api/v1{asked[1]}", asked[2])
    assert done.stdout.startswith("far")
    assert json.loads(moor(home, "agents", command, "far", "-o", "json").stdout)["name"] == "far"


def test_settings_are_printed_as_they_were_written(home: Path, server: Server) -> None:
    """On standard output nothing but YAML, so that it can be edited and given back; warnings are
    beside it."""

    def respond(_method: str, path: str, _body: Any) -> Answer:
        if path.endswith("/versions"):
            items = [{"version": 2, "source": "file", "author": "", "created_at": 1.0}]
            return as_json(
                {
                    "items": [
                        *items,
                        {"version": 1, "source": "api", "author": "ana", "created_at": 1.0},
                    ]
                }
            )
        taken = {"version": 4, "problem": "It does not accept that."}
        return as_json(settings(warnings=["has no effect on Docker: storage"], taken=taken))

    server.respond = respond
    done = moor(home, "agents", "settings", "far")
    assert done.stdout == TEXT
    assert "no effect on Docker: storage" in done.stderr
    assert "cannot use version 4: It does not accept that." in done.stderr
    assert moor(home, "agents", "settings", "far", "--effective").stdout == settings()["effective"]
    moor(home, "agents", "settings", "far", "--version", "3")
    assert server.asked[-1][1] == "/api/v1/agents/far/settings?version=3"
    history = moor(home, "agents", "settings", "far", "--history").stdout
    assert "the agent's file" in history
    assert "ana" in history


def test_settings_are_set_from_a_file_or_standard_input(
    home: Path, server: Server, tmp_path: Path
) -> None:
    """The text goes as it is; a version goes with it when one was given."""
    server.respond = lambda *_: as_json(settings())
    file = tmp_path / "config.yaml"
    file.write_text(TEXT)
    done = moor(home, "agents", "configure", "far", str(file), "--version", "3")
    assert server.asked[-1] == ("PUT", "/api/v1/agents/far/settings", {"text": TEXT, "version": 3})
    assert done.stdout == "far has version 4 of its settings.\n"
    piped = moor(home, "agents", "configure", "far", "-", text=TEXT)
    assert piped.returncode == 0, piped.stderr
    assert server.asked[-1][2] == {"text": TEXT}
    missing = moor(home, "agents", "configure", "far", str(tmp_path / "none"))
    assert (missing.returncode, "cannot be read" in missing.stderr) == (2, True)


def configured(server: Server, *answers: dict[str, Any]) -> None:
    """Answers a change of the settings with what the agent had said before it, and each question
    for the agent with the next of these."""
    left = list(answers)

    def respond(method: str, _path: str, _body: Any) -> Answer:
        if method == "PUT":
            return as_json(settings(taken={"version": 3, "problem": ""}))
        return as_json(agent(**(left.pop(0) if len(left) > 1 else left[0])))

    server.respond = respond


@pytest.mark.parametrize("as_programme", [False, True])
def test_settings_that_the_agent_refuses(home: Path, server: Server, as_programme: bool) -> None:
    """The command waits for the agent's answer; that it refuses is an error, with its words, and
    what it goes on with."""
    words = "This agent allows no privilege escalation."
    configured(
        server,
        {"settings": {"version": 3, "problem": ""}},
        {"settings": {"version": 4, "problem": words}},
    )
    options = ["-o", "json"] if as_programme else []
    done = moor(home, "agents", "configure", "far", "-", *options, text=TEXT)
    assert done.returncode == 2
    assert words in done.stderr
    assert "goes on as before" in done.stderr
    if as_programme:
        assert json.loads(done.stdout)["taken"] == {"version": 4, "problem": words}
    else:
        assert done.stdout == ""


def test_settings_for_an_agent_that_is_away(home: Path, server: Server) -> None:
    """Nobody waits for an agent that is not connected: it takes them later, and that is said."""
    configured(server, {"connected": False, "settings": {"version": 3, "problem": "Old words."}})
    done = moor(home, "agents", "configure", "far", "-", text=TEXT)
    assert done.returncode == 0, done.stderr
    assert "takes them when it is connected" in done.stdout
    assert "Old words" not in done.stderr


def test_a_line_at_fault_is_said(home: Path, server: Server) -> None:
    """The server's refusal reaches whoever wrote the file, with exit code 2."""
    words = "The agent's settings are not usable (settings of far, line 2, storage): there is no setting x."
    problem = {"code": "settings-invalid", "detail": words, "line": 2, "field": "storage"}
    server.respond = lambda *_: as_json(problem, 422)
    done = moor(home, "agents", "configure", "far", "-", "-o", "json", text="x")
    assert done.returncode == 2
    assert json.loads(done.stderr)["line"] == 2
