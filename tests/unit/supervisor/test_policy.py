"""When what is restarted, and who is told to end when."""

from __future__ import annotations

import signal

import pytest

from moorage.supervisor.policy import (
    GRACE,
    STEP,
    Abort,
    GiveUp,
    Restart,
    Signal,
    after_exit,
    stop_signals,
)
from moorage.supervisor.processes import PROCESSES

ALL = frozenset({"server", "agent", "gateway", "haproxy"})
TERM, SOFT, KILL = signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL


@pytest.mark.parametrize(
    ("code", "ran", "failures", "first", "decision"),
    [
        (1, 0.1, 0, True, Restart(0.0)),
        (None, 500.0, 0, False, Restart(0.0)),
        (0, 500.0, 0, True, Restart(0.0)),
        (1, 0.1, 1, False, Restart(1.0)),
        (1, 0.1, 2, False, Restart(2.0)),
        (None, 9.9, 5, True, Restart(16.0)),
        (1, 0.1, 6, False, Restart(30.0)),
        (1, 0.1, 5000, False, Restart(30.0)),
        (1, 10.0, 7, True, Restart(0.0)),
        (9, 0.5, 0, True, Abort()),
        (9, 0.5, 0, False, GiveUp()),
        (9, 0.5, 3, False, GiveUp()),
    ],
)
def test_after_exit(
    code: int | None, ran: float, failures: int, first: bool, decision: Restart | GiveUp | Abort
) -> None:
    """At once, then ever later up to 30 s; never again when it says that it cannot run as it is set
    up."""
    assert after_exit(code=code, ran=ran, failures=failures, first=first) == decision


@pytest.mark.parametrize(
    ("elapsed", "alive", "sent", "due"),
    [
        (0.0, ALL, {}, [Signal("agent", TERM)]),
        (0.1, ALL, {Signal("agent", TERM): 0.0}, []),
        (0.1, ALL - {"agent"}, {Signal("agent", TERM): 0.0}, [Signal("server", TERM)]),
        (STEP, ALL, {Signal("agent", TERM): 0.0}, [Signal("server", TERM)]),
        (0.2, frozenset({"gateway", "haproxy"}), {}, [Signal("gateway", TERM)]),
        (0.3, frozenset({"haproxy"}), {}, [Signal("haproxy", SOFT)]),
        (
            0.3 + STEP,
            frozenset({"haproxy"}),
            {Signal("haproxy", SOFT): 0.3},
            [Signal("haproxy", TERM)],
        ),
        (STEP * 3, frozenset({"haproxy"}), {}, [Signal("haproxy", SOFT)]),
        (
            GRACE,
            frozenset({"agent", "haproxy"}),
            {},
            [Signal("agent", KILL), Signal("haproxy", KILL)],
        ),
        (GRACE + 1, frozenset({"agent"}), {Signal("agent", KILL): GRACE}, []),
        (1.0, frozenset(), {}, []),
    ],
)
def test_stop_signals(
    elapsed: float, alive: frozenset[str], sent: dict[Signal, float], due: list[Signal]
) -> None:
    """Agent, server, gateway, then HAProxy; one that hangs holds the next up for a moment only; all
    are dead in the end."""
    assert stop_signals(PROCESSES, elapsed=elapsed, alive=alive, sent=sent) == due
