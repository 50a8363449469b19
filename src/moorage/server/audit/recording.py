"""Writes entries of the audit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.audit import chain
from moorage.server.audit.models import AuditChain, AuditEntry
from moorage.server.authorization import Action, Actor, Kind, Person
from moorage.server.storage.database import before_commit, time_of

LONGEST_NAME = 200
"""Characters of a name or id."""
LONGEST_DETAIL = 500
_PENDING = "audit"


class Occurrence(StrEnum):
    """What is recorded although nobody needs to be allowed it."""

    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"


class Outcome(StrEnum):
    DONE = "done"
    DENIED = "denied"


@dataclass(frozen=True)
class Target:
    """The thing that is changed."""

    kind: Kind
    id: str
    """What the API calls it by: a name, or a token's number."""


@dataclass(frozen=True)
class Nobody:
    """Somebody who was not let in."""

    address: str
    """Where from, as `Person.address`."""


def record(
    session: AsyncSession,
    actor: Actor | Nobody,
    action: Action | Occurrence,
    target: Target,
    *,
    detail: str = "",
    outcome: Outcome = Outcome.DONE,
) -> None:
    """Adds an entry to this writing transaction: it is there exactly when the change is.

    `detail`: what else one should know, in a few words. Never a secret, and nothing that came out
    of a workspace.
    """
    kind, number, name, by, address = _said_of(actor)
    entry = AuditEntry(
        at=time_of(session),
        actor_kind=kind,
        actor_id=number,
        actor_name=name[:LONGEST_NAME],
        by=by,
        address=address[:LONGEST_NAME],
        action=action.value,
        target_kind=target.kind.value,
        target_id=target.id[:LONGEST_NAME],
        outcome=outcome.value,
        detail=detail[:LONGEST_DETAIL],
    )
    session.info.setdefault(_PENDING, []).append(entry)
    before_commit(session, _write)


async def _write(session: AsyncSession) -> None:
    """Last of all in the transaction, for nobody else writes an entry between this and its end."""
    entries: list[AuditEntry] = session.info.pop(_PENDING)
    ends = (await session.scalars(select(AuditChain).with_for_update())).one()
    for entry in entries:
        entry.number = ends.last_number + 1
        entry.hash = chain.hash_of(entry, ends.last_hash)
        ends.last_number, ends.last_hash = entry.number, entry.hash
        session.add(entry)
    await session.flush()


def _said_of(actor: Actor | Nobody) -> tuple[str, int, str, str, str]:
    """Kind, id, name, by what, and where from."""
    if isinstance(actor, Nobody):
        return "nobody", 0, "", "", actor.address
    if not isinstance(actor, Person):
        return actor.part.value, actor.id, actor.name, "", ""
    by = f"session {actor.session}" if actor.session else ""
    by = f"token {actor.token}" if actor.token else by
    return "person", actor.user_id, actor.name, by, actor.address
