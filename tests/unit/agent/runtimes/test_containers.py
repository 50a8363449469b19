"""Which container is meant."""

from __future__ import annotations

import pytest

from moorage.agent.runtimes.containers import Candidate, find, no_such
from moorage.kernel.errors import NotFound

CANDIDATES = [
    Candidate("sandbox", "sandbox", True, "the sandbox"),
    Candidate("dev", "main", True, "dev"),
    Candidate("db", "sidecar", False, "db"),
]


@pytest.mark.parametrize(
    ("asked", "for_log", "found"),
    [
        ("", False, "dev"),
        ("dev", False, "dev"),
        ("", True, "dev"),
        ("db", True, "db"),
        ("clone", True, "the sandbox"),
        ("sandbox", True, "the sandbox"),
    ],
)
def test_who_is_found(asked: str, for_log: bool, found: str) -> None:
    """Without a name it is the main one; a log has also what has ended, and the sandbox."""
    assert find(CANDIDATES, asked, for_log=for_log) == found


@pytest.mark.parametrize(
    ("asked", "for_log", "code"),
    [
        ("db", False, "container-not-running"),
        ("sandbox", False, "container-not-found"),
        ("clone", False, "container-not-found"),
        ("none", False, "container-not-found"),
        ("none", True, "container-not-found"),
    ],
)
def test_who_is_not_found(asked: str, for_log: bool, code: str) -> None:
    """It says which there are; nobody runs anything in the sandbox."""
    with pytest.raises(NotFound) as refused:
        find(CANDIDATES, asked, for_log=for_log)
    assert refused.value.code == code
    assert code != "container-not-found" or refused.value.hint == "It has: db, dev."


def test_none_to_choose_from() -> None:
    """Where there is no container at all, no empty list of them is shown: it does not run."""
    assert no_such("py", ()).hint == "Start it first."


def test_a_component_called_like_the_sandbox() -> None:
    """The sandbox's log is the clone's, also beside a component of that name; commands run in the
    component."""
    candidates = [Candidate("clone", "main", True, "component"), CANDIDATES[0]]
    assert find(candidates, "clone", for_log=True) == "the sandbox"
    assert find(candidates, "clone") == "component"


def test_a_workspace_that_does_not_run() -> None:
    """It is told as such, with what to do."""
    with pytest.raises(NotFound) as refused:
        find([], "dev")
    assert (refused.value.code, refused.value.hint) == ("workspace-not-running", "Start it first.")
