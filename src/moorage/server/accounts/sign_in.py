"""Signing in and out: links that work once, sessions, and codes that hand a session over to a gateway."""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import gateway as contract
from moorage.kernel.errors import Forbidden, LimitReached, NotFound
from moorage.kernel.ids import fingerprint, new_secret, short_id
from moorage.server.accounts import models, schemas
from moorage.server.accounts.lifetimes import extended, latest_end, session_end
from moorage.server.accounts.rows import as_actor, as_user, find_user
from moorage.server.accounts.tokens import authority_of, one_person_at_a_time
from moorage.server.authorization import Action, Actor
from moorage.server.changes import Changed
from moorage.server.database import announce
from moorage.server.state import ServerState

CALLBACK_PATH = "/auth/callback"
LINKS = 20
"""Sign-in links of one person that nobody has used yet, at most."""
SESSIONS = 50
"""Of one person at once, at most; all gateways know them."""
_EXTEND_AFTER = 0.05
"""Part of the time that a session may rest, which must be gained before its use is written down: not every request writes."""


async def create_sign_in_link(state: ServerState, actor: Actor, name: str) -> schemas.SignInLink:
    """A link that signs `name` in: once, within minutes. Raises `Forbidden` when that user is blocked, `LimitReached`."""
    secret, now = new_secret(), state.clock.now()
    async with state.database.write() as session:
        user = await find_user(session, actor, name, Action.CREATE_SIGN_IN_LINK)
        as_actor(user)
        authority = await authority_of(session, actor)
        await _check_links(session, user, now)
        ends_at = latest_end(authority, own=user.id == actor.user_id)
        expires_at = now + state.settings.sign_in_link_minutes * 60
        link = models.SignInLink(
            fingerprint=fingerprint(secret),
            user_id=user.id,
            expires_at=expires_at if ends_at is None else min(expires_at, ends_at),
            token_id=authority.token_id,
            ends_at=ends_at,
        )
        session.add(link)
    return schemas.SignInLink(
        url=f"{state.settings.origin}/sign-in/link/{secret}", expires_at=link.expires_at
    )


async def find_sign_in_link(state: ServerState, token: str) -> schemas.User:
    """Whom the link would sign in. Burns nothing. Raises `NotFound`, as `sign_in_with_link` does."""
    async with state.database.read() as session:
        _, user = await _user_of_link(state, session, token)
    return as_user(user)


async def sign_in_with_link(state: ServerState, token: str) -> schemas.SignedIn:
    """Uses the link up and begins a session. Raises `NotFound` when it is wrong, used or expired."""
    now = state.clock.now()
    async with state.database.write() as session:
        await one_person_at_a_time(session)
        link, user = await _user_of_link(state, session, token)
        used = await session.execute(
            update(models.SignInLink)
            .where(models.SignInLink.fingerprint == fingerprint(token), models.SignInLink.used_at.is_(None))
            .values(used_at=now)
        )
        if not _one(used):
            raise _link_error("used")
        await _make_room(session, user, now)
        secret = new_secret()
        ends_at = session_end(link.ends_at, now=now, longest_days=state.settings.session_longest_days)
        row = models.Session(
            id=short_id(20),
            user_id=user.id,
            fingerprint=fingerprint(secret),
            created_at=now,
            expires_at=min(now + state.settings.session_hours * 3600, ends_at),
            ends_at=ends_at,
            token_id=link.token_id,
        )
        session.add(row)
        announce(session, Changed(kind="session", key=row.id))
    return schemas.SignedIn(token=secret, user=as_user(user), expires_at=row.expires_at)


async def actor_of_session(state: ServerState, cookie: str) -> Actor | None:
    """Who the cookie's session belongs to; None when it is unknown or over. Its use keeps it alive, up to its longest life.

    Raises `Forbidden` when the user is blocked.
    """
    now = state.clock.now()
    query = (
        select(models.Session, models.User)
        .join(models.User, models.User.id == models.Session.user_id)
        .where(models.Session.fingerprint == fingerprint(cookie), models.Session.expires_at > now)
    )
    async with state.database.read() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    actor = as_actor(row.User, row.Session.id)
    later = extended(
        row.Session.expires_at,
        row.Session.ends_at,
        now=now,
        idle_hours=state.settings.session_hours,
        unless_gained=_EXTEND_AFTER,
    )
    if later is not None:
        await _extend(state, row.Session.id, row.Session.expires_at, later)
    return actor


async def ending_of(state: ServerState, cookie: str) -> str:
    """Why the cookie's session is over, in a sentence, for a day after its end; "" when it is not, or nobody knows."""
    now = state.clock.now()
    query = select(models.Session).where(models.Session.fingerprint == fingerprint(cookie))
    async with state.database.read() as session:
        row = await session.scalar(query)
        token = await session.get(models.ApiToken, row.token_id) if row is not None and row.token_id else None
    if row is None or row.expires_at > now:
        return ""
    settings = state.settings
    if row.expires_at < row.ends_at:
        return f"You were signed out: nobody has used your session for {settings.session_hours:g} hours."
    if token is not None and token.expires_at is not None and token.expires_at <= now:
        return "You were signed out: the API token that your sign-in link was made by has expired."
    days = f"{settings.session_longest_days:g} days"
    return f"You were signed out: a session lasts {days} at most, however much it is used."


async def sign_out(state: ServerState, actor: Actor) -> None:
    """Ends the actor's session, here and at every gateway. Does nothing for an API token."""
    if actor.session:
        await end_session(state, actor.session)


async def end_session(state: ServerState, session_id: str) -> None:
    """Here and at every gateway. Does nothing when there is none of that id (any more)."""
    async with state.database.write() as session:
        row = await session.get(models.Session, session_id)
        if row is not None:
            await session.delete(row)
            announce(session, Changed(kind="session", key=row.id))


async def end_exchanged_session(state: ServerState, session_id: str, gateway_id: int) -> bool:
    """As `end_session`, for a gateway that took the session over; False when it did not: then nothing is ended."""
    async with state.database.read() as session:
        exchanged = await session.get(models.Exchange, (session_id, gateway_id))
    if exchanged is None:
        return False
    await end_session(state, session_id)
    return True


async def create_code(state: ServerState, actor: Actor, redirect_uri: str) -> str:
    """A code by which a gateway takes the actor's session over. `redirect_uri` has been checked by the caller."""
    secret = new_secret()
    async with state.database.write() as session:
        session.add(
            models.Code(
                fingerprint=fingerprint(secret),
                session_id=actor.session,
                redirect_uri=redirect_uri,
                expires_at=state.clock.now() + contract.CODE_SECONDS,
            )
        )
    return secret


async def exchange_code(
    state: ServerState, request: contract.ExchangeRequest, callback: str, gateway_id: int
) -> contract.Session:
    """The session behind a code, which is that gateway's to know from now on. `callback`: the gateway's only `redirect_uri`.

    Raises `Forbidden`, code `code-invalid`, when it is wrong, used, expired, or was made for another address; a code
    that was shown once is used up, whatever came of it.
    """
    now = state.clock.now()
    digest = fingerprint(request.code)
    async with state.database.write() as session:
        used = await session.execute(
            update(models.Code)
            .where(
                models.Code.fingerprint == digest, models.Code.used_at.is_(None), models.Code.expires_at > now
            )
            .values(used_at=now)
        )
        code = await session.get(models.Code, digest) if _one(used) else None
        # Locked, so that two codes of one session do not note the same at once.
        found = await session.get(models.Session, code.session_id, with_for_update=True) if code else None
        user = await session.get(models.User, found.user_id) if found else None
        good = (
            code is not None
            and found is not None
            and found.expires_at > now
            and code.redirect_uri == request.redirect_uri == callback
        )
        if good and found is not None and user is not None and not user.blocked:
            await session.merge(models.Exchange(session_id=found.id, gateway_id=gateway_id))
            announce(session, Changed(kind="session", key=found.id))
    if not good or found is None or user is None:
        raise Forbidden(
            "The code is wrong, has been used, or has expired.",
            code="code-invalid",
            hint="Open the address again: a new code is made by itself.",
        )
    as_actor(user)
    return contract.Session(id=found.id, user=user.id, user_name=user.name, expires_at=found.expires_at)


async def _extend(state: ServerState, session_id: str, known: float, expires_at: float) -> None:
    """Once, however many requests find at the same time that it is due."""
    async with state.database.write() as session:
        moved = await session.execute(
            update(models.Session)
            .where(models.Session.id == session_id, models.Session.expires_at == known)
            .values(expires_at=expires_at)
        )
        if _one(moved):
            announce(session, Changed(kind="session", key=session_id))


async def _check_links(session: AsyncSession, user: models.User, now: float) -> None:
    query = select(func.count()).where(
        models.SignInLink.user_id == user.id,
        models.SignInLink.used_at.is_(None),
        models.SignInLink.expires_at > now,
    )
    if (await session.scalar(query) or 0) >= LINKS:
        raise LimitReached(
            f"There are {LINKS} sign-in links for {user.name} already that nobody has used.",
            code="too-many-sign-in-links",
            hint="Use one of them, or wait until they have expired.",
            limit=LINKS,
        )


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
        announce(session, Changed(kind="session", key=old.id))


async def _user_of_link(
    state: ServerState, session: AsyncSession, token: str
) -> tuple[models.SignInLink, models.User]:
    """Raises `NotFound`, and `Forbidden` when the user is blocked."""
    link = await session.get(models.SignInLink, fingerprint(token))
    if link is None:
        raise _link_error("wrong")
    if link.used_at is not None:
        raise _link_error("used")
    if link.expires_at <= state.clock.now():
        raise _link_error("expired")
    user = await session.get_one(models.User, link.user_id)
    as_actor(user)
    return link, user


def _link_error(why: str) -> NotFound:
    sentence = {
        "wrong": "This sign-in link is not valid.",
        "used": "This sign-in link has been used already.",
        "expired": "This sign-in link has expired.",
    }[why]
    return NotFound(sentence, code=f"sign-in-link-{why}", hint="Ask for a new one: moor sign-in-link")


def _one(result: object) -> bool:
    return isinstance(result, CursorResult) and result.rowcount == 1
