"""`moor rebuild`, and what other commands say of a devfile that has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit.cli.running import moor
from unit.cli.serving import Answer, Respond, Server, as_json, sse
from unit.cli.workspace import stages, workspace

NAME = "workspace-1-2-abc123"
WARNING = {"code": "clone-stays", "message": "The clone stays.", "hint": "To work on that: git x"}


def proposal(digest: str = "d1", **fields: Any) -> dict[str, Any]:
    return {
        "digest": digest,
        "changed": True,
        "ref": "main",
        "full_ref": "refs/heads/main",
        "commit": "c" * 40,
        "devfile_path": ".devfile.yaml",
        "changes": [
            {"kind": "added", "what": "port", "name": "9090", "message": "Port 9090 is new."}
        ],
        "diff": "--- a\n+++ b\n@@ -1 +1 @@\n-  image: a:1\n+  image: a:2\x1b[2J",
        "warnings": [],
        "restarts": True,
        **fields,
    }


def having(*proposals: dict[str, Any], **state: Any) -> Respond:
    """A server that shows these, one after the other, and takes the last one alone."""
    left = list(proposals)

    def respond(method: str, path: str, body: Any) -> Answer:
        now = workspace(name=NAME, **{"stages": stages(received="done", ready="done"), **state})
        if path.endswith("/me"):
            return as_json({"id": now["owner"], "name": now["owner_name"]})
        if "/rebuild" in path and method == "GET":
            return as_json(left.pop(0) if len(left) > 1 else left[0])
        if path.endswith("/rebuild") and body["digest"] != proposals[-1]["digest"]:
            problem = {"code": "devfile-changed", "detail": "It is no longer what was shown."}
            return as_json(problem, 409)
        if path.endswith("/workspaces"):
            return as_json({"items": [now]})
        return sse(now) if path.endswith("/events") else as_json(now)

    return respond


def taken(server: Server) -> list[Any]:
    return [body for method, path, body in server.asked if method == "POST"]


def test_it_shows_and_asks(home: Path, server: Server) -> None:
    """Where nobody can answer, nothing is done; the difference was shown, without what would steer
    a terminal."""
    server.respond = having(proposal(warnings=[WARNING]))
    done = moor(home, "rebuild", "app")
    assert done.returncode == 2
    assert "+ Port 9090 is new." in done.stderr
    assert "+  image: a:2[2J" in done.stderr
    assert "warning: The clone stays. To work on that: git x" in done.stderr
    assert "--dry-run" in done.stderr
    assert not taken(server)


def test_it_takes_what_was_agreed_to(home: Path, server: Server) -> None:
    """With the ref and the path that were asked for; the workspace is waited for."""
    server.respond = having(proposal())
    done = moor(home, "rebuild", "app", "--yes", "--ref", "other", "--devfile", "")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("app runs.")
    assert taken(server) == [{"digest": "d1", "ref": "other", "devfile": ""}]
    [asked] = {path for method, path, _ in server.asked if method == "GET" and "rebuild" in path}
    assert asked.endswith("/rebuild?ref=other&devfile=")


def test_what_changes_meanwhile_is_shown_again(home: Path, server: Server) -> None:
    """Who agrees to any has the newest, and sees both; in the end it gives up."""
    server.respond = having(proposal(), proposal("d2"))
    done = moor(home, "rebuild", "app", "--yes", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert "It has changed again meanwhile." in done.stderr
    assert [body["digest"] for body in taken(server)] == ["d1", "d2"]
    server.respond = having(*(proposal(f"d{number}") for number in range(9)))
    assert moor(home, "rebuild", "app", "--yes").returncode == 6


def test_only_looking(home: Path, server: Server) -> None:
    """A dry run prints the difference as its result, whole for a programme, and changes nothing."""
    server.respond = having(proposal())
    done = moor(home, "rebuild", "app", "--dry-run")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "+ Port 9090 is new.")
    done = moor(home, "rebuild", "app", "--dry-run", "-o", "json")
    assert json.loads(done.stdout)["digest"] == "d1"
    assert not taken(server)


def test_nothing_new(home: Path, server: Server) -> None:
    """It says so, and asks nothing."""
    server.respond = having(proposal(changed=False, changes=[], diff=""))
    done = moor(home, "rebuild", "app")
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout == f"Nothing has changed: app is made from what is there (main {'c' * 12}).\n"
    )
    assert not taken(server)


@pytest.mark.parametrize("changed", [True, False])
def test_one_that_does_not_start(home: Path, server: Server, changed: bool) -> None:
    """What takes a mended devfile is said beside the failure."""
    cause = {
        "code": "image-not-found",
        "message": "No image.",
        "detail": "",
        "hint": "",
        "since": 1.0,
    }
    failed = {"state": "Failed", "cause": cause, "devfile_changed": changed}
    server.respond = having(proposal(), **failed)
    done = moor(home, "start", "app")
    assert done.returncode != 0
    assert ("has changed. `moor rebuild app`" in done.stderr) == changed
    assert ("is taken by `moor rebuild app`" in done.stderr) != changed


def test_a_stopped_one(home: Path, server: Server) -> None:
    """It says that it stays so, and how it starts."""
    server.respond = having(proposal(restarts=False), desired="Stopped", state="Stopped")
    done = moor(home, "rebuild", "app", "--yes")
    assert done.stdout == "app is made anew at its next start: `moor start app`.\n"


@pytest.mark.parametrize("command", [("show", "app"), ("list",), ("start", "app")])
def test_it_is_told(home: Path, server: Server, command: tuple[str, ...]) -> None:
    """Whoever looks at a workspace, lists or starts it, hears that its devfile has changed."""
    error = {"code": "x", "message": "The host is away.", "hint": "Try again."}
    look = {"at": 1.0, "changed": True, "ref": "", "commit": "", "error": error}
    server.respond = having(proposal(), devfile_changed=True, devfile_look=look)
    done = moor(home, *command)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    if command == ("list",):
        assert "With another devfile in the repository by now: app." in done.stderr
        return
    assert "The devfile in the repository has changed. `moor rebuild app`" in said
    assert ("could not be read again" in said) == (command[0] == "show")
