"""Deletes what has expired: a day late, and an API token's row a month, so that it can still be
told what it was."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.accounts.lifetimes import DAY
from moorage.server.accounts.models import ApiToken, Code, ReplicaTicket, Session, SignInLink
from moorage.server.core import Core

REMEMBER_TOKENS = 30 * DAY
"""Seconds for which an expired API token's row is kept."""


async def delete_expired(core: Core, session: AsyncSession) -> None:
    now = core.clock.now()
    for kind in (Code, ReplicaTicket, SignInLink, Session):
        await session.execute(delete(kind).where(kind.expires_at < now - DAY))
    await session.execute(delete(ApiToken).where(ApiToken.expires_at < now - REMEMBER_TOKENS))
