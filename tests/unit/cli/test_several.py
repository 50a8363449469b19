"""Commands for several workspaces at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unit.cli.running import moor
from unit.cli.serving import Answer, Respond, Server, as_json, sse
from unit.cli.workspace import workspace

TITLES = ("app", "web", "db")


def among(*refused: str) -> Respond:
    """A server with three workspaces, of which it refuses to do anything to some."""
    asked: dict[str, dict[str, str]] = {}

    def one(title: str) -> dict[str, Any]:
        number = TITLES.index(title)
        changes = asked.get(title, {"desired": "Running", "state": "Running"})
        return workspace(title=title, name=f"workspace-1-2-{number:06}", **changes)

    def respond(method: str, path: str, _body: Any) -> Answer:
        if path.endswith("/me"):
            return as_json({"id": 2, "name": "ana"})
        if path.endswith("/workspaces"):
            return as_json({"items": [one(title) for title in TITLES]})
        wanted, _, verb = path.removeprefix("/api/v1/workspaces/").partition("/")
        known = [t for t in TITLES if wanted in (t, one(t)["name"])]
        if not known:
            return as_json({"code": "workspace-not-found", "detail": "There is none."}, 404)
        [title] = known
        if method in ("POST", "DELETE"):
            if title in refused:
                return as_json({"code": "quota-used-up", "detail": f"Not {title}."}, 429)
            state = {"stop": "Stopped", "": "Terminated"}[verb]
            asked[title] = {"desired": state, "state": state}
        return sse(one(title)) if verb == "events" else as_json(one(title))

    return respond


def changed(server: Server) -> list[str]:
    return [path[-7:] for method, path, _ in server.asked if method in ("POST", "DELETE")]


def test_several_by_name(home: Path, server: Server) -> None:
    """All are asked first; a name that is said twice counts once."""
    server.respond = among()
    done = moor(home, "stop", "app", "db", "app")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "app is stopped.\ndb is stopped.\n"
    assert changed(server) == ["00/stop", "02/stop"]


def test_rename(home: Path, server: Server) -> None:
    """The workspace of that whole title is given another; a programme gets it as it is now. A
    beginning of a title renames nothing."""

    def respond(method: str, path: str, body: Any) -> Answer:
        if method == "PATCH":
            return as_json(workspace(title=body["title"]))
        return whole(method, path, body)

    whole = among()
    server.respond = respond
    done = moor(home, "rename", "app", "shop")
    assert (done.returncode, done.stdout) == (0, "app is now called shop.\n")
    assert server.asked[-1] == (
        "PATCH",
        "/api/v1/workspaces/workspace-1-2-000000",
        {"title": "shop"},
    )
    assert json.loads(moor(home, "rename", "app", "shop", "-o", "json").stdout)["title"] == "shop"
    assert moor(home, "rename", "ap", "shop").returncode == 5


def test_all_of_ones_own(home: Path, server: Server) -> None:
    """`--all` takes those that it can be done to, and says one document to a programme."""
    server.respond = among()
    assert moor(home, "stop", "web").returncode == 0
    done = moor(home, "stop", "--all", "-o", "json")
    assert [item["title"] for item in json.loads(done.stdout)["items"]] == ["app", "db"]
    again = moor(home, "stop", "--all")
    assert again.stdout == "There is none to do it to.\n"
    assert json.loads(moor(home, "stop", "--all", "-o", "json").stdout) == {"items": []}


def test_one_that_fails_does_not_hold_up_the_others(home: Path, server: Server) -> None:
    """Its error is printed, and its code is the command's."""
    server.respond = among("app")
    done = moor(home, "delete", "app", "web", "--yes", "-o", "json")
    assert done.returncode == 7
    assert json.loads(done.stderr)["message"] == "Not app."
    assert [item["title"] for item in json.loads(done.stdout)["items"]] == ["web"]


def test_a_name_that_is_not_known_does_nothing_to_the_others(home: Path, server: Server) -> None:
    server.respond = among()
    done = moor(home, "delete", "app", "wbe", "--yes")
    assert done.returncode == 5
    assert not changed(server)


@pytest.mark.parametrize("words", [[], ["app", "--all"]], ids=["neither", "both"])
def test_which_ones_must_be_clear(home: Path, server: Server, words: list[str]) -> None:
    server.respond = among()
    done = moor(home, "stop", *words)
    assert done.returncode == 2
    assert "say --all" in done.stderr
    assert not server.asked


@pytest.mark.parametrize("ask", [["app", "web"], ["--all"]], ids=["named", "all"])
def test_deleting_several_asks_first(home: Path, server: Server, ask: list[str]) -> None:
    server.respond = among()
    done = moor(home, "delete", *ask)
    assert done.returncode == 2
    assert not changed(server)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("moor stop a", ["app"]),
        ("moor stop app ", ["web", "db"]),
        ("moor open app htt", ["http-python"]),
        ("moor open app 80", ["8080"]),
        ("moor logs app -c ", ["py", "clone"]),
        ("moor exec app --container p", ["py"]),
        ("moor agents show eu", ["europe"]),
        ("moor create --agent e", ["europe"]),
    ],
)
def test_completion(
    home: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    expected: list[str],
) -> None:
    """Workspaces that were not said yet, containers, ports and agents, as the server has them."""
    whole = among()

    def respond(method: str, path: str, body: Any) -> Answer:
        if path.endswith("/agents"):
            return as_json({"items": [{"name": "europe"}, {"name": "local"}]})
        if path.endswith("/workspaces/app"):
            return as_json(workspace(containers=[{"name": "py"}]))
        return whole(method, path, body)

    server.respond = respond
    *before, last = words.split(" ")
    count = str(len(before))
    monkeypatch.setenv("_MOOR_COMPLETE", "bash_complete")
    found = moor(home, COMP_WORDS=" ".join([*before, last]), COMP_CWORD=count).stdout
    names = [line.partition(",")[2] for line in found.splitlines()]
    assert [name for name in names if not name.startswith("workspace-")] == expected
