"""Reads the audit for whoever may see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import InvalidInput
from moorage.server.audit import Outcome, chain
from moorage.server.audit.models import AuditChain, AuditEntry
from moorage.server.audit_log import schemas
from moorage.server.authorization import INSTALLATION, Action, Person, require
from moorage.server.core import Core

_AT_ONCE = 1000
"""Entries that are read in one go, where all are."""
_BREAKS = 100


async def list_entries(core: Core, actor: Person, asked: schemas.Asked) -> schemas.LogPage:
    """One page, the newest first. Raises `Forbidden`."""
    require(actor, Action.SEE_AUDIT, INSTALLATION)
    async with core.database.read() as session:
        rows = await _read(session, _conditions(asked), asked.before, asked.limit + 1)
    items = [as_entry(row) for row in rows[: asked.limit]]
    return schemas.LogPage(items=items, next=items[-1].id if len(rows) > asked.limit else None)


async def export(core: Core, actor: Person, wanted: schemas.Wanted) -> AsyncIterator[bytes]:
    """All of them, the newest first, as JSON lines. Raises `Forbidden` before the first."""
    require(actor, Action.SEE_AUDIT, INSTALLATION)
    return _lines(core, _conditions(wanted))


async def check(
    core: Core, actor: Person, number: int | None = None, hash_: str = ""
) -> schemas.LogCheck:
    """Follows the chain through all entries that are kept. `number`, `hash_`: of an entry, as they
    were noted before; that it is still so is looked at as well.

    Raises `Forbidden`, `InvalidInput` for half of what was noted.
    """
    require(actor, Action.SEE_AUDIT, INSTALLATION)
    if (number is None) != (not hash_):
        raise InvalidInput("A noted entry is a number and a hash.", field="hash")
    async with core.database.read() as session:
        ends = (await session.scalars(select(AuditChain))).one()
        first = chain.Link(ends.first_number, ends.first_hash)
        last = chain.Link(ends.last_number, ends.last_hash)
        unchained = await session.scalar(select(func.count()).where(AuditEntry.number.is_(None)))
    at, count = first, 0
    breaks: list[chain.Break] = []
    while at.number < last.number:
        async with core.database.read() as session:
            rows = await _chained(session, at.number, last.number)
        if not rows:
            break
        at, found = chain.check(rows, at)
        count, breaks = count + len(rows), breaks + found
        breaks += _noted(rows, number, hash_)
    breaks += chain.check_end(at, last)
    return schemas.LogCheck(
        entries=count,
        unchained=unchained or 0,
        first=first.number + 1,
        last=last.number,
        hash=last.hash,
        breaks=[schemas.Break(number=each.number, what=each.what) for each in breaks[:_BREAKS]],
    )


def as_entry(row: AuditEntry) -> schemas.LoggedEntry:
    return schemas.LoggedEntry(
        id=row.id,
        at=row.at,
        actor_kind=row.actor_kind,
        actor=row.actor_name,
        by=row.by,
        address=row.address,
        action=row.action,
        target_kind=row.target_kind,
        target=row.target_id,
        outcome=Outcome(row.outcome),
        detail=row.detail,
        number=row.number,
        hash=row.hash,
    )


async def _lines(core: Core, conditions: list[ColumnElement[bool]]) -> AsyncIterator[bytes]:
    before = None
    while True:
        async with core.database.read() as session:
            rows = await _read(session, conditions, before, _AT_ONCE)
        if not rows:
            return
        yield b"".join(as_entry(row).model_dump_json().encode() + b"\n" for row in rows)
        before = rows[-1].id


async def _read(
    session: AsyncSession, conditions: list[ColumnElement[bool]], before: int | None, limit: int
) -> Sequence[AuditEntry]:
    query = select(AuditEntry).where(*conditions).order_by(AuditEntry.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return (await session.scalars(query)).all()


async def _chained(session: AsyncSession, after: int, until: int) -> Sequence[AuditEntry]:
    query = (
        select(AuditEntry)
        .where(AuditEntry.number > after, AuditEntry.number <= until)
        .order_by(AuditEntry.number)
        .limit(_AT_ONCE)
    )
    return (await session.scalars(query)).all()


def _conditions(wanted: schemas.Wanted) -> list[ColumnElement[bool]]:
    equal = {
        AuditEntry.actor_name: wanted.actor,
        AuditEntry.action: wanted.action,
        AuditEntry.target_id: wanted.target,
        AuditEntry.outcome: wanted.outcome.value if wanted.outcome else "",
    }
    found: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value]
    if wanted.since is not None:
        found.append(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        found.append(AuditEntry.at < wanted.until)
    return found


def _noted(rows: Sequence[AuditEntry], number: int | None, hash_: str) -> list[chain.Break]:
    return [
        chain.Break(row.number, f"Entry {row.number} has another hash than the one noted.")
        for row in rows
        if number is not None and row.number == number and row.hash != hash_
    ]
