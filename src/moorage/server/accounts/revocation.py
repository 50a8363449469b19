"""Whether somebody who was let in is still welcome: what is open for long asks again when that may have changed."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from moorage.server.accounts import models
from moorage.server.authorization import Actor
from moorage.server.changes import Changed, Kind, Subscription
from moorage.server.state import ServerState

LOOK_SECONDS = 60.0
"""Between two looks when nothing is heard, as a session that just expires makes no noise."""


def has_expired(token: models.ApiToken, now: float) -> bool:
    return token.expires_at is not None and token.expires_at <= now


async def is_welcome(state: ServerState, actor: Actor) -> bool:
    """Whether the user is not blocked, and the session or token is still good."""
    now = state.clock.now()
    async with state.database.read() as session:
        user = await session.get(models.User, actor.user_id)
        if user is None or user.blocked:
            return False
        if actor.session:
            row = await session.get(models.Session, actor.session)
            return row is not None and row.expires_at > now
        if actor.token:
            token = await session.get(models.ApiToken, actor.token)
            return token is not None and not has_expired(token, now)
    return True


async def until_revoked(state: ServerState, actor: Actor) -> None:
    """Returns when the actor is no longer welcome."""
    with state.changes.subscribe("session", "user") as changes:
        while await is_welcome(state, actor):
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await changes.next()
            except TimeoutError:
                continue


class Welcome:
    """For streams of changes, which anybody's sessions and accounts are among: asks again when something was said of this
    person, and now and then."""

    def __init__(self, state: ServerState, actor: Actor) -> None:
        self._state, self._actor = state, actor
        self._asked = time.monotonic()
        self._own: dict[Kind, tuple[str, ...]] = {
            "session": ("", actor.session),
            "user": (str(actor.user_id),),
        }

    async def next(self, changes: Subscription) -> list[Changed] | None:
        """What has changed; None once the actor is no longer welcome."""
        while True:
            pending: list[Changed] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._asked + LOOK_SECONDS - time.monotonic())):
                    pending = await changes.next()
            due = time.monotonic() - self._asked >= LOOK_SECONDS
            if due or any(map(self._concerns, pending)):
                self._asked = time.monotonic()
                if not await is_welcome(self._state, self._actor):
                    return None
            if pending:
                return pending

    def _concerns(self, change: Changed) -> bool:
        return change.kind == "resync" or change.key in self._own.get(change.kind, ())
