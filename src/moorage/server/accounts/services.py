"""Users and API tokens; and who the bearer of a token or cookie is. Sign-in is in `sign_in`, re-exported here."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from moorage.kernel.errors import Conflict, NotFound, NotSignedIn
from moorage.kernel.ids import fingerprint, new_secret
from moorage.server.accounts import models, schemas
from moorage.server.accounts.names import check_user_name
from moorage.server.accounts.revocation import has_expired
from moorage.server.accounts.rows import as_actor, as_user, user_named
from moorage.server.accounts.sign_in import (
    actor_of_session,
    create_code,
    create_sign_in_link,
    end_session,
    exchange_code,
    find_sign_in_link,
    sign_in_with_link,
    sign_out,
)
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
    "end_session",
    "exchange_code",
    "find_sign_in_link",
    "list_tokens",
    "list_users",
    "set_blocked",
    "sign_in_with_link",
    "sign_out",
]

TOKEN_PREFIX = "moor_"  # noqa: S105 - a prefix, no secret


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
    """Blocking ends the user's sessions at once, here and at every gateway; API tokens rest until unblocked."""
    async with state.database.write() as session:
        user = await user_named(session, name)
        require(actor, Action.BLOCK_USER, user.id)
        user.blocked = blocked
        if blocked:
            await session.execute(delete(models.Session).where(models.Session.user_id == user.id))
            announce(session, Changed(kind="session"))
        announce(session, Changed(kind="user", key=str(user.id)))
    return as_user(user)


async def create_token(
    state: ServerState, actor: Actor, name: str, label: str = "", days: float | None = None
) -> schemas.NewToken:
    """An API token of the user `name`. Its value is in the answer and nowhere else."""
    now = state.clock.now()
    secret = new_secret(TOKEN_PREFIX)
    async with state.database.write() as session:
        user = await user_named(session, name)
        require(actor, Action.MANAGE_TOKENS, user.id)
        token = models.ApiToken(
            user_id=user.id,
            fingerprint=fingerprint(secret),
            label=label,
            created_at=now,
            expires_at=None if days is None else now + days * 86400,
        )
        session.add(token)
        await session.flush()
    return schemas.NewToken(token=secret, **as_token(token).model_dump())


async def list_tokens(state: ServerState, actor: Actor, name: str) -> list[schemas.Token]:
    async with state.database.read() as session:
        user = await user_named(session, name)
        require(actor, Action.MANAGE_TOKENS, user.id)
        query = select(models.ApiToken).where(models.ApiToken.user_id == user.id).order_by(models.ApiToken.id)
        return [as_token(token) for token in await session.scalars(query)]


async def delete_token(state: ServerState, actor: Actor, name: str, token_id: int) -> None:
    """Raises `NotFound` when the user has no such token."""
    async with state.database.write() as session:
        user = await user_named(session, name)
        require(actor, Action.MANAGE_TOKENS, user.id)
        token = await session.get(models.ApiToken, token_id)
        if token is None or token.user_id != user.id:
            raise NotFound(f"{name} has no API token {token_id}.", code="token-not-found")
        await session.delete(token)
        announce(session, Changed(kind="user", key=str(user.id)))


def as_token(token: models.ApiToken) -> schemas.Token:
    return schemas.Token(
        id=token.id, label=token.label, created_at=token.created_at, expires_at=token.expires_at
    )
