"""Whether somebody who was let in is still welcome: what is open for long asks again when that may have changed."""

from __future__ import annotations

import asyncio

from moorage.server.accounts import models
from moorage.server.authorization import Actor
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
