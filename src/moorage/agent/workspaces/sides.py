"""Side containers that end, or do not begin: when each is started again, and what is said of it.

Pure.

A workspace goes on without them: none of their failures is ever final. Each is started again at
once, then after pauses that double; one that has run for long begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.port import ObservedContainer, Run
from moorage.contract import Cause, ContainerState


class Pauses(msgspec.Struct, frozen=True, kw_only=True):
    """All in seconds."""

    first: float = 1.0
    """Before the second restart; doubles from there."""
    longest: float = 300.0
    settled: float = 10.0
    """What runs again for so long is no trouble any more."""
    forgotten: float = 600.0
    """What runs again for so long is started again at once when it ends."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a side container that has failed."""

    cause: Cause
    starts: int = 0
    """How often it has been started again."""
    started_at: float = 0.0
    """When that was last (seconds since the epoch)."""
    up_since: float = 0.0
    """Since when it has been seen running (seconds since the epoch); 0: it does not run."""
    left_out: bool = False
    """It is no part of this run, and nobody starts it."""


Sides = dict[str, Side]


def is_down(container: ObservedContainer) -> bool:
    """Whether it is a side container that should run and does not, for a known reason."""
    return (
        container.role == "sidecar"
        and container.state is not ContainerState.RUNNING
        and container.fault is not None
    )


def noted(
    known: Mapping[str, Side], run: Run | None, now: float, pauses: Pauses, excused_until: float
) -> Sides:
    """What is known of those that have failed, after a look at `run`. Ends before `excused_until`
    are nobody's fault."""
    found: Sides = {}
    for container in run.containers if run is not None else ():
        side = known.get(container.name)
        if is_down(container):
            if _excused(container, excused_until) or container.fault is None:
                continue
            cause = container.fault
            since = side.cause.since if side is not None and not side.up_since else now
            cause = msgspec.structs.replace(cause, since=cause.since or since)
            side = side or Side(cause=cause)
            found[container.name] = msgspec.structs.replace(
                side, cause=cause, up_since=0.0, left_out=container.left_out
            )
        elif side is not None and container.role == "sidecar":
            up_since = side.up_since
            if container.state is ContainerState.RUNNING:
                up_since = up_since or now
            if not up_since or now - up_since < pauses.forgotten:
                found[container.name] = msgspec.structs.replace(side, up_since=up_since)
    return found


def due_in(
    sides: Mapping[str, Side], run: Run, now: float, pauses: Pauses, excused_until: float
) -> float | None:
    """Seconds until the next is to be started again; 0.0: now; None: all of them run."""
    waits = []
    for container in run.containers:
        if not is_down(container):
            continue
        side = sides.get(container.name)
        if side is None or _excused(container, excused_until) or not side.starts:
            return 0.0
        pause = min(pauses.longest, pauses.first * 2 ** min(side.starts - 1, 30))
        waits.append(max(0.0, side.started_at + pause - now))
    return min(waits, default=None)


def looked_at_in(sides: Mapping[str, Side], now: float, pauses: Pauses) -> float | None:
    """Seconds until one that runs again is no trouble any more; None: there is none."""
    ends = [side.up_since + pauses.settled for side in sides.values() if side.up_since]
    return min((end - now for end in ends if end > now), default=None)


def troubles(
    sides: Mapping[str, Side], now: float, pauses: Pauses, *, again: bool = True
) -> tuple[Cause, ...]:
    """What is wrong, one cause for each side container. `again`: whether it is started again by
    itself."""
    return tuple(
        causes.side_container(side.cause, again=again and not side.left_out)
        for _, side in sorted(sides.items())
        if not side.up_since or now - side.up_since < pauses.settled
    )


def after_start(sides: Mapping[str, Side], now: float) -> Sides:
    """All that were down have been started again."""
    return {
        name: side
        if side.up_since
        else msgspec.structs.replace(side, starts=side.starts + 1, started_at=now)
        for name, side in sides.items()
    }


def _excused(container: ObservedContainer, until: float) -> bool:
    return container.finished_at is not None and container.finished_at <= until
