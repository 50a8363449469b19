"""When an agent's settings end a workspace."""

from __future__ import annotations

import pytest

from moorage.contract import DesiredState
from moorage.server.workspaces.hours import (
    Announce,
    Clocks,
    Delete,
    Limits,
    Stop,
    Verdict,
    decide,
    deletion_words,
    span,
    stopped_words,
)

HOUR, DAY = 3600.0, 86400.0
NOW = 100 * DAY
RUNNING, STOPPED, TERMINATED = DesiredState.RUNNING, DesiredState.STOPPED, DesiredState.TERMINATED


def stopped(ago: float, told: float | None = None) -> Clocks:
    return Clocks(STOPPED, 0.0, NOW - ago, told)


@pytest.mark.parametrize(
    ("clocks", "limits", "verdict"),
    [
        # running
        (Clocks(RUNNING, NOW - 36 * HOUR, None, None), Limits(36, 744), Stop()),
        (Clocks(RUNNING, NOW - 36 * HOUR + 1, None, None), Limits(36, 744), None),
        (Clocks(RUNNING, 0.0, None, None), Limits(0, 744), None),
        (Clocks(RUNNING, NOW - HOUR, None, NOW + DAY), Limits(36, 744), Announce(None)),
        # stopped, the limit 31 days
        (stopped(23 * DAY), Limits(36, 744), None),
        (stopped(24 * DAY), Limits(36, 744), Announce(NOW + 7 * DAY)),
        (stopped(25 * DAY, NOW + 6 * DAY), Limits(36, 744), None),
        (stopped(31 * DAY - 1, NOW + 1), Limits(36, 744), None),
        (stopped(31 * DAY, NOW), Limits(36, 744), Delete()),
        # nobody was told in time: the server was away, or the limit is new or shorter than it was
        (stopped(40 * DAY), Limits(36, 744), Announce(NOW + 7 * DAY)),
        (stopped(40 * DAY, NOW + 3 * DAY), Limits(36, 744), None),
        (stopped(40 * DAY, NOW), Limits(36, 744), Delete()),
        (stopped(25 * DAY, NOW + 6 * DAY), Limits(36, 240), None),
        # the server was away when it fell due
        (stopped(31 * DAY + HOUR, NOW - HOUR), Limits(36, 744), Delete()),
        (stopped(33 * DAY, NOW - 2 * DAY), Limits(36, 744), Announce(NOW + DAY)),
        (stopped(34 * DAY, NOW), Limits(36, 744), Delete()),
        (stopped(10 * HOUR, NOW - 8 * HOUR), Limits(36, 2), Announce(NOW + 2 * HOUR)),
        # the limit is longer than it was, or gone
        (stopped(25 * DAY, NOW + 6 * DAY), Limits(36, 768), Announce(NOW + 7 * DAY)),
        (stopped(25 * DAY, NOW + 6 * DAY), Limits(36, 1488), Announce(None)),
        (stopped(25 * DAY, NOW + 6 * DAY), Limits(36, 0), Announce(None)),
        (stopped(31 * DAY, NOW), Limits(36, 0), Announce(None)),
        (stopped(90 * DAY), Limits(36, 0), None),
        # a limit below a week is told of from the stop on
        (stopped(60.0), Limits(36, 24), Announce(NOW - 60.0 + DAY + 60.0)),
        (stopped(DAY, NOW), Limits(36, 24), Delete()),
        # neither
        (Clocks(STOPPED, 0.0, None, None), Limits(36, 744), None),
        (Clocks(TERMINATED, 0.0, 1.0, None), Limits(1, 1), None),
    ],
)
def test_what_time_does(clocks: Clocks, limits: Limits, verdict: Verdict | None) -> None:
    """Stops and deletions by the clock, each told of for a week before; 0 hours mean never."""
    assert decide(clocks, limits, NOW) == verdict


def test_nothing_is_deleted_unread() -> None:
    """Followed minute by minute, whatever the limit: between the first word and the deletion lie a
    week or the whole limit."""
    for limit in (1, 24, 168, 744):
        told: float | None = None
        first = 0.0
        for minute in range(45 * 24 * 60):
            now = minute * 60.0
            verdict = decide(Clocks(STOPPED, 0.0, 0.0, told), Limits(36, limit), now)
            if isinstance(verdict, Announce):
                assert told is None
                told, first = verdict.at, now
            elif isinstance(verdict, Delete):
                assert now - first >= min(7 * DAY, limit * HOUR) - 1
                assert now >= limit * HOUR
                break
        else:
            raise AssertionError("it was never deleted")


def test_the_words() -> None:
    """They say after how long, by whose settings, and when."""
    assert stopped_words("far", Limits(36, 744)) == (
        "Stopped after 36 hours of running (settings of the agent far)."
    )
    assert deletion_words("far", 0.0, 31 * DAY) == (
        "It will be deleted, with its files, at 1970-02-01 00:00 UTC: by then it will have been stopped for 31 days "
        "(settings of the agent far)."
    )
    assert [span(HOUR), span(20 * HOUR), span(71 * HOUR), span(3 * DAY)] == [
        "1 hour",
        "20 hours",
        "71 hours",
        "3 days",
    ]
