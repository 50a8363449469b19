"""Which agent a new workspace goes to."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.kernel.errors import MoorageError
from moorage.server.workspaces.choice import Candidate, choose


def agents(*given: dict[str, Any]) -> list[Candidate]:
    """Named a, b, c, … in the order of their ids."""
    return [
        Candidate(**({"id": n, "name": "abcdef"[n]} | values)) for n, values in enumerate(given)
    ]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ([{}], "a"),
        ([{}, {}], "a"),
        ([{"workspaces": 3}, {"workspaces": 2}], "b"),
        ([{"enabled": False}, {"workspaces": 9}], "b"),
        ([{"revoked": True}, {"workspaces": 9}], "b"),
        ([{"workspaces": 5, "quota": 5}, {"workspaces": 9}], "b"),
        ([{"own": 1, "quota_per_user": 1}, {"workspaces": 9}], "b"),
        ([{"connected": False, "away": 5.0}, {"workspaces": 9}], "b"),
        ([{"connected": False, "away": 5.0}], "a"),
        ([{"connected": False, "away": 61.0}, {"connected": False, "away": 59.0}], "b"),
        (
            [
                {"connected": False, "away": 5.0, "awaited": False},
                {"connected": False, "away": 59.0},
            ],
            "b",
        ),
        ([{"workspaces": 4, "quota": 5, "own": 4, "quota_per_user": -1}], "a"),
    ],
)
def test_without_a_name(given: list[dict[str, Any]], chosen: str) -> None:
    """A connected one that nothing speaks against, with the fewest workspaces; one that is briefly
    away when there is no other."""
    assert choose(agents(*given)).name == chosen


@pytest.mark.parametrize(
    ("given", "code", "status"),
    [
        ({"enabled": False}, "agent-disabled", 422),
        ({"revoked": True}, "agent-disconnected", 503),
        ({"connected": False, "away": 61.0}, "agent-disconnected", 503),
        ({"connected": False, "away": 5.0, "awaited": False}, "agent-disconnected", 503),
        ({"workspaces": 5, "quota": 5}, "agent-full", 429),
        ({"workspaces": 6, "quota": 5}, "agent-full", 429),
        ({"quota": 0}, "agent-full", 429),
        ({"own": 2, "quota_per_user": 2}, "agent-workspaces-per-user", 429),
    ],
)
def test_what_speaks_against_one(given: dict[str, Any], code: str, status: int) -> None:
    """Named or the only one: the same plain refusal, with what to do. Another agent does not take
    its place unasked."""
    for candidates, name in ((agents(given), ""), (agents(given), "a"), (agents(given, {}), "a")):
        with pytest.raises(MoorageError) as refused:
            choose(candidates, name)
        assert (refused.value.code, refused.value.status) == (code, status)
        assert refused.value.hint
        assert "agent a" in refused.value.message


def test_names_that_nobody_has() -> None:
    """The refusal lists those that there are."""
    with pytest.raises(MoorageError, match="There is no agent z") as refused:
        choose(agents({}, {}), "z")
    assert (refused.value.code, refused.value.hint) == ("agent-unknown", "There are: a, b.")


def test_no_agent_at_all() -> None:
    """None is registered, or something speaks against each: all of it is said."""
    with pytest.raises(MoorageError) as refused:
        choose([])
    assert refused.value.code == "agent-missing"
    with pytest.raises(MoorageError) as refused:
        choose(agents({"enabled": False}, {"workspaces": 1, "quota": 1}))
    assert refused.value.code == "agents-unavailable"
    assert refused.value.hint == (
        "The agent a takes no new workspaces. The agent b has 1 workspace, and 1 are allowed."
    )
