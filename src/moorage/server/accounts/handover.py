"""Codes hand a session over to a gateway, which may end it from then on."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select, update

from moorage.contract import gateway as contract
from moorage.kernel.errors import Forbidden
from moorage.kernel.ids import fingerprint, new_secret
from moorage.server.accounts import models
from moorage.server.accounts.changes import SessionChanged
from moorage.server.accounts.rows import as_actor
from moorage.server.accounts.sessions import end_session, extend_sessions
from moorage.server.authorization import Action, Kind, Person, Resource, require
from moorage.server.core import Core
from moorage.server.storage.database import announce, changed_one

CALLBACK_PATH = "/auth/callback"


async def create_code(core: Core, actor: Person, redirect_uri: str) -> str:
    """A code by which a gateway takes the actor's session over. `redirect_uri` has been checked by
    the caller. Raises `Forbidden` for a person to whom nothing there would be open."""
    require(actor, Action.OPEN_WORKSPACE, Resource(Kind.WORKSPACE, actor.user_id))
    secret = new_secret()
    async with core.database.write() as session:
        session.add(
            models.Code(
                fingerprint=fingerprint(secret),
                session_id=actor.session,
                redirect_uri=redirect_uri,
                expires_at=core.clock.now() + contract.CODE_SECONDS,
            )
        )
    return secret


async def exchange_code(
    core: Core, request: contract.ExchangeRequest, callback: str, gateway_id: int
) -> contract.Session:
    """The session behind a code, which is that gateway's to know from now on. `callback`: the
    gateway's only `redirect_uri`.

    Raises `Forbidden`, code `code-invalid`, when it is wrong, used, expired, or was made for
    another address; a code that was shown once is used up, whatever came of it.
    """
    now = core.clock.now()
    digest = fingerprint(request.code)
    async with core.database.write() as session:
        used = await session.execute(
            update(models.Code)
            .where(
                models.Code.fingerprint == digest,
                models.Code.used_at.is_(None),
                models.Code.expires_at > now,
            )
            .values(used_at=now)
        )
        code = await session.get(models.Code, digest) if changed_one(used) else None
        # Locked, so that two codes of one session do not note the same at once.
        found = (
            await session.get(models.Session, code.session_id, with_for_update=True)
            if code
            else None
        )
        user = await session.get(models.User, found.user_id) if found else None
        good = (
            code is not None
            and found is not None
            and found.expires_at > now
            and code.redirect_uri == request.redirect_uri == callback
        )
        if good and found is not None and user is not None and not user.blocked:
            await session.merge(models.Exchange(session_id=found.id, gateway_id=gateway_id))
            announce(session, SessionChanged(session=found.id))
    if not good or found is None or user is None:
        raise Forbidden(
            "The code is wrong, has been used, or has expired.",
            code="code-invalid",
            hint="Open the address again: a new code is made by itself.",
        )
    as_actor(user)
    return contract.Session(
        id=found.id, user=user.id, user_name=user.name, expires_at=found.expires_at
    )


async def end_exchanged_session(core: Core, session_id: str, gateway_id: int) -> bool:
    """As `end_session`, for a gateway that took the session over; False when it did not: then
    nothing is ended."""
    async with core.database.read() as session:
        exchanged = await session.get(models.Exchange, (session_id, gateway_id))
    if exchanged is None:
        return False
    await end_session(core, session_id)
    return True


async def use_exchanged_sessions(core: Core, used: Mapping[str, float], gateway_id: int) -> None:
    """Keeps sessions alive that people used by a gateway, so many seconds ago, up to their longest
    life. What the gateway did not take over, what is over, and sessions of blocked people stay as
    they are."""
    now = core.clock.now()
    query = (
        select(models.Session)
        .join(models.Exchange, models.Exchange.session_id == models.Session.id)
        .join(models.User, models.User.id == models.Session.user_id)
        .where(
            models.Exchange.gateway_id == gateway_id,
            models.Session.id.in_(used),
            models.Session.expires_at > now,
            models.User.blocked.is_(False),
        )
    )
    async with core.database.read() as session:
        rows = (await session.scalars(query)).all()
    await extend_sessions(core, {row: now - max(0.0, used[row.id]) for row in rows})
