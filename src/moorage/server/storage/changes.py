"""Notifications that something has changed: which thing, never what. Whoever hears of one reads the
database.

`LocalChanges` carries them inside one process (SQLite); `PostgresChanges`, in `changes_postgres`,
between replicas, by LISTEN and NOTIFY inside the transaction that made the change. Either may lose
one when a connection breaks; `RESYNC` then says: read everything anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession


class Changed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """Base of all notifications. Each domain has its own, in its `changes`, with a tag of its own.

    What is sent keeps its form (`kind`, `key`, `agent`): replicas of two versions hear each other
    during an upgrade.
    """


class Resync(Changed, frozen=True, tag="resync"):
    """Notifications may have been lost: everything is to be read anew."""


RESYNC = Resync()


class Subscription:
    """Changes since the last look; each thing once, however often it changed."""

    def __init__(self, kinds: tuple[type[Changed], ...]) -> None:
        self._kinds: tuple[type[Changed], ...] = (*kinds, Resync)
        self._pending: dict[Changed, None] = {}
        self._some = asyncio.Event()

    def offer(self, change: Changed) -> None:
        if isinstance(change, self._kinds):
            self._pending[change] = None
            self._some.set()

    async def next(self) -> list[Changed]:
        """Waits until something has changed, and returns all that has."""
        await self.some()
        return self.take()

    async def some(self) -> None:
        """Waits until something has changed."""
        await self._some.wait()

    def take(self) -> list[Changed]:
        """As `next`, without waiting: nothing when nothing has changed."""
        self._some.clear()
        pending, self._pending = list(self._pending), {}
        return pending


class Subscribers:
    """The subscriptions of this process."""

    def __init__(self) -> None:
        self._all: set[Subscription] = set()

    def deliver(self, changes: Sequence[Changed]) -> None:
        for subscription in self._all:
            for change in changes:
                subscription.offer(change)

    def subscribe(self, *kinds: type[Changed]) -> AbstractContextManager[Subscription]:
        return _Registration(self._all, Subscription(kinds))


class _Registration(AbstractContextManager[Subscription]):
    def __init__(self, everyone: set[Subscription], subscription: Subscription) -> None:
        self._everyone = everyone
        self._subscription = subscription

    def __enter__(self) -> Subscription:
        self._everyone.add(self._subscription)
        return self._subscription

    def __exit__(self, *_: object) -> None:
        self._everyone.discard(self._subscription)


class Changes(Protocol):
    def subscribe(self, *kinds: type[Changed]) -> AbstractContextManager[Subscription]:
        """Hears what happens while the context is open; `RESYNC` always."""

    async def before_commit(self, session: AsyncSession, changes: Sequence[Changed]) -> None: ...

    async def after_commit(self, changes: Sequence[Changed]) -> None: ...

    async def claim(self, agent: int, holder: object) -> bool:
        """Whether `holder` (a connection) may serve this agent; True until `release`, or until a
        `RESYNC`, after which it must be claimed anew. At most one holder at one replica has it.
        Raises `Unavailable` when nobody can say."""

    async def release(self, agent: int, holder: object) -> None:
        """Does nothing when another holder has it by now."""

    async def run(self) -> None:
        """Listens; ends only by cancellation or failure."""


class LocalChanges:
    """Inside one process. There is one server on a SQLite database, so that every claim is
    granted."""

    def __init__(self) -> None:
        self._subscribers = Subscribers()
        self._claimed: dict[int, object] = {}

    def subscribe(self, *kinds: type[Changed]) -> AbstractContextManager[Subscription]:
        return self._subscribers.subscribe(*kinds)

    async def before_commit(self, session: AsyncSession, changes: Sequence[Changed]) -> None:
        pass

    async def after_commit(self, changes: Sequence[Changed]) -> None:
        self._subscribers.deliver(changes)

    async def claim(self, agent: int, holder: object) -> bool:
        return self._claimed.setdefault(agent, holder) is holder

    async def release(self, agent: int, holder: object) -> None:
        if self._claimed.get(agent) is holder:
            del self._claimed[agent]

    async def run(self) -> None:
        await asyncio.Event().wait()
