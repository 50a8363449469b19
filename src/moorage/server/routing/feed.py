"""The route table of this replica, and the gateways that listen to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

from moorage.contract.gateway import RouteTable, encode
from moorage.server.routing.table import Facts, GrantKey, SessionKey
from moorage.server.routing.zones import Zones

BEHIND = 10_000
"""Changes that may wait for a gateway; one that falls further behind is sent away, and gets the
whole table anew."""


class Listener:
    """The changes that one gateway has still to be told."""

    def __init__(self) -> None:
        self._queue: deque[str] = deque()
        self._some = asyncio.Event()
        self._lost = False

    def offer(self, change: str) -> None:
        """A change, as it is sent."""
        if len(self._queue) >= BEHIND:
            self._lost = True
            self._queue.clear()
        if not self._lost:
            self._queue.append(change)
        self._some.set()

    async def next(self) -> str | None:
        """None: it fell behind, and must connect anew."""
        while not self._queue:
            if self._lost:
                return None
            self._some.clear()
            await self._some.wait()
        return self._queue.popleft()


class RouteFeed:
    """Each zone has revisions of its own, which count within this replica; a gateway that comes
    from another gets a whole table first anyway."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._zones = Zones()
        self._revisions: dict[str, int] = {}
        self._listeners: dict[str, set[Listener]] = {}
        """By zone; those that have one."""
        self._ready = asyncio.Event()

    def learn(self, news: Facts) -> None:
        """Takes news in, and tells the gateways that they concern."""
        difference = self._zones.learn(news)
        for zone in difference:
            self._revisions[zone] = revision = self._revisions.get(zone, 0) + 1
            if listeners := self._listeners.get(zone):
                text = encode(difference[zone].change(revision))
                for listener in listeners:
                    listener.offer(text)

    def begin(self, whole: Facts) -> None:
        """Everything has been read: from now on gateways may listen."""
        self.learn(self._zones.news_of(whole))
        self._ready.set()

    async def ready(self) -> None:
        await self._ready.wait()

    def session_keys(self) -> frozenset[SessionKey]:
        return self._zones.session_keys()

    def session_keys_of(
        self, sessions: AbstractSet[str], users: AbstractSet[int]
    ) -> frozenset[SessionKey]:
        """The keys of these sessions, by their ids, and of all sessions of these users."""
        return self._zones.session_keys_of(sessions, users)

    def grant_keys(self) -> frozenset[GrantKey]:
        return self._zones.grant_keys()

    @contextmanager
    def listen(self, zone: str) -> Iterator[tuple[RouteTable, Listener]]:
        """The table of that zone as it is, and whatever changes of it from then on."""
        listener = Listener()
        listeners = self._listeners.setdefault(zone, set())
        listeners.add(listener)
        try:
            yield self._zones.table(zone, self._revisions.get(zone, 0), self._server_url), listener
        finally:
            listeners.discard(listener)
            if not listeners:
                self._listeners.pop(zone, None)
