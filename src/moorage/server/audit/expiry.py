"""Entries of the audit are deleted after as many days as is set."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.audit.models import AuditEntry
from moorage.server.core import Core

_DAY = 86400.0


async def delete_expired(core: Core, session: AsyncSession) -> None:
    if days := core.settings.audit_days:
        before = core.clock.now() - days * _DAY
        await session.execute(delete(AuditEntry).where(AuditEntry.at < before))
