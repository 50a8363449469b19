"""When a process that ended is started again, and in which order all are ended. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import NamedTuple

from moorage.kernel.errors import Misconfigured

SETTLED = 10.0
"""Seconds after which a process counts as well started: what happened before is forgotten."""

LONGEST = 30.0
"""Seconds between two starts, at most."""

GRACE = 10.0
"""Seconds that the processes have to end; whatever lives then is killed."""

STEP = 2.5
"""Seconds after which the next process is told to end, although the one before has not yet."""

STOP_ORDER = ("agent", "server", "gateway", "haproxy")
"""HAProxy goes last, so that a person gets a page until the end."""


class Restart(NamedTuple):
    delay: float
    """Seconds."""


class GiveUp(NamedTuple):
    """It stays down until somebody changes something; the others work on."""


class Abort(NamedTuple):
    """Nothing of this can run: end all, and say why."""


def after_exit(*, code: int | None, ran: float, failures: int, first: bool) -> Restart | GiveUp | Abort:
    """What follows the end of a process that ran for `ran` seconds.

    `code` is its exit code, None when a signal ended it; `failures` counts the ends before this one since it last
    ran well; `first`: it had never been started before.
    """
    if code == Misconfigured.exit_code:
        return Abort() if first else GiveUp()
    if ran >= SETTLED or failures == 0:
        return Restart(0.0)
    return Restart(min(LONGEST, 0.5 * 2 ** min(failures, 10)))


class Signal(NamedTuple):
    name: str
    number: int


def stop_signals(*, elapsed: float, alive: frozenset[str], sent: Mapping[Signal, float]) -> list[Signal]:
    """The signals that are due `elapsed` seconds after the stop began.

    `sent`: those that went out already, each with the seconds after which it did.
    """
    if elapsed >= GRACE:
        due = [Signal(name, signal.SIGKILL) for name in sorted(alive)]
        return [item for item in due if item not in sent]
    due = []
    for position, name in enumerate(STOP_ORDER):
        before = alive.intersection(STOP_ORDER[:position])
        if name in alive and (not before or elapsed >= position * STEP):
            due += _haproxy(elapsed, sent) if name == "haproxy" else [Signal(name, signal.SIGTERM)]
    return [item for item in due if item not in sent]


def _haproxy(elapsed: float, sent: Mapping[Signal, float]) -> list[Signal]:
    """First no new connections (management guide of HAProxy, 4: SIGUSR1); a moment later the open ones end too."""
    soft, hard = Signal("haproxy", signal.SIGUSR1), Signal("haproxy", signal.SIGTERM)
    return [hard] if soft in sent and elapsed - sent[soft] >= STEP else [soft]
