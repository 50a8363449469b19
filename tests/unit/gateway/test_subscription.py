"""The gateway's subscription to the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from moorage.contract.gateway import RouteTable, Session, ToGateway
from moorage.gateway.metrics import Metrics
from moorage.gateway.reconcile import Reconciler
from moorage.gateway.server_client import ServerClient
from moorage.gateway.subscription import Subscription
from moorage.gateway.table import Table
from moorage.gateway.zone import Zone
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import Forbidden, Unavailable
from unit.gateway.haproxy_in_memory import RuntimeInMemory

ANAS = Session(id="session-ana", user=1, user_name="ana", expires_at=1e12)
TABLE = RouteTable(revision=1, server_url="http://s", sessions=(ANAS,))


class ServerInMemory(ServerClient):
    """Says what it was given, and then breaks off."""

    def __init__(self, *messages: ToGateway) -> None:
        self.messages = messages
        self.there = True
        self.refuses = False
        self.ended: list[str] = []
        self.subscription: Subscription
        self.seen_connected: list[bool] = []

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AsyncIterator[ToGateway]]:
        if not self.there:
            raise Unavailable("The server cannot be reached.")
        yield self._say()

    async def _say(self) -> AsyncIterator[ToGateway]:
        for message in self.messages:
            self.seen_connected.append(self.subscription.connected)
            yield message

    async def end_session(self, session_id: str) -> None:
        if not self.there:
            raise Unavailable("The server cannot be reached.")
        if self.refuses:
            raise Forbidden("Not yours.")
        self.ended.append(session_id)


def subscribed(server: ServerInMemory) -> tuple[Subscription, Reconciler]:
    table, clock = Table(), SystemClock()
    metrics = Metrics(table, clock)
    reconciler = Reconciler(
        table=table,
        runtime=RuntimeInMemory(),
        zone=Zone("z", "http", 80),
        clock=clock,
        metrics=metrics,
    )
    server.subscription = Subscription(server=server, reconciler=reconciler, metrics=metrics)
    return server.subscription, reconciler


async def test_what_the_server_says_is_in_the_table():
    """Over one connection, from its table to its end."""
    server = ServerInMemory(TABLE)
    subscription, reconciler = subscribed(server)
    await subscription.follow()
    assert reconciler.table.message() == TABLE
    assert (server.seen_connected, subscription.connected, subscription.problem) == (
        [True],
        False,
        "",
    )


async def test_why_there_is_no_connection_is_known():
    """In the words of who tried, until there is one again."""
    server = ServerInMemory()
    subscription, _ = subscribed(server)
    server.there = False
    with pytest.raises(Unavailable):
        await subscription.follow()
    assert subscription.problem == "The server cannot be reached."
    server.there = True
    await subscription.follow()
    assert subscription.problem == ""


async def test_the_end_of_a_session_is_told_once():
    """At once, or when the server is back; and once, whatever it answers."""
    server = ServerInMemory(TABLE)
    subscription, reconciler = subscribed(server)
    await subscription.follow()
    await reconciler.end_session(ANAS.id)
    server.there = False
    await subscription.report_ended_sessions()
    assert server.ended == []
    server.there = True
    await subscription.follow()
    await subscription.follow()
    assert server.ended == [ANAS.id]


async def test_an_end_that_the_server_refuses_is_not_told_again():
    """The session is over here all the same."""
    server = ServerInMemory(TABLE)
    subscription, reconciler = subscribed(server)
    await subscription.follow()
    await reconciler.end_session(ANAS.id)
    server.refuses = True
    await subscription.report_ended_sessions()
    server.refuses = False
    await subscription.report_ended_sessions()
    assert server.ended == []
    assert reconciler.table.sessions == {}
