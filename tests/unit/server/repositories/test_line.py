"""The line for Git: how many at a time, whose turn it is, and what those are told who wait for too
long."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from moorage.kernel.errors import LimitReached, MoorageError, Unavailable
from moorage.server.repositories.line import Bounds, Line


class Readings:
    """People that read, each until it is told to end."""

    def __init__(self, bounds: Bounds) -> None:
        self.line = Line(bounds)
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.order: list[str] = []
        self._ends: list[asyncio.Event] = []

    def begin(self, person: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._read(person))

    async def _read(self, person: str) -> None:
        end = asyncio.Event()
        async with self.line.turn(person):
            self._ends.append(end)
            self.order.append(person)
            self.running[person] += 1
            self.most[person] = max(self.most[person], self.running[person])
            self.most["all"] = max(self.most["all"], self.running.total())
            await end.wait()
            self.running[person] -= 1

    def end_one(self) -> None:
        self._ends.pop(0).set()

    @property
    def under_way(self) -> int:
        return len(self._ends)


async def settled() -> None:
    """Lets everything that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_so_many_at_a_time_and_so_many_of_one_person() -> None:
    """Forty of one person's and a few of others': never more than allowed, and all come to their
    turn."""
    readings = Readings(Bounds(at_once=4, each=2))
    tasks = [readings.begin("ana") for _ in range(40)] + [readings.begin("ben") for _ in range(3)]
    await settled()
    assert readings.running == {"ana": 2, "ben": 2}
    while readings.under_way:
        readings.end_one()
        await settled()
    await asyncio.gather(*tasks)
    assert readings.most == {"ana": 2, "ben": 2, "all": 4}
    assert Counter(readings.order) == {"ana": 40, "ben": 3}


async def test_nobody_waits_behind_anothers_many() -> None:
    """Who comes later, and has nothing under way, is served before the third of somebody who came
    first."""
    readings = Readings(Bounds(at_once=2, each=1))
    tasks = [readings.begin(person) for person in ("ana", "ana", "ana", "ben", "cid")]
    await settled()
    assert readings.order == ["ana", "ben"]
    readings.end_one()
    await settled()
    assert readings.order == ["ana", "ben", "ana"]
    readings.end_one()
    await settled()
    assert readings.order == ["ana", "ben", "ana", "cid"]
    while readings.under_way:
        readings.end_one()
        await settled()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("bounds", "others", "kind", "said"),
    [
        (
            Bounds(1, 1, waiting_each=2),
            ["ana"] * 3,
            LimitReached,
            "2 repositories that you asked for wait",
        ),
        (
            Bounds(1, 1, waiting=2),
            ["ben", "cid", "dan"],
            Unavailable,
            "2 repositories wait to be read",
        ),
        (Bounds(2, 1, seconds=0.02), ["ana"], LimitReached, "1 others of yours are being read"),
        (Bounds(1, 1, seconds=0.02), ["ben"], Unavailable, "the server reads 1 others"),
    ],
)
async def test_a_line_that_is_too_long(
    bounds: Bounds, others: list[str], kind: type[MoorageError], said: str
) -> None:
    """Whether it is one's own or the others' fault is an error of its own, with what was waited for
    and what to do."""
    readings = Readings(bounds)
    tasks = [readings.begin(person) for person in others]
    await settled()
    with pytest.raises(kind) as refused:
        await readings.begin("ana")
    assert said in refused.value.message
    assert refused.value.hint
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(_once(readings), 5)


@pytest.mark.parametrize("late", [False, True])
async def test_who_gives_up_takes_no_turn(late: bool) -> None:
    """One that is cancelled while it waits, or in the very moment that its turn comes (`late`),
    leaves its place to the next."""
    readings = Readings(Bounds(at_once=1, each=1))
    end = asyncio.Event()

    async def first() -> None:
        async with readings.line.turn("ana"):
            await end.wait()
            if not late:
                second.cancel()
        second.cancel()

    holding = asyncio.create_task(first())
    await settled()
    second, third = readings.begin("ben"), readings.begin("cid")
    await settled()
    end.set()
    await settled()
    assert readings.order == ["cid"]
    readings.end_one()
    await asyncio.gather(holding, third)
    await asyncio.wait_for(_once(readings), 5)


async def _once(readings: Readings) -> None:
    """There is room again for all that is allowed at a time."""
    async with readings.line.turn("zoe"):
        pass
