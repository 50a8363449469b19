"""The database: SQLite or PostgreSQL, through SQLAlchemy. `read` and `write` are the only ways
in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, event, func, select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

from moorage.kernel.clock import Clock, SystemClock
from moorage.kernel.errors import Unavailable
from moorage.server.storage.address import DatabaseAddress
from moorage.server.storage.changes import Changed, Changes
from moorage.server.storage.locks import Lock

BUSY_SECONDS = 5
"""How long SQLite waits for another process's transaction."""
_AWAY = ("08", "53", "57P")
"""SQLSTATEs of PostgreSQL that is not there, has no room, or starts or ends (PostgreSQL's manual,
appendix A)."""

_MET = ("40001", "40P01")
"""Of a transaction that PostgreSQL ended since another one wanted the same."""

Step = Callable[[AsyncSession], Awaitable[None]]


class Base(DeclarativeBase):
    """Base of all tables. Times are seconds since the epoch, as everywhere."""


def make_engine(address: DatabaseAddress, *, pool: int = 5) -> AsyncEngine:
    if not address.sqlite:
        return create_async_engine(
            address.url,
            pool_size=pool,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args=address.arguments,
        )
    engine = create_async_engine(
        address.url, pool_size=pool, max_overflow=0, connect_args={"timeout": BUSY_SECONDS}
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


class Database:
    """`write` sends the notifications that were announced in it when, and only when, it commits."""

    def __init__(self, engine: AsyncEngine, changes: Changes, clock: Clock | None = None) -> None:
        """`clock`: None for the system's."""
        self.engine = engine
        self._clock = clock or SystemClock()
        self._changes = changes
        self._session = async_sessionmaker(engine, expire_on_commit=False)
        self._write_engine = engine.execution_options(moorage_write=True)
        sqlite = engine.dialect.name == "sqlite"
        # SQLite has one writer at a time: waiting for it here is fair, and does not poll as SQLite
        # would.
        self._writer: AbstractAsyncContextManager[Any] = asyncio.Lock() if sqlite else nullcontext()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        with _told():
            async with self._session() as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction: commits at the end, or rolls back when the block raises."""
        changes: list[Changed] = []
        made = self._session(
            bind=self._write_engine, info={"changes": changes, "clock": self._clock, "last": []}
        )
        committing = False
        try:
            with _told():
                async with self._writer, made as session, session.begin():
                    yield session
                    await session.flush()
                    for step in session.info["last"]:
                        await step(session)
                    if changes:
                        await self._changes.before_commit(session, changes)
                    committing = True
        finally:
            # Also when it was cancelled meanwhile: it may have been committed, and hearing of
            # nothing harms nobody.
            if committing and changes:
                await self._changes.after_commit(changes)

    async def close(self) -> None:
        await self.engine.dispose()


def announce(session: AsyncSession, change: Changed) -> None:
    """Tells everyone, in every replica, once this transaction has been committed."""
    session.info["changes"].append(change)


def before_commit(session: AsyncSession, step: Step) -> None:
    """Has `step` done at the end of this writing transaction, once, however often it was asked
    for. What it locks is locked last and shortest."""
    if step not in session.info["last"]:
        session.info["last"].append(step)


def time_of(session: AsyncSession) -> float:
    """Now, in seconds since the epoch, by the server's clock. `session`: a writing one."""
    return cast("Clock", session.info["clock"]).now()


async def one_at_a_time(session: AsyncSession, lock: Lock) -> None:
    """Until the end of this writing transaction, no other that asks for the same `lock` goes on, at
    whichever replica."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time
        await session.execute(select(func.pg_advisory_xact_lock(int(lock))))


def changed_one(result: object) -> bool:
    """Tells whether an UPDATE or DELETE met exactly one row."""
    return isinstance(result, CursorResult) and result.rowcount == 1


@contextmanager
def _told() -> Iterator[None]:
    """A database that does not answer, or has no space left, as an error for a person. Raises
    `Unavailable`."""
    try:
        yield
    except (OperationalError, InterfaceError, OSError) as error:
        raise unavailable(str(error.orig if isinstance(error, DBAPIError) else error)) from error
    except DBAPIError as error:
        if str(getattr(error.orig, "sqlstate", "")) in _MET:
            raise Unavailable(
                "Two changes met in the database, and this one gave way.",
                code="database-busy",
                hint="Try again.",
            ) from error
        if error.connection_invalidated or str(getattr(error.orig, "sqlstate", "")).startswith(
            _AWAY
        ):
            raise unavailable(str(error.orig)) from error
        raise


def unavailable(words: str) -> Unavailable:
    """`words`: the driver's own."""
    if "disk is full" in words or "No space left" in words:
        return Unavailable(
            "Moorage cannot store this: there is no space left for its database.",
            code="no-space",
            hint="Make room where the state folder is; nothing that was stored is lost.",
        )
    return Unavailable(
        "The database does not answer.",
        code="database-unavailable",
        hint="Try again in a moment; an administrator finds more in the server's log.",
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # transactions are begun by `_begin_sqlite`, not by the driver's guess
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "cache_size = -2000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later could not wait for another writer: it would
    # fail at once.
    write = connection.get_execution_options().get("moorage_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
