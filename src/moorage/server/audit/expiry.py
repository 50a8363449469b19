"""Entries of the audit are deleted after as many days as is set: the oldest ones, so that what is
left is a chain."""

from __future__ import annotations

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.audit.models import AuditChain, AuditEntry
from moorage.server.core import Core

_DAY = 86400.0


async def delete_expired(core: Core, session: AsyncSession) -> None:
    days = core.settings.audit_days
    if not days:
        return
    before = core.clock.now() - days * _DAY
    ends = (await session.scalars(select(AuditChain).with_for_update())).one()
    young = await session.scalar(select(func.min(AuditEntry.number)).where(AuditEntry.at >= before))
    last = ends.last_number if young is None else young - 1
    if last > ends.first_number:
        kept = select(AuditEntry.hash).where(AuditEntry.number == last)
        ends.first_hash = await session.scalar(kept) or ends.last_hash
        ends.first_number = last
    old = or_(AuditEntry.number <= last, and_(AuditEntry.number.is_(None), AuditEntry.at < before))
    await session.execute(delete(AuditEntry).where(old))
