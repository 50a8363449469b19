"""Users; and who the bearer of a token or cookie is. API tokens are in `tokens` and sign-in is in `sign_in`, re-exported here."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import Conflict, NotFound, NotSignedIn
from moorage.kernel.ids import fingerprint
from moorage.server.accounts import models, schemas
from moorage.server.accounts.names import check_user_name
from moorage.server.accounts.revocation import has_expired
from moorage.server.accounts.rows import as_actor, as_user, find_user
from moorage.server.accounts.sign_in import (
    actor_of_session,
    create_code,
    create_sign_in_link,
    end_exchanged_session,
    end_session,
    ending_of,
    exchange_code,
    find_sign_in_link,
    sign_in_with_link,
    sign_out,
)
from moorage.server.accounts.tokens import create_token, delete_token, end_tokens, list_tokens
from moorage.server.authorization import Action, Actor, Role, require
from moorage.server.changes import Changed
from moorage.server.database import announce
from moorage.server.state import ServerState

__all__ = [
    "actor_of_session",
    "actor_of_token",
    "actor_of_user",
    "add_user",
    "create_code",
    "create_sign_in_link",
    "create_token",
    "delete_token",
    "end_exchanged_session",
    "end_session",
    "ending_of",
    "exchange_code",
    "find_sign_in_link",
    "list_tokens",
    "list_users",
    "set_blocked",
    "sign_in_with_link",
    "sign_out",
]


async def actor_of_token(state: ServerState, token: str) -> Actor:
    """Raises `NotSignedIn` for a token that is unknown or expired, `Forbidden` when its user is blocked."""
    query = (
        select(models.User, models.ApiToken)
        .join(models.ApiToken, models.ApiToken.user_id == models.User.id)
        .where(models.ApiToken.fingerprint == fingerprint(token))
    )
    async with state.database.read() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None or has_expired(row.ApiToken, state.clock.now()):
        raise NotSignedIn(
            "The API token is unknown or has expired.",
            code="token-invalid",
            hint="Sign in with a token that is valid.",
        )
    return as_actor(row.User, token_id=row.ApiToken.id)


async def actor_of_user(state: ServerState, user_id: int) -> Actor:
    """Raises `NotFound`, or `Forbidden` when the user is blocked."""
    async with state.database.read() as session:
        user = await session.get(models.User, user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}.", code="user-not-found")
    return as_actor(user)


async def list_users(state: ServerState, actor: Actor) -> list[schemas.User]:
    require(actor, Action.LIST_USERS)
    async with state.database.read() as session:
        users = (await session.scalars(select(models.User).order_by(models.User.id))).all()
    return [as_user(user) for user in users]


async def add_user(state: ServerState, actor: Actor, name: str, role: Role = Role.DEVELOPER) -> schemas.User:
    """Raises `InvalidInput` for the name, `Conflict` when it is taken."""
    require(actor, Action.ADD_USER)
    check_user_name(name)
    try:
        async with state.database.write() as session:
            user = models.User(name=name, role=role.value, created_at=state.clock.now())
            session.add(user)
            await session.flush()
    except IntegrityError as error:
        raise Conflict(
            f"There is a user {name} already.", code="user-exists", hint="Choose another name.", field="name"
        ) from error
    return as_user(user)


async def set_blocked(state: ServerState, actor: Actor, name: str, blocked: bool = True) -> schemas.User:
    """Blocking ends what the user can come in by, at once, here and at every gateway: sessions, links and API tokens, with what
    was made by these. The state folder's own token rests until its user is unblocked."""
    async with state.database.write() as session:
        user = await find_user(session, actor, name, Action.BLOCK_USER)
        user.blocked = blocked
        if blocked:
            await _end_all(session, user.id)
        announce(session, Changed(kind="user", key=str(user.id)))
    return as_user(user)


async def _end_all(session: AsyncSession, user_id: int) -> None:
    query = select(models.ApiToken.id).where(
        models.ApiToken.user_id == user_id, models.ApiToken.bootstrap.is_(False)
    )
    await end_tokens(session, (await session.scalars(query)).all())
    await session.execute(delete(models.SignInLink).where(models.SignInLink.user_id == user_id))
    await session.execute(delete(models.Session).where(models.Session.user_id == user_id))
    announce(session, Changed(kind="session"))
