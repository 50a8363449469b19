"""How often a refusal is written down."""

from __future__ import annotations

from moorage.server.audit.denials import MOST, SECONDS, Denials

STOP = ("stop-workspace", "w")


def test_the_same_once_a_minute() -> None:
    """And the next entry says how many were left out."""
    denials = Denials()
    assert denials.is_due("ann", STOP, 0.0) == 0
    assert denials.is_due("ann", STOP, 1.0) is None
    assert denials.is_due("ann", STOP, 2.0) is None
    assert denials.is_due("bob", STOP, 2.0) == 0
    assert denials.is_due("ann", ("read-logs", "w"), 3.0) == 2
    assert denials.is_due("ann", STOP, SECONDS) == 0


def test_of_one_person_so_many_a_minute() -> None:
    denials = Denials()
    found = [denials.is_due("ann", ("stop-workspace", str(n)), 1.0) for n in range(MOST + 5)]
    assert found == [0] * MOST + [None] * 5
    assert denials.is_due("ann", STOP, 1.0 + SECONDS) == 5
