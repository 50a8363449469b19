"""Signing in and out: links that work once, sessions, and codes that hand a session over to a gateway."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import gateway as contract
from moorage.kernel.errors import Forbidden, NotFound
from moorage.kernel.ids import fingerprint, new_secret, short_id
from moorage.server.accounts import models, schemas
from moorage.server.accounts.rows import as_actor, as_user, user_named
from moorage.server.authorization import Action, Actor, require
from moorage.server.changes import Changed
from moorage.server.database import announce
from moorage.server.state import ServerState

CALLBACK_PATH = "/auth/callback"
_EXTEND_AFTER = 0.05
"""Part of a session's length that must have passed before its use is written down: not every request writes."""


async def create_sign_in_link(state: ServerState, actor: Actor, name: str) -> schemas.SignInLink:
    """A link that signs `name` in: once, within minutes. Raises `Forbidden` when that user is blocked."""
    secret = new_secret()
    expires_at = state.clock.now() + state.settings.sign_in_link_minutes * 60
    async with state.database.write() as session:
        user = await user_named(session, name)
        require(actor, Action.CREATE_SIGN_IN_LINK, user.id)
        as_actor(user)
        link = models.SignInLink(fingerprint=fingerprint(secret), user_id=user.id, expires_at=expires_at)
        session.add(link)
    return schemas.SignInLink(url=f"{state.settings.origin}/sign-in/link/{secret}", expires_at=expires_at)


async def find_sign_in_link(state: ServerState, token: str) -> schemas.User:
    """Whom the link would sign in. Burns nothing. Raises `NotFound`, as `sign_in_with_link` does."""
    async with state.database.read() as session:
        user = await _user_of_link(state, session, token)
    return as_user(user)


async def sign_in_with_link(state: ServerState, token: str) -> schemas.SignedIn:
    """Uses the link up and begins a session. Raises `NotFound` when it is wrong, used or expired."""
    now = state.clock.now()
    async with state.database.write() as session:
        user = await _user_of_link(state, session, token)
        used = await session.execute(
            update(models.SignInLink)
            .where(models.SignInLink.fingerprint == fingerprint(token), models.SignInLink.used_at.is_(None))
            .values(used_at=now)
        )
        if not _one(used):
            raise _link_error("used")
        secret = new_secret()
        row = models.Session(
            id=short_id(20),
            user_id=user.id,
            fingerprint=fingerprint(secret),
            created_at=now,
            expires_at=now + state.settings.session_hours * 3600,
        )
        session.add(row)
        announce(session, Changed(kind="session", key=row.id))
    return schemas.SignedIn(token=secret, user=as_user(user), expires_at=row.expires_at)


async def actor_of_session(state: ServerState, cookie: str) -> Actor | None:
    """Who the cookie's session belongs to; None when it is unknown or over. Its use keeps it alive.

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
    length = state.settings.session_hours * 3600
    if row.Session.expires_at - now < length * (1 - _EXTEND_AFTER):
        await _extend(state, row.Session.id, now + length)
    return as_actor(row.User, row.Session.id)


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
    state: ServerState, request: contract.ExchangeRequest, callback: str
) -> contract.Session:
    """The session behind a code. `callback`: the only `redirect_uri` of the gateway that asks.

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
        found = await session.get(models.Session, code.session_id) if code else None
        user = await session.get(models.User, found.user_id) if found else None
    if (
        code is None
        or found is None
        or user is None
        or found.expires_at <= now
        or not code.redirect_uri == request.redirect_uri == callback
    ):
        raise Forbidden(
            "The code is wrong, has been used, or has expired.",
            code="code-invalid",
            hint="Open the address again: a new code is made by itself.",
        )
    as_actor(user)
    return contract.Session(id=found.id, user=user.id, user_name=user.name, expires_at=found.expires_at)


async def _extend(state: ServerState, session_id: str, expires_at: float) -> None:
    async with state.database.write() as session:
        await session.execute(
            update(models.Session).where(models.Session.id == session_id).values(expires_at=expires_at)
        )
        announce(session, Changed(kind="session", key=session_id))


async def _user_of_link(state: ServerState, session: AsyncSession, token: str) -> models.User:
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
    return user


def _link_error(why: str) -> NotFound:
    sentence = {
        "wrong": "This sign-in link is not valid.",
        "used": "This sign-in link has been used already.",
        "expired": "This sign-in link has expired.",
    }[why]
    return NotFound(sentence, code=f"sign-in-link-{why}", hint="Ask for a new one: moor sign-in-link")


def _one(result: object) -> bool:
    return isinstance(result, CursorResult) and result.rowcount == 1
