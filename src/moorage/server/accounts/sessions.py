"""Sessions of browsers: they begin, are used, and end, here and at every gateway."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.ids import fingerprint, new_secret, short_id
from moorage.server import audit
from moorage.server.accounts import models
from moorage.server.accounts.changes import SessionChanged
from moorage.server.accounts.lifetimes import extended, session_end
from moorage.server.accounts.rows import as_actor
from moorage.server.audit import Occurrence, Target
from moorage.server.authorization import Kind, Person, Role
from moorage.server.core import Core
from moorage.server.storage.database import announce, changed_one

SESSIONS = 50
"""Of one person at once, at most; all gateways know them."""
_EXTEND_AFTER = 0.05
"""Part of the time that a session may rest, which must be gained before its use is written down:
not every request writes."""


async def begin(
    core: Core, session: AsyncSession, user: models.User, link: models.SignInLink
) -> tuple[str, models.Session]:
    """A new session of the user whom the link signs in, and the value of its cookie, which is
    stored nowhere."""
    secret, now = new_secret(), core.clock.now()
    await _make_room(session, user, now)
    ends_at = session_end(link.ends_at, now=now, longest_days=core.settings.session_longest_days)
    row = models.Session(
        id=short_id(20),
        user_id=user.id,
        fingerprint=fingerprint(secret),
        created_at=now,
        expires_at=min(now + core.settings.session_hours * 3600, ends_at),
        ends_at=ends_at,
        token_id=link.token_id,
    )
    session.add(row)
    announce(session, SessionChanged(session=row.id))
    return secret, row


async def actor_of_session(core: Core, cookie: str, *, used: bool = True) -> Person | None:
    """Tells who the cookie's session belongs to; None when it is unknown or over. Its use keeps it
    alive, up to its longest life; `used` False: a page asks by itself, which is no use.

    Raises `Forbidden` when the user is blocked.
    """
    now = core.clock.now()
    query = (
        select(models.Session, models.User)
        .join(models.User, models.User.id == models.Session.user_id)
        .where(models.Session.fingerprint == fingerprint(cookie), models.Session.expires_at > now)
    )
    async with core.database.read() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    actor = as_actor(row.User, row.Session.id)
    if used:
        await extend_sessions(core, {row.Session: now})
    return actor


async def extend_sessions(core: Core, used: Mapping[models.Session, float]) -> None:
    """Keeps these alive for as long as their last use, at that time, says; never longer than their
    longest life. What was ended, or moved, since they were read stays as it is: they are extended
    once, however many find at the same time that it is due."""
    later = {
        row.id: (row.expires_at, moved)
        for row, used_at in used.items()
        if (
            moved := extended(
                row.expires_at,
                row.ends_at,
                now=used_at,
                idle_hours=core.settings.session_hours,
                unless_gained=_EXTEND_AFTER,
            )
        )
    }
    if not later:
        return
    async with core.database.write() as session:
        # In one order, so that two replicas do not wait for each other.
        for session_id, (known, expires_at) in sorted(later.items()):
            done = await session.execute(
                update(models.Session)
                .where(models.Session.id == session_id, models.Session.expires_at == known)
                .values(expires_at=expires_at)
            )
            if changed_one(done):
                announce(session, SessionChanged(session=session_id))


async def ending_of(core: Core, cookie: str) -> str:
    """Tells why the cookie's session is over, in a sentence, for a day after its end; "" when it is
    not, or nobody knows."""
    now = core.clock.now()
    query = select(models.Session).where(models.Session.fingerprint == fingerprint(cookie))
    async with core.database.read() as session:
        row = await session.scalar(query)
        token = (
            await session.get(models.ApiToken, row.token_id)
            if row is not None and row.token_id
            else None
        )
    if row is None or row.expires_at > now:
        return ""
    settings = core.settings
    if row.expires_at < row.ends_at:
        return f"You were signed out: nobody has used your session for {settings.session_hours:g} hours."
    if token is not None and token.expires_at is not None and token.expires_at <= now:
        return "You were signed out: the API token that your sign-in link was made by has expired."
    days = f"{settings.session_longest_days:g} days"
    return f"You were signed out: a session lasts {days} at most, however much it is used."


async def sign_out(core: Core, actor: Person) -> None:
    """Ends the actor's session, here and at every gateway. Does nothing for an API token."""
    if actor.session:
        await end_session(core, actor.session, actor)


async def end_session(core: Core, session_id: str, actor: Person | None = None) -> None:
    """Here and at every gateway. Does nothing when there is none of that id (any more). `actor`:
    who signs out, where that is known."""
    async with core.database.write() as session:
        row = await session.get(models.Session, session_id)
        if row is None:
            return
        user = await session.get_one(models.User, row.user_id)
        await session.delete(row)
        announce(session, SessionChanged(session=row.id))
        who = actor or Person(user.id, user.name, Role(user.role), row.id)
        audit.record(session, who, Occurrence.SIGN_OUT, Target(Kind.USER, user.name))


async def _make_room(session: AsyncSession, user: models.User, now: float) -> None:
    """Ends those of the user's sessions that would end first anyway, when there are too many."""
    query = (
        select(models.Session)
        .where(models.Session.user_id == user.id, models.Session.expires_at > now)
        .order_by(models.Session.expires_at.desc())
        .offset(SESSIONS - 1)
    )
    for old in (await session.scalars(query)).all():
        await session.delete(old)
        announce(session, SessionChanged(session=old.id))
