"""Notifications between replicas, by PostgreSQL's LISTEN and NOTIFY; and claims, as its advisory
locks.

Both hang on one connection that does nothing else. When it breaks, notifications may have been
missed and the locks are gone: everyone hears `RESYNC`, once there is a new one. A replica that dies
gives its locks back by dying.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import reduce
from operator import or_
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel import log
from moorage.kernel.errors import Unavailable
from moorage.server.storage.changes import RESYNC, Changed, Resync, Subscribers, Subscription
from moorage.server.storage.locks import AGENT_CLAIMS

CHANNEL = "moorage"
ALIVE_SECONDS = 10.0
"""Between two looks at whether the connection is alive; an answer may take as long."""
_PAYLOAD = 7900
"""Bytes of a notification; PostgreSQL takes fewer than 8000."""

_encode = msgspec.json.Encoder().encode
_log = log.get(part="server.changes")


class PostgresChanges:
    """`arguments`: of `asyncpg.connect`, as the database's other connections have them. `kinds`:
    all that may be heard."""

    def __init__(self, arguments: Mapping[str, Any], kinds: Iterable[type[Changed]]) -> None:
        self._decode = decoder(kinds)
        self._arguments = {"timeout": ALIVE_SECONDS, **arguments}
        self._subscribers = Subscribers()
        self._connection: asyncpg.Connection[Any] | None = None
        self._turn = asyncio.Lock()
        self._claimed: dict[int, object] = {}

    def subscribe(self, *kinds: type[Changed]) -> AbstractContextManager[Subscription]:
        return self._subscribers.subscribe(*kinds)

    async def before_commit(self, session: AsyncSession, changes: Sequence[Changed]) -> None:
        for payload in payloads(changes):
            await session.execute(select(func.pg_notify(CHANNEL, payload)))

    async def after_commit(self, changes: Sequence[Changed]) -> None:
        pass

    async def claim(self, agent: int, holder: object) -> bool:
        async with self._turn:
            if agent in self._claimed:
                return self._claimed[agent] is holder
            connection = self._connection
            try:
                granted = await self._fetch(
                    "SELECT pg_try_advisory_lock($1, $2)", AGENT_CLAIMS, agent
                )
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                raise _away() from error
            if granted is None or connection is not self._connection:
                raise _away()  # a lock goes with the connection that it was taken on
            if granted:
                self._claimed[agent] = holder
            return bool(granted)

    async def release(self, agent: int, holder: object) -> None:
        async with self._turn:
            if self._claimed.get(agent) is holder:
                del self._claimed[agent]
                await self._fetch("SELECT pg_advisory_unlock($1, $2)", AGENT_CLAIMS, agent)

    async def run(self) -> None:
        """Raises when the connection breaks; whoever runs this runs it again."""
        connection = await asyncpg.connect(**self._arguments)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._heard)
            self._claimed.clear()
            self._connection = connection
            self._subscribers.deliver([RESYNC])
            while not lost.is_set():
                try:
                    await asyncio.wait_for(lost.wait(), ALIVE_SECONDS)
                except TimeoutError:
                    async with self._turn:
                        await self._fetch("SELECT 1")
            raise ConnectionError("the connection for notifications was lost")
        finally:
            self._connection = None
            connection.terminate()

    async def _fetch(self, query: str, *arguments: Any) -> Any:
        """Whoever calls has the turn. None when there is no connection: nothing is granted then."""
        if self._connection is None or self._connection.is_closed():
            return None
        return await self._connection.fetchval(query, *arguments, timeout=ALIVE_SECONDS)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        try:
            self._subscribers.deliver(self._decode(payload))
        except msgspec.DecodeError:
            # Of a newer version's replica, perhaps, which tells of what this one does not know.
            _log.warning("a notification is not understood", payload=str(payload)[:200])
            self._subscribers.deliver([RESYNC])


def _away() -> Unavailable:
    return Unavailable(
        "The connection for notifications is away.", code="database-unavailable", hint="Try again."
    )


def decoder(kinds: Iterable[type[Changed]]) -> Callable[[str], list[Changed]]:
    """Reads notifications of these kinds. What it returns raises `msgspec.DecodeError`."""
    union = reduce(or_, {Resync, *kinds})
    return msgspec.json.Decoder(list[union]).decode  # type: ignore[valid-type]


def payloads(changes: Sequence[Changed]) -> list[str]:
    """The notifications that carry all changes, each small enough. Pure."""
    found: list[str] = []
    batch: list[Changed] = []
    for change in dict.fromkeys(changes):
        if batch and len(_encode([*batch, change])) > _PAYLOAD:
            found.append(_encode(batch).decode())
            batch = []
        batch.append(change)
    if batch:
        found.append(_encode(batch).decode())
    return found
