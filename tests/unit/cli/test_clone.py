"""`moor create .`: the remote and the branch of a clone, with a real Git."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from moorage.cli.clone import names_folder, read_clone
from moorage.kernel.errors import InvalidInput
from unit.cli.running import moor
from unit.cli.serving import Server, as_json
from unit.cli.workspace import workspace

URL = "https://git.example.com/team/app.git"


def git(folder: Path, *arguments: str) -> str:
    person = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com"]
    return subprocess.run(
        ["git", "-C", str(folder), *person, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """On the branch `feature`, which follows `topic` of `origin`; all is pushed. The remote's URL
    is none that could be reached."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "far.git")
    git(tmp_path, "clone", "-q", "far.git", "here")
    here = tmp_path / "here"
    git(here, "switch", "-q", "-c", "feature")
    commit(here)
    git(here, "push", "-q", "-u", "origin", "feature:topic")
    git(here, "remote", "set-url", "origin", URL)
    return here


def commit(folder: Path) -> None:
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".", True), ("..", True), ("./app", True), ("../app", True), ("/srv/app", True),
        ("~/app", True), ("https://h/x", False), ("git@h:x", False), ("h/team/app", False),
        (".hidden/app", False),
    ],
)  # fmt: skip
def test_what_names_a_folder(text: str, expected: bool) -> None:
    assert names_folder(text) is expected


def test_a_branch_that_was_pushed(clone: Path) -> None:
    """Its name at the remote, not the one here."""
    found = read_clone(clone)
    assert (found.repository, found.ref, found.notes) == (URL, "topic", ())


def test_a_folder_below_the_top(clone: Path) -> None:
    (clone / "src").mkdir()
    assert read_clone(clone / "src").ref == "topic"


def test_what_is_only_here_is_said(clone: Path) -> None:
    commit(clone)
    (clone / "new").write_text("x")
    changes, commits = read_clone(clone).notes
    assert "not committed" in changes
    assert "A commit here" in commits
    commit(clone)
    assert "2 commits here" in read_clone(clone).notes[1]


def test_a_ref_of_ones_own(clone: Path) -> None:
    """Nothing here matters then."""
    git(clone, "switch", "-q", "-c", "new")
    commit(clone)
    assert read_clone(clone, ref="main").ref == "main"


def test_a_commit(clone: Path) -> None:
    head = git(clone, "rev-parse", "HEAD")
    git(clone, "switch", "-q", "--detach")
    assert read_clone(clone).ref == head
    commit(clone)
    with pytest.raises(InvalidInput, match="on no branch of origin"):
        read_clone(clone)


def test_tokens_are_not_sent(clone: Path) -> None:
    git(clone, "remote", "set-url", "origin", "https://ana:secret@git.example.com:8443/app.git")
    assert read_clone(clone).repository == "https://git.example.com:8443/app.git"
    git(clone, "remote", "set-url", "origin", "git@git.example.com:team/app.git")
    assert read_clone(clone).repository == "git@git.example.com:team/app.git"


def test_which_remote(clone: Path) -> None:
    """The one that the branch follows; `origin` for one that follows none."""
    git(clone, "remote", "add", "fork", "https://fork.example.com/app.git")
    git(clone, "update-ref", "refs/remotes/fork/mine", "HEAD")
    git(clone, "switch", "-q", "-c", "own")
    git(clone, "branch", "-q", "--set-upstream-to", "fork/mine")
    assert read_clone(clone).repository == "https://fork.example.com/app.git"
    assert read_clone(clone).ref == "mine"
    git(clone, "remote", "rename", "origin", "upstream")
    git(clone, "switch", "-q", "--no-track", "-c", "loose")
    with pytest.raises(InvalidInput, match="several remotes"):
        read_clone(clone)


def test_what_cannot_be_fetched_is_refused(clone: Path, tmp_path: Path) -> None:
    git(clone, "switch", "-q", "-c", "new")
    with pytest.raises(InvalidInput, match="has not been pushed to origin"):
        read_clone(clone)
    git(clone, "remote", "remove", "origin")
    with pytest.raises(InvalidInput, match="has no remote"):
        read_clone(clone)
    with pytest.raises(InvalidInput, match="is no folder"):
        read_clone(tmp_path / "gone")
    with pytest.raises(InvalidInput, match="is no clone"):
        read_clone(tmp_path)


def test_create(clone: Path, home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server gets URL and branch; warnings are printed."""
    server.respond = lambda *_: as_json(workspace())
    (clone / "new").write_text("x")
    monkeypatch.chdir(clone)
    done = moor(home, "create", ".", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert "not committed" in done.stderr
    bodies: list[Any] = [body for method, _, body in server.asked if method == "POST"]
    assert bodies == [{"repository": URL, "ref": "topic"}]
