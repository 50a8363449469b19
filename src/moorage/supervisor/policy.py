"""When a process that ended is started again, and in which order all are ended. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from moorage.kernel.errors import Misconfigured
from moorage.supervisor.processes import Process

SETTLED = 10.0
"""Seconds after which a process counts as well started: what happened before is forgotten."""

LONGEST = 30.0
"""Seconds between two starts, at most."""

GRACE = 10.0
"""Seconds that the processes have to end; whatever lives then is killed."""

STEP = 2.5
"""Seconds after which the next process is told to end, although the one before has not yet."""


class Restart(NamedTuple):
    delay: float
    """Seconds."""


class GiveUp(NamedTuple):
    """It stays down until somebody changes something; the others work on."""


class Abort(NamedTuple):
    """Nothing of this can run: end all, and say why."""


def after_exit(
    *, code: int | None, ran: float, failures: int, first: bool
) -> Restart | GiveUp | Abort:
    """Decides what follows the end of a process that ran for `ran` seconds.

    `code` is its exit code, None when a signal ended it; `failures` counts the ends before this one
    since it last ran well; `first`: it had never been started before.
    """
    if code == Misconfigured.exit_code:
        return Abort() if first else GiveUp()
    if ran >= SETTLED or failures == 0:
        return Restart(0.0)
    return Restart(min(LONGEST, 0.5 * 2 ** min(failures, 10)))


class Signal(NamedTuple):
    name: str
    number: int


def stop_signals(
    processes: Sequence[Process],
    *,
    elapsed: float,
    alive: frozenset[str],
    sent: Mapping[Signal, float],
) -> list[Signal]:
    """The signals that are due `elapsed` seconds after the stop of these processes began.

    `sent`: those that went out already, each with the seconds after which it did.
    """
    if elapsed >= GRACE:
        due = [Signal(name, signal.SIGKILL) for name in sorted(alive)]
        return [item for item in due if item not in sent]
    due = []
    before: set[str] = set()
    for position, process in enumerate(sorted(processes, key=lambda row: row.stop_turn)):
        if process.name in alive and (alive.isdisjoint(before) or elapsed >= position * STEP):
            due.append(_due(process, elapsed, sent))
        before.add(process.name)
    return [item for item in due if item not in sent]


def _due(process: Process, elapsed: float, sent: Mapping[Signal, float]) -> Signal:
    """The first of its signals, or the next one a moment after the one before."""
    found, *later = (Signal(process.name, number) for number in process.stop_signals)
    for following in later:
        if found not in sent or elapsed - sent[found] < STEP:
            break
        found = following
    return found
