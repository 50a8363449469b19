"""Deleted workspaces are forgotten after a month."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.core import Core
from moorage.server.workspaces.models import Workspace

REMEMBER_SECONDS = 30 * 86400.0
"""How long a deleted workspace's row is kept."""


async def delete_expired(core: Core, session: AsyncSession) -> None:
    await session.execute(
        delete(Workspace).where(Workspace.terminated_at < core.clock.now() - REMEMBER_SECONDS)
    )
