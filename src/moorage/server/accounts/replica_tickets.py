"""A request that one replica passes on to another goes with a ticket, not with the caller's
credentials.

A ticket says who asks. It works once, within seconds, for one path, and only at the replica whose
address it was made for. Whoever has that address by now, as it happens in clusters, can do nothing
with it; and the replica that made it sees in the database whether a replica took it, before it
believes a word or sends one.
"""

from __future__ import annotations

from sqlalchemy import select, update

from moorage.kernel.errors import NotSignedIn
from moorage.kernel.ids import fingerprint, new_secret
from moorage.server.accounts.models import ReplicaTicket, User
from moorage.server.accounts.revocation import is_valid
from moorage.server.accounts.rows import as_actor
from moorage.server.authorization import Person
from moorage.server.core import Core

SECONDS = 30.0
"""For which a ticket works."""


async def create_ticket(core: Core, actor: Person, address: str, path: str) -> str:
    """`address`: of the replica that is to take it, as that one knows it (`Core.address`)."""
    secret = new_secret()
    async with core.database.write() as session:
        session.add(
            ReplicaTicket(
                fingerprint=fingerprint(secret),
                user_id=actor.user_id,
                session_id=actor.session,
                token_id=actor.token,
                target=_target(address, path),
                expires_at=core.clock.now() + SECONDS,
            )
        )
    return secret


async def actor_of_ticket(core: Core, secret: str, path: str) -> Person:
    """Tells who asks, and by what. Uses the ticket up.

    Raises `NotSignedIn` when it is wrong, used, expired or for something else, `Forbidden` when the
    user is blocked.
    """
    now = core.clock.now()
    take = (
        update(ReplicaTicket)
        .where(
            ReplicaTicket.fingerprint == fingerprint(secret),
            ReplicaTicket.target == _target(core.replica.address, path),
            ReplicaTicket.used_at.is_(None),
            ReplicaTicket.expires_at > now,
        )
        .values(used_at=now)
        .returning(ReplicaTicket)
    )
    async with core.database.write() as session:
        taken = await session.scalar(take)
        user = await session.get(User, taken.user_id) if taken is not None else None
    if taken is not None and user is not None:
        actor = as_actor(user, taken.session_id, taken.token_id)
        if await is_valid(core, actor):
            return actor
    raise NotSignedIn("This request was passed on by nobody who may.", code="pass-invalid")


async def was_taken(core: Core, secret: str) -> bool:
    query = select(ReplicaTicket.used_at).where(ReplicaTicket.fingerprint == fingerprint(secret))
    async with core.database.read() as session:
        return await session.scalar(query) is not None


def _target(address: str, path: str) -> str:
    return f"{address} {path}"
