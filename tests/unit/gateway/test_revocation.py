"""Which open requests may not be."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from msgspec import structs

from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session
from moorage.gateway import changes
from moorage.gateway.haproxy.connections import Connection, tag
from moorage.gateway.metrics import Metrics
from moorage.gateway.reconcile import Reconciler
from moorage.gateway.revocation import Revocation, forbidden
from moorage.gateway.server_client import ServerClient
from moorage.gateway.subscription import Subscription
from moorage.gateway.table import Affected, Table
from moorage.gateway.zone import Zone
from moorage.kernel.clock import SystemClock
from unit.gateway.haproxy_in_memory import RuntimeInMemory

ZONE = Zone("z", "http", 80)
WS, OTHER = "workspace-1-1-aaaaaa", "workspace-1-2-bbbbbb"
ANA, BOB = 1, 2
NOW = 1000.0
ANAS = Session(id="session-ana", user=ANA, user_name="ana", expires_at=2000.0)
BOBS = Session(id="session-bob", user=BOB, user_name="bob", expires_at=1500.0)
GRANT = Grant(user=BOB, workspace=WS, port=80)
MESSAGE = RouteTable(
    revision=7,
    server_url="",
    routes=(Route(workspace=WS, owner=ANA, address="10.0.0.1"), Route(workspace=OTHER, owner=BOB)),
    sessions=(ANAS, BOBS),
    grants=(GRANT,),
)
OF_ANA = Connection("127.0.0.1:34162", tag(ANAS.id), tag(f"{WS}.z"), 80)
OF_BOB = Connection("::1:42368", tag(BOBS.id), tag(f"{WS}.z"), 80)


@pytest.mark.parametrize(
    ("change", "closed"),
    [
        (RouteChange(revision=8), []),
        (RouteChange(revision=8, removed_sessions=(ANAS.id,)), [OF_ANA]),
        (RouteChange(revision=8, removed_grants=(GRANT,)), [OF_BOB]),
        (
            RouteChange(
                revision=8,
                removed_grants=(GRANT,),
                grants=(Grant(user=BOB, workspace=WS, port=81),),
            ),
            [OF_BOB],
        ),
        (
            RouteChange(
                revision=8, removed_grants=(GRANT,), grants=(Grant(user=BOB, workspace=WS),)
            ),
            [],
        ),
        (RouteChange(revision=8, removed_routes=(WS,)), [OF_ANA, OF_BOB]),
        (RouteChange(revision=8, routes=(Route(workspace=WS, owner=ANA),)), []),
        (RouteChange(revision=8, routes=(Route(workspace=WS, owner=3),)), [OF_ANA]),
    ],
)
def test_what_may_not_be_open(change: RouteChange, closed: list[Connection]):
    """What is taken away closes that person's requests; a workspace that stopped closes none."""
    table = Table()
    changes.replace(table, MESSAGE, NOW)
    changes.apply(table, change, NOW)
    assert forbidden([OF_ANA, OF_BOB], table, ZONE, NOW, ()) == closed


def test_a_session_that_is_over_by_time_may_not_be_open():
    """At its end, whether it was dropped from the table yet or not."""
    table = Table()
    changes.replace(table, MESSAGE, NOW)
    assert forbidden([OF_ANA, OF_BOB], table, ZONE, 1500.0, ()) == [OF_BOB]


def test_a_table_from_the_disk_closes_only_what_ended_since():
    """It may be older than what is open."""
    table = Table()
    changes.replace(table, RouteTable(revision=1, server_url=""), NOW, confirmed=False)
    assert forbidden([OF_ANA, OF_BOB], table, ZONE, NOW, ()) == []
    assert forbidden([OF_ANA, OF_BOB], table, ZONE, NOW, {BOBS.id}) == [OF_BOB]


async def test_requests_without_access_are_closed():
    """Once somebody may have lost access; those of others stay open."""
    runtime, table = RuntimeInMemory(), Table()
    changes.replace(table, structs.replace(MESSAGE, sessions=(forever(BOBS),)), NOW)
    revocation = revoking(table, runtime)
    runtime.books = "".join(
        f"{number}: proto=tcpv4 src={each.source} fe=web be=b\n{entry(each)}"
        for number, each in (("0x1", OF_ANA), ("0x2", OF_BOB))
    )
    closing = asyncio.create_task(revocation.close_requests())
    await asyncio.sleep(0)
    assert runtime.closed == []
    revocation.note(Affected(revoked=True))
    await asyncio.wait_for(closing, 10)
    assert set(runtime.closed) == {"0x1"}


@pytest.mark.parametrize("connected", [True, False])
async def test_sessions_end_by_time(connected: bool):
    """Whether the server is there or not; what it has not named in time, only while it is there."""
    table = Table()
    revocation = revoking(table, RuntimeInMemory(), connected=connected)
    table.sessions = {ANAS.id: ANAS, BOBS.id: forever(BOBS)}
    table.unconfirmed = {BOBS.id: NOW}
    await asyncio.wait_for(revocation.expire_sessions(), 10)
    assert set(table.sessions) == (set() if connected else {BOBS.id})


def revoking(table: Table, runtime: RuntimeInMemory, *, connected: bool = False) -> Revocation:
    clock = SystemClock()
    metrics = Metrics(table, clock)
    reconciler = Reconciler(table=table, runtime=runtime, zone=ZONE, clock=clock, metrics=metrics)
    subscription = Subscription(
        server=cast("ServerClient", None), reconciler=reconciler, metrics=metrics
    )
    subscription.connected = connected
    return Revocation(
        reconciler=reconciler,
        subscription=subscription,
        runtime=runtime,
        zone=ZONE,
        clock=clock,
        metrics=metrics,
    )


def entry(connection: Connection) -> str:
    tags = (*connection.session, *connection.place, connection.port)
    said = " ".join(f"gpt{index}={number}" for index, number in enumerate(tags))
    return f"0x55: key={connection.source} use=1 exp=35 {said}\n"


def forever(session: Session) -> Session:
    return structs.replace(session, expires_at=1e12)
