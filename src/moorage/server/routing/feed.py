"""The route table of this replica, and the gateways that listen to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from moorage.contract.gateway import RouteChange, RouteTable
from moorage.server.routing.table import Facts, GrantKey

BEHIND = 10_000
"""Changes that may wait for a gateway; one that falls further behind is sent away, and gets the whole table anew."""


class Listener:
    """What one gateway has still to be told."""

    def __init__(self) -> None:
        self._queue: deque[RouteChange] = deque()
        self._some = asyncio.Event()
        self._lost = False

    def offer(self, change: RouteChange) -> None:
        if len(self._queue) >= BEHIND:
            self._lost = True
            self._queue.clear()
        if not self._lost:
            self._queue.append(change)
        self._some.set()

    async def next(self) -> RouteChange | None:
        """None: it fell behind, and must connect anew."""
        while not self._queue:
            if self._lost:
                return None
            self._some.clear()
            await self._some.wait()
        return self._queue.popleft()


class RouteFeed:
    """`revision` counts within this replica; a gateway that comes from another gets a whole table first anyway."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._facts = Facts()
        self._revision = 0
        self._listeners: set[Listener] = set()
        self._ready = asyncio.Event()

    def learn(self, news: Facts) -> None:
        """Takes news in and tells every gateway, if it is news."""
        change = self._facts.learn(news, self._revision + 1)
        if change is not None:
            self._revision = change.revision
            for listener in self._listeners:
                listener.offer(change)

    def begin(self, whole: Facts) -> None:
        """Everything has been read: from now on gateways may listen."""
        self.learn(self._facts.replaced_by(whole))
        self._ready.set()

    async def ready(self) -> None:
        await self._ready.wait()

    def session_ids(self) -> frozenset[str]:
        return frozenset(self._facts.sessions)

    def grant_keys(self) -> frozenset[GrantKey]:
        return frozenset(self._facts.grants)

    @contextmanager
    def listen(self) -> Iterator[tuple[RouteTable, Listener]]:
        """The table as it is, and whatever changes from then on."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield self._facts.table(self._revision, self._server_url), listener
        finally:
            self._listeners.discard(listener)
