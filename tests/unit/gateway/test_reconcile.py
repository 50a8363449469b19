"""The reconciler: each change of the table reaches HAProxy and whoever observes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session
from moorage.gateway.access import entries_of
from moorage.gateway.haproxy.access_map import flat
from moorage.gateway.metrics import Metrics
from moorage.gateway.reconcile import Reconciler
from moorage.gateway.table import Affected, Table
from moorage.gateway.zone import Zone
from unit.gateway.haproxy_in_memory import RuntimeInMemory

WS, OTHER = "workspace-1-1-aaaaaa", "workspace-1-2-bbbbbb"
ANA, BOB = 1, 2
ANAS = Session(id="session-ana", user=ANA, user_name="ana", expires_at=2000.0)
BOBS = Session(id="session-bob", user=BOB, user_name="bob", expires_at=1500.0)
NEW = Session(id="session-new", user=BOB, user_name="bob", expires_at=1800.0)
TABLE = RouteTable(
    revision=7,
    server_url="http://s",
    routes=(
        Route(workspace=WS, owner=ANA, address="10.0.0.1"),
        Route(workspace=OTHER, owner=BOB, address="10.0.0.2"),
    ),
    sessions=(ANAS, BOBS),
    grants=(Grant(user=BOB, workspace=WS, port=80),),
)


class Clock:
    time = 1000.0

    def now(self) -> float:
        return self.time


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.haproxy = RuntimeInMemory()
        self.table = Table()
        self.metrics = Metrics(self.table, self.clock)
        self.reconciler = Reconciler(
            table=self.table,
            runtime=self.haproxy,
            zone=Zone("z", "http", 80),
            clock=self.clock,
            metrics=self.metrics,
        )
        self.seen: list[Affected] = []
        self.reconciler.observe(self.seen.append)

    @property
    def wanted(self) -> dict[str, str]:
        return flat(entries_of(self.table, "z", self.clock.now()))


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """HAProxy knows a table that the server has sent."""
    made = World()
    await made.reconciler.take(TABLE)
    keeping = asyncio.create_task(made.reconciler.keep_haproxy())
    await until(lambda: made.reconciler.in_sync)
    made.seen.clear()
    yield made
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a state of the code under test
            await asyncio.sleep(0)


def at(
    clock_time: float, act: Callable[[Reconciler], Awaitable[object]]
) -> Callable[[World], Awaitable[object]]:
    def run(world: World) -> Awaitable[object]:
        world.clock.time = clock_time
        return act(world.reconciler)

    return run


CHANGES = {
    "a table": at(
        1000, lambda r: r.take(RouteTable(revision=1, server_url="", routes=TABLE.routes[:1]))
    ),
    "a change": at(1000, lambda r: r.take(RouteChange(revision=8, removed_routes=(WS,)))),
    "a grant": at(
        1000, lambda r: r.take(RouteChange(revision=8, grants=(Grant(user=ANA, workspace=OTHER),)))
    ),
    "an exchanged session": at(1000, lambda r: r.learn(NEW)),
    "an introduced session": at(1000, lambda r: r.introduce(NEW)),
    "a sign-out": at(1000, lambda r: r.end_session(ANAS.id)),
    "the end of a session": at(1500, lambda r: r.drop_expired()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_haproxy_knows_a_change_when_it_returns(
    world: World, change: Callable[[World], Awaitable[object]]
):
    """Whatever changes the table: HAProxy's map is what the table says, and observers have
    heard."""
    before = dict(world.haproxy.entries)
    await change(world)
    assert world.haproxy.entries == world.wanted != before
    assert world.haproxy.changes == 1
    assert len(world.seen) == 1


async def test_a_session_that_the_server_never_names_ends(world: World):
    """What it opened is taken out of HAProxy's map again."""
    before = dict(world.haproxy.entries)
    assert await world.reconciler.introduce(NEW)
    assert world.haproxy.entries != before
    world.clock.time += 30
    await world.reconciler.drop_unconfirmed()
    assert world.haproxy.entries == before
    assert world.seen[-1].ended == {NEW.id}


async def test_a_session_that_is_over_is_not_introduced(world: World):
    """Nothing changes, and nobody is told."""
    world.clock.time = 1800.0
    assert not await world.reconciler.introduce(NEW)
    assert world.seen == []


async def test_nothing_is_told_where_nothing_changed(world: World):
    """Sessions that do not end, and one that is known already, cost HAProxy nothing."""
    await world.reconciler.drop_expired()
    await world.reconciler.drop_unconfirmed()
    assert await world.reconciler.introduce(ANAS)
    assert (world.haproxy.changes, world.seen) == (0, [])


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_that_haproxy_missed_makes_it_told_anew(
    world: World, change: Callable[[World], Awaitable[object]]
):
    """Observers hear of the change all the same; HAProxy is told all once it answers again."""
    world.haproxy.there = False
    await change(world)
    assert len(world.seen) == 1
    assert not world.reconciler.in_sync
    world.haproxy.there = True
    await asyncio.wait_for(until(lambda: world.haproxy.entries == world.wanted), 10)


async def test_a_new_haproxy_is_told_everything(world: World):
    """It knows nothing of what the one before was told; whoever observes looks at everything."""
    world.haproxy.ended.set()
    await until(lambda: not world.reconciler.in_sync)
    world.haproxy.ended.clear()
    world.haproxy.entries = {}
    keeping = asyncio.create_task(world.reconciler.keep_haproxy())
    await until(lambda: world.reconciler.in_sync)
    assert world.haproxy.entries == world.wanted
    assert world.seen == [Affected({WS, OTHER}, {ANA, BOB}, revoked=True)]
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_haproxy_keeps_what_it_has_until_the_server_has_spoken():
    """A table from the disk may be older than what HAProxy was told last."""
    world = World()
    world.table.known = True
    world.haproxy.entries = {f"{WS}.z/{ANAS.id}": "10.0.0.1"}
    keeping = asyncio.create_task(world.reconciler.keep_haproxy())
    await until(lambda: world.reconciler.in_sync)
    assert world.haproxy.entries == {f"{WS}.z/{ANAS.id}": "10.0.0.1"}
    await world.reconciler.take(TABLE)
    assert world.haproxy.entries == world.wanted
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
