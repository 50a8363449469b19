"""The line for Git: so many runs at a time, so many of one person's, and an end to waiting.

Whoever may go on next is the one that has waited longest among those whose person has room: nobody
waits behind another person's many.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from moorage.kernel.errors import LimitReached, Unavailable


@dataclass(frozen=True)
class Bounds:
    at_once: int
    """Runs at a time."""
    each: int
    """Runs of one person's at a time."""
    waiting: int = 200
    """People's requests that wait, at most."""
    waiting_each: int = 50
    """One person's requests that wait, at most."""
    seconds: float = 20.0
    """How long a request waits, at most."""


@dataclass(eq=False)
class _Waiting:
    person: str
    turn: asyncio.Future[None]


class Line:
    """A waiting line for one server process and its event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._running: Counter[str] = Counter()
        self._line: list[_Waiting] = []

    @asynccontextmanager
    async def turn(self, person: str) -> AsyncIterator[None]:
        """Waits for a turn, and has it for the block. Raises `LimitReached` or `Unavailable`, with
        what it waited for."""
        await self._wait(person)
        try:
            yield
        finally:
            self._leave(person)

    async def _wait(self, person: str) -> None:
        if self._has_room(person):
            self._running[person] += 1
            return
        self._check_length(person)
        waiting = _Waiting(person, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        try:
            async with asyncio.timeout(self._bounds.seconds):
                await waiting.turn
        except TimeoutError as error:
            self._give_up(waiting)
            raise self._waited_too_long(person) from error
        except asyncio.CancelledError:
            self._give_up(waiting)
            raise

    def _has_room(self, person: str) -> bool:
        return (
            self._running.total() < self._bounds.at_once
            and self._running[person] < self._bounds.each
        )

    def _leave(self, person: str) -> None:
        self._running[person] -= 1
        if not self._running[person]:
            del self._running[person]
        for waiting in list(self._line):
            if not waiting.turn.done() and self._has_room(waiting.person):
                self._line.remove(waiting)
                self._running[waiting.person] += 1
                waiting.turn.set_result(None)

    def _give_up(self, waiting: _Waiting) -> None:
        """Its turn may have come in the same moment: then it is passed on."""
        if waiting in self._line:
            self._line.remove(waiting)
        elif waiting.turn.done() and not waiting.turn.cancelled():
            self._leave(waiting.person)

    def _check_length(self, person: str) -> None:
        own = sum(waiting.person == person for waiting in self._line)
        if own >= self._bounds.waiting_each:
            raise LimitReached(
                f"{own} repositories that you asked for wait to be read already.",
                code="reads-waiting",
                hint="Wait until some of them are read.",
            )
        if len(self._line) >= self._bounds.waiting:
            raise Unavailable(
                f"{len(self._line)} repositories wait to be read already.",
                code="reads-busy",
                hint="Try again in a minute.",
            )

    def _waited_too_long(self, person: str) -> LimitReached | Unavailable:
        seconds = f"{self._bounds.seconds:g} seconds"
        if self._running[person] >= self._bounds.each:
            return LimitReached(
                f"The repository was not read within {seconds}: {self._running[person]} others of yours are being read,"
                " which are as many as one person's may.",
                code="reads-waiting",
                hint="Try again when those are read.",
            )
        return Unavailable(
            f"The repository was not read within {seconds}: the server reads {self._running.total()} others, which are as many"
            " as it does at a time.",
            code="reads-busy",
            hint="Try again; if it goes on, an administrator can raise repository_reads.",
        )
