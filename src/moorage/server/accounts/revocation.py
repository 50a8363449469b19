"""Tells whether what somebody was let in by is still valid: what is open for long asks again when
that may have changed."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress

from moorage.kernel.errors import MoorageError
from moorage.server.accounts import models
from moorage.server.accounts.changes import SessionChanged, UserChanged
from moorage.server.authorization import Person
from moorage.server.core import Core
from moorage.server.http.events import Reader
from moorage.server.storage.changes import RESYNC, Changed

LOOK_SECONDS = 60.0
"""Between two looks when nothing is heard."""
_ASK_AGAIN = 1.0
"""Seconds, while the database does not answer."""

_Key = tuple[int, str, int]


def has_expired(token: models.ApiToken, now: float) -> bool:
    return token.expires_at is not None and token.expires_at <= now


async def is_valid(core: Core, actor: Person) -> bool:
    """Whether the user is not blocked, and the session or token is still good."""
    return await valid_until(core, actor) > core.clock.now()


async def valid_until(core: Core, actor: Person) -> float:
    """When the actor's session or token ends by itself; 0 when it has ended, or its user is blocked
    or has another role by now."""
    async with core.database.read() as session:
        user = await session.get(models.User, actor.user_id)
        if user is None or user.blocked or user.role != actor.role:
            return 0.0
        if actor.session:
            row = await session.get(models.Session, actor.session)
            return row.expires_at if row is not None else 0.0
        if actor.token:
            token = await session.get(models.ApiToken, actor.token)
            if token is None:
                return 0.0
            return math.inf if token.expires_at is None else token.expires_at
    return math.inf


async def until_revoked(core: Core, actor: Person) -> None:
    """Returns when what the actor was let in by is no longer valid."""
    async with core.part(Validities).hold(core, actor) as validity:
        await validity.over.wait()


class Validity:
    """Whether one session or token is still good: asked anew when something was said of it or of
    its user, when it ends by itself, and now and then. Once, however much is open by it."""

    def __init__(self, core: Core, actor: Person) -> None:
        self._core, self._actor = core, actor
        self._listening = ExitStack()
        self._changes = self._listening.enter_context(
            core.changes.subscribe(SessionChanged, UserChanged)
        )
        self._asking = asyncio.Lock()
        self._look_at = -math.inf
        self.holders = 0
        self.over = asyncio.Event()
        self.wakes: set[asyncio.Event] = set()
        """Set once it is over, for those that wait for other things, too."""
        self._watching = asyncio.create_task(
            self._watch(), name=f"server.accounts.validity.{actor.user_id}"
        )

    async def holds(self) -> bool:
        """Whether it holds, after all that has been said until now. Raises `Unavailable` when
        nobody can say."""
        async with self._asking:
            pending = self._changes.take()
            if self._look_at <= time.monotonic() or any(map(self._concerns, pending)):
                self._look_at = -math.inf
                left = await valid_until(self._core, self._actor) - self._core.clock.now()
                if left <= 0:
                    self.over.set()
                    for wake in self.wakes:
                        wake.set()
                self._look_at = time.monotonic() + min(LOOK_SECONDS, max(left, 0.0))
        return not self.over.is_set()

    async def close(self) -> None:
        self._listening.close()
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        while not self.over.is_set():
            try:
                await self.holds()
            except MoorageError:
                await asyncio.sleep(_ASK_AGAIN)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._look_at - time.monotonic())):
                    await self._changes.some()

    def _concerns(self, change: Changed) -> bool:
        match change:
            case SessionChanged():
                return change.session in ("", self._actor.session)
            case UserChanged():
                return change.user == str(self._actor.user_id)
        return change == RESYNC


class Validities:
    """The validities of all sessions and tokens by which something is open here."""

    def __init__(self) -> None:
        self._held: dict[_Key, Validity] = {}

    @asynccontextmanager
    async def hold(self, core: Core, actor: Person) -> AsyncIterator[Validity]:
        """That of the actor, shared with whatever else is open by the same session or token."""
        key = actor.user_id, actor.session, actor.token
        validity = self._held.get(key)
        if validity is None or validity.over.is_set():
            validity = self._held[key] = Validity(core, actor)
        validity.holders += 1
        try:
            yield validity
        finally:
            validity.holders -= 1
            if not validity.holders:
                if self._held.get(key) is validity:
                    del self._held[key]
                await validity.close()


def reader(core: Core, actor: Person) -> Reader:
    """The actor as somebody who follows a stream of events."""
    return Reader(actor.user_id, core.part(Validities).hold(core, actor))
