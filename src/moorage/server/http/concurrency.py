"""How much one person may have open at once. What is counted is one process's own: each replica
counts for itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum

from moorage.kernel.errors import LimitReached


class Slot(StrEnum):
    STREAM = "streams"
    COMMAND = "commands"


_WORDS = {
    Slot.STREAM: (
        "live pages and commands that wait",
        "Close some of them; a page that was refused tries again by itself.",
    ),
    Slot.COMMAND: ("commands open", "Close some of them, and try again."),
}
"""What there are too many of, and what to do."""


class Concurrency:
    def __init__(self, limits: Mapping[Slot, int]) -> None:
        """`limits`: of each, per person."""
        self._limits = dict(limits)
        self._taken: Counter[tuple[Slot, int]] = Counter()

    @contextmanager
    def take(self, slot: Slot, person: int) -> Iterator[None]:
        """Has the slot for as long as the block runs. Raises `LimitReached`, before anything costly
        is done."""
        limit = self._limits[slot]
        if self._taken[slot, person] >= limit:
            words, hint = _WORDS[slot]
            raise LimitReached(
                f"You have {limit} {words}, which is as many as one person may have at once.",
                code=f"too-many-{slot}",
                hint=hint,
                limit=limit,
            )
        self._taken[slot, person] += 1
        try:
            yield
        finally:
            self._taken[slot, person] -= 1
            if not self._taken[slot, person]:
                del self._taken[slot, person]
