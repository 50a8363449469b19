"""Writes entries of the audit."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.audit.models import AuditEntry
from moorage.server.authorization import Action, Actor, Kind, Person
from moorage.server.storage.database import time_of

LONGEST_NAME = 200
"""Characters of a name or id."""
LONGEST_DETAIL = 500


@dataclass(frozen=True)
class Target:
    """The thing that is changed."""

    kind: Kind
    id: str
    """What the API calls it by: a name, or a token's number."""


def record(
    session: AsyncSession, actor: Actor, action: Action, target: Target, *, detail: str = ""
) -> None:
    """Adds an entry to this writing transaction: it is there exactly when the change is.

    `detail`: what else one should know, in a few words. Never a secret, and nothing that came out
    of a workspace.
    """
    session.add(
        AuditEntry(
            at=time_of(session),
            actor_kind="person" if isinstance(actor, Person) else actor.part.value,
            actor_id=actor.user_id if isinstance(actor, Person) else actor.id,
            actor_name=actor.name[:LONGEST_NAME],
            action=action.value,
            target_kind=target.kind.value,
            target_id=target.id[:LONGEST_NAME],
            detail=detail[:LONGEST_DETAIL],
        )
    )
