"""Users: who they are, and who is let in at all."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import Conflict, NotFound
from moorage.server import audit
from moorage.server.accounts import models, schemas
from moorage.server.accounts.changes import SessionChanged, UserChanged
from moorage.server.accounts.names import check_user_name
from moorage.server.accounts.rows import as_actor, as_user, find_user
from moorage.server.accounts.tokens import end_tokens
from moorage.server.audit import Target
from moorage.server.authorization import INSTALLATION, Action, Kind, Person, Role, require, visible
from moorage.server.core import Core
from moorage.server.storage.database import announce


async def actor_of_user(core: Core, user_id: int) -> Person:
    """Raises `NotFound`, or `Forbidden` when the user is blocked."""
    async with core.database.read() as session:
        user = await session.get(models.User, user_id)
    if user is None:
        raise NotFound(f"There is no user {user_id}.", code="user-not-found")
    return as_actor(user)


async def list_users(core: Core, actor: Person) -> list[schemas.User]:
    require(actor, Action.LIST_USERS, INSTALLATION)
    async with core.database.read() as session:
        query = select(models.User).where(visible(actor, models.User)).order_by(models.User.id)
        return [as_user(user) for user in await session.scalars(query)]


async def add_user(
    core: Core, actor: Person, name: str, role: Role = Role.DEVELOPER
) -> schemas.User:
    """Raises `InvalidInput` for the name, `Conflict` when it is taken."""
    require(actor, Action.ADD_USER, INSTALLATION)
    check_user_name(name)
    try:
        async with core.database.write() as session:
            user = models.User(name=name, role=role.value, created_at=core.clock.now())
            session.add(user)
            await session.flush()
            audit.record(
                session, actor, Action.ADD_USER, Target(Kind.USER, name), detail=role.value
            )
    except IntegrityError as error:
        raise Conflict(
            f"There is a user {name} already.",
            code="user-exists",
            hint="Choose another name.",
            field="name",
        ) from error
    return as_user(user)


async def set_blocked(core: Core, actor: Person, name: str, blocked: bool = True) -> schemas.User:
    """Blocking ends what the user can come in by, at once, here and at every gateway: sessions,
    links and API tokens, with what was made by these. The state folder's own token rests until its
    user is unblocked."""
    async with core.database.write() as session:
        user = await find_user(session, actor, name, Action.BLOCK_USER)
        user.blocked = blocked
        if blocked:
            await _end_all(session, user.id)
        audit.record(
            session,
            actor,
            Action.BLOCK_USER,
            Target(Kind.USER, user.name),
            detail="blocked" if blocked else "unblocked",
        )
        announce(session, UserChanged(user=str(user.id)))
    return as_user(user)


async def change_role(core: Core, actor: Person, name: str, role: Role) -> schemas.User:
    """Holds at once for all that they have open. Nothing is written when they have it already."""
    async with core.database.write() as session:
        user = await find_user(session, actor, name, Action.CHANGE_ROLE)
        if user.role != role.value:
            detail = f"from {user.role} to {role.value}"
            user.role = role.value
            audit.record(
                session, actor, Action.CHANGE_ROLE, Target(Kind.USER, user.name), detail=detail
            )
            announce(session, UserChanged(user=str(user.id)))
    return as_user(user)


async def _end_all(session: AsyncSession, user_id: int) -> None:
    query = select(models.ApiToken.id).where(
        models.ApiToken.user_id == user_id, models.ApiToken.bootstrap.is_(False)
    )
    await end_tokens(session, (await session.scalars(query)).all())
    await session.execute(delete(models.SignInLink).where(models.SignInLink.user_id == user_id))
    await session.execute(delete(models.Session).where(models.Session.user_id == user_id))
    announce(session, SessionChanged())
