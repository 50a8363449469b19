"""When an agent's settings end a workspace: it has run, or been stopped, for too long. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from moorage.contract import DesiredState

WEEK = 7 * 86400.0
"""Seconds before a deletion from which on its owner is told."""
LATE, RESPITE = 3600.0, 86400.0
"""A deletion that is overdue by more than `LATE` seconds fell due while the server was away: it is
put off by `RESPITE`."""


@dataclass(frozen=True)
class Clocks:
    """Times are seconds since the epoch."""

    desired: DesiredState
    requested_at: float
    """When the newest start or restart was asked for."""
    stopped_at: float | None
    delete_at: float | None
    """When it is to be deleted, as its owner was told; None: nobody has been told."""


@dataclass(frozen=True)
class Limits:
    """Hours; 0: none."""

    active: int
    stopped: int


@dataclass(frozen=True)
class Stop:
    pass


@dataclass(frozen=True)
class Delete:
    pass


@dataclass(frozen=True)
class Announce:
    """Tell the owner when it is deleted; None: that it is not, after all."""

    at: float | None


Verdict = Stop | Delete | Announce


def decide(clocks: Clocks, limits: Limits, now: float) -> Verdict | None:
    """Nothing is deleted before its owner was told for a week, or for as long as the limit is, when
    that is shorter: not when the limit was shortened, nor when the server was away before. One that
    was away when it fell due tells for another day."""
    if clocks.desired is DesiredState.RUNNING:
        over = limits.active and now >= clocks.requested_at + limits.active * 3600.0
        return Stop() if over else _announce(clocks, None)
    if (
        clocks.desired is not DesiredState.STOPPED
        or not limits.stopped
        or clocks.stopped_at is None
    ):
        return _announce(clocks, None)
    span = limits.stopped * 3600.0
    due, ahead = clocks.stopped_at + span, min(WEEK, span)
    if clocks.delete_at is None:
        return Announce(max(due, now + ahead)) if now >= due - ahead else None
    if now < due - ahead:
        return Announce(None)
    at = max(due, clocks.delete_at)
    if now > at + LATE:
        return Announce(now + min(RESPITE, span))
    return Delete() if now >= at else _announce(clocks, at)


def stopped_words(agent: str, limits: Limits) -> str:
    return f"Stopped after {limits.active} hours of running (settings of the agent {agent})."


def deletion_words(agent: str, stopped_at: float, at: float) -> str:
    when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"It will be deleted, with its files, at {when}: by then it will have been stopped for {span(at - stopped_at)} "
        f"(settings of the agent {agent})."
    )


def span(seconds: float) -> str:
    """`31 days`, `20 hours`."""
    hours = max(1, round(seconds / 3600))
    days = round(hours / 24)
    if hours >= 72:
        return f"{days} days"
    return "1 hour" if hours == 1 else f"{hours} hours"


def _announce(clocks: Clocks, at: float | None) -> Announce | None:
    return None if clocks.delete_at == at else Announce(at)
