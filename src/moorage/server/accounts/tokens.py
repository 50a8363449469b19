"""API tokens: made, listed and removed; and all that was made by one, which ends with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import Conflict, LimitReached, NotFound, NotSignedIn
from moorage.kernel.ids import fingerprint, new_secret
from moorage.server import audit
from moorage.server.accounts import lifetimes, models, schemas
from moorage.server.accounts.changes import SessionChanged, UserChanged
from moorage.server.accounts.lifetimes import Authority
from moorage.server.accounts.revocation import has_expired
from moorage.server.accounts.rows import as_actor, find_user
from moorage.server.audit import Target
from moorage.server.authorization import Action, Kind, Person, visible
from moorage.server.core import Core
from moorage.server.storage.database import announce, one_at_a_time
from moorage.server.storage.locks import Lock

TOKEN_PREFIX = "moor_"  # noqa: S105 - a prefix, no secret


async def create_token(
    core: Core, actor: Person, name: str, label: str = "", days: float | None = None
) -> schemas.NewToken:
    """An API token of the user `name`. Its value is in the answer and nowhere else.

    Raises `InvalidInput` when it would live for too long, `LimitReached` when the user has too
    many.
    """
    now, settings = core.clock.now(), core.settings
    secret = new_secret(TOKEN_PREFIX)
    async with core.database.write() as session:
        user = await find_user(session, actor, name, Action.MANAGE_TOKENS)
        authority = await authority_of(session, actor)
        await _check_count(session, user.id, now, settings.tokens_per_person)
        token = models.ApiToken(
            user_id=user.id,
            fingerprint=fingerprint(secret),
            label=label,
            created_at=now,
            expires_at=lifetimes.token_end(
                days,
                authority,
                now=now,
                usual_days=settings.token_days,
                longest_days=settings.token_longest_days,
            ),
            parent_id=authority.token_id,
        )
        session.add(token)
        await session.flush()
        _record(session, actor, token, f"made for {user.name}")
    return schemas.NewToken(token=secret, **_as_token(token).model_dump())


async def actor_of_token(core: Core, token: str) -> Person:
    """Raises `NotSignedIn` for a token that is unknown or expired, `Forbidden` when its user is
    blocked."""
    query = (
        select(models.User, models.ApiToken)
        .join(models.ApiToken, models.ApiToken.user_id == models.User.id)
        .where(models.ApiToken.fingerprint == fingerprint(token))
    )
    async with core.database.read() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None or has_expired(row.ApiToken, core.clock.now()):
        raise NotSignedIn(
            "The API token is unknown or has expired.",
            code="token-invalid",
            hint="Sign in with a token that is valid.",
        )
    return as_actor(row.User, token_id=row.ApiToken.id)


async def list_tokens(core: Core, actor: Person, name: str) -> list[schemas.Token]:
    async with core.database.read() as session:
        user = await find_user(session, actor, name, Action.MANAGE_TOKENS)
        query = select(models.ApiToken).where(
            models.ApiToken.user_id == user.id, visible(actor, models.ApiToken)
        )
        rows = await session.scalars(query.order_by(models.ApiToken.id))
        return [_as_token(token) for token in rows]


async def delete_token(core: Core, actor: Person, name: str, token_id: int) -> None:
    """With all that was made by it. Raises `NotFound` when the user has no such token."""
    async with core.database.write() as session:
        user = await find_user(session, actor, name, Action.MANAGE_TOKENS)
        query = select(models.ApiToken).where(
            models.ApiToken.id == token_id,
            models.ApiToken.user_id == user.id,
            visible(actor, models.ApiToken),
        )
        token = await session.scalar(query)
        if token is None:
            raise NotFound(f"{name} has no API token {token_id}.", code="token-not-found")
        if token.bootstrap:
            raise Conflict(
                "This token is the one in the state folder of the server, which would come back with it.",
                code="token-of-state-folder",
                hint="Write another one into the file secrets/admin-token, and start the server again: what came from this one ends then.",
            )
        _record(session, actor, token, f"of {name} is removed")
        await end_tokens(session, [token.id])


async def one_person_at_a_time(session: AsyncSession) -> None:
    """Until the end of this writing transaction, nobody else makes or ends what people come in
    by."""
    await one_at_a_time(session, Lock.CREDENTIALS)


async def authority_of(session: AsyncSession, actor: Person) -> Authority:
    """By what the actor acts. Until the end of this writing transaction, no token ends of which
    something is made.

    Raises `NotSignedIn` when the actor's token or session has ended meanwhile.
    """
    await one_person_at_a_time(session)
    token_id, session_ends = actor.token or None, math.inf
    if actor.session:
        found = await session.get(models.Session, actor.session, populate_existing=True)
        if found is None:
            raise _ended()
        token_id, session_ends = found.token_id, found.ends_at
    if token_id is None:
        return Authority(session_ends=session_ends)
    token = await session.get(models.ApiToken, token_id, populate_existing=True)
    if token is None:
        raise _ended()
    return Authority(
        token.id, math.inf if token.expires_at is None else token.expires_at, session_ends
    )


async def end_tokens(session: AsyncSession, tokens: Sequence[int]) -> None:
    """Removes them, and the tokens, links and sessions that were made by them, by way of whatever
    others; what is open by any of these is told."""
    await one_person_at_a_time(session)
    family = (
        select(models.ApiToken.id)
        .where(models.ApiToken.id.in_(tokens))
        .cte("family", recursive=True)
    )
    family = family.union(
        select(models.ApiToken.id).where(models.ApiToken.parent_id == family.c.id)
    )
    within = select(family.c.id)
    people = select(models.ApiToken.user_id).where(models.ApiToken.id.in_(within))
    touched = set(await session.scalars(people))
    sessions = select(models.Session.id).where(models.Session.token_id.in_(within))
    for session_id in (await session.scalars(sessions)).all():
        announce(session, SessionChanged(session=session_id))
    await session.execute(delete(models.ApiToken).where(models.ApiToken.id.in_(tokens)))
    for user_id in touched:
        announce(session, UserChanged(user=str(user_id)))


async def _check_count(session: AsyncSession, user_id: int, now: float, limit: int) -> None:
    alive = or_(models.ApiToken.expires_at.is_(None), models.ApiToken.expires_at > now)
    query = select(func.count()).where(models.ApiToken.user_id == user_id, alive)
    if (await session.scalar(query) or 0) >= limit:
        raise LimitReached(
            f"There are {limit} API tokens already, which is as many as one person may have.",
            code="too-many-tokens",
            hint="Remove those that are not needed any more.",
            limit=limit,
        )


def _record(session: AsyncSession, actor: Person, token: models.ApiToken, detail: str) -> None:
    target = Target(Kind.TOKEN, str(token.id))
    audit.record(session, actor, Action.MANAGE_TOKENS, target, detail=detail)


def _as_token(token: models.ApiToken) -> schemas.Token:
    return schemas.Token(
        id=token.id,
        label=token.label,
        created_at=token.created_at,
        expires_at=token.expires_at,
        made_by=token.parent_id,
    )


def _ended() -> NotSignedIn:
    return NotSignedIn("You are signed out.", code="session-ended", hint="Sign in anew.")
