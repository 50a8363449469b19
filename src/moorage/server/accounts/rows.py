"""From rows of the tables to what the services return."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import Forbidden, NotFound
from moorage.server.accounts import models, schemas
from moorage.server.authorization import Action, Person, Role, require, resource_of, visible


async def find_user(session: AsyncSession, actor: Person, name: str, action: Action) -> models.User:
    """The user, if the actor may do `action` with them.

    Raises `NotFound`, which is the same for somebody who does not exist and somebody whom the actor
    may not see; and `Forbidden`.
    """
    query = select(models.User).where(models.User.name == name, visible(actor, models.User))
    user = await session.scalar(query)
    if user is None:
        raise NotFound(f"There is no user {name}.", code="user-not-found")
    require(actor, action, resource_of(user))
    return user


def as_actor(user: models.User, session_id: str = "", token_id: int = 0) -> Person:
    """Raises `Forbidden` when the user is blocked."""
    if user.blocked:
        raise Forbidden(
            "This account is blocked.",
            code="user-blocked",
            hint="Ask an administrator of this installation.",
        )
    return Person(
        user_id=user.id, name=user.name, role=Role(user.role), session=session_id, token=token_id
    )


def as_user(user: models.User) -> schemas.User:
    return schemas.User(
        id=user.id,
        name=user.name,
        role=Role(user.role),
        blocked=user.blocked,
        created_at=user.created_at,
    )
