"""How long tokens and sessions live, as tables."""

from __future__ import annotations

import math

import pytest

from moorage.kernel.errors import InvalidInput, Misconfigured
from moorage.server.accounts.lifetimes import (
    DAY,
    Authority,
    extended,
    latest_end,
    session_end,
    token_end,
)
from moorage.server.settings import Settings

NOW = 1000.0
FREE = Authority()
BOUND = Authority(7, NOW + 3 * DAY, NOW + 2 * DAY)
SESSION = Authority(session_ends=NOW + 2 * DAY)


@pytest.mark.parametrize(
    ("days", "authority", "expected"),
    [
        (None, FREE, 90),
        (None, SESSION, 90),
        (None, BOUND, 3),
        (1, BOUND, 1),
        (3, BOUND, 3),
        (365, FREE, 365),
        (4, BOUND, "token-outlives"),
        (366, FREE, "token-too-long"),
        (366, BOUND, "token-too-long"),
    ],
)
def test_a_token_ends_with_what_made_it(
    days: float | None, authority: Authority, expected: float | str
) -> None:
    """What is asked for, within what the installation allows and what the making token has left; a
    session does not bind it."""
    if isinstance(expected, str):
        with pytest.raises(InvalidInput) as refused:
            token_end(days, authority, now=NOW, usual_days=90, longest_days=365)
        assert (refused.value.code, refused.value.field) == (expected, "days")
        assert refused.value.hint
    else:
        end = token_end(days, authority, now=NOW, usual_days=90, longest_days=365)
        assert end == NOW + expected * DAY


def test_the_usual_life_of_a_token_is_within_the_longest() -> None:
    """Also where the settings contradict each other."""
    assert token_end(None, FREE, now=NOW, usual_days=90, longest_days=30) == NOW + 30 * DAY


@pytest.mark.parametrize(
    ("authority", "own", "expected"),
    [
        (FREE, True, None),
        (FREE, False, None),
        (SESSION, True, NOW + 2 * DAY),
        (SESSION, False, None),
        (BOUND, True, NOW + 2 * DAY),
        (BOUND, False, NOW + 3 * DAY),
    ],
)
def test_what_a_link_signs_in_ends(authority: Authority, own: bool, expected: float | None) -> None:
    """With the token that made it; one's own link in a session with that session, too."""
    assert latest_end(authority, own=own) == expected


@pytest.mark.parametrize(("ends_at", "days"), [(None, 7), (NOW + DAY, 1), (NOW + 9 * DAY, 7)])
def test_a_session_ends(ends_at: float | None, days: float) -> None:
    """After its longest life, or before, when its link says so."""
    assert session_end(ends_at, now=NOW, longest_days=7) == NOW + days * DAY


@pytest.mark.parametrize(
    ("left", "ends_in", "expected"),
    [
        (12.0, 100.0, None),
        (11.5, 100.0, None),
        (11.0, 100.0, 12.0),
        (1.0, 5.0, 5.0),
        (5.0, 5.0, None),
        (4.9, 5.0, None),
        (3.0, 0.0, None),
    ],
)
def test_use_moves_the_end_of_a_session(
    left: float, ends_in: float, expected: float | None
) -> None:
    """When enough is gained by it, and never beyond the longest life. In hours from now."""
    found = extended(
        NOW + left * 3600, NOW + ends_in * 3600, now=NOW, idle_hours=12, unless_gained=0.05
    )
    assert found == (None if expected is None else NOW + expected * 3600)


@pytest.mark.parametrize(
    "name", ["session_hours", "session_longest_days", "token_days", "token_longest_days"]
)
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_there_is_always_an_end(name: str, value: float) -> None:
    """A setting that would mean "never" or "at once" is refused."""
    with pytest.raises(Misconfigured) as refused:
        Settings(**{name: value}).check()
    assert name in refused.value.message
