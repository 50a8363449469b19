"""Reads workspaces, with what belongs to them, and finds the one that somebody means."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import Conflict, Forbidden, NotFound
from moorage.server.accounts.models import User
from moorage.server.agents.models import Agent
from moorage.server.authorization import (
    Action,
    Kind,
    Owner,
    Person,
    Resource,
    require,
    resource_of,
    visible,
)
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import Row

EVERYBODYS = Resource(Kind.WORKSPACE, Owner.EVERYBODY)
"""The workspaces of all people together."""


def require_list(actor: Person, everyones: bool) -> None:
    """Raises `Forbidden` when the actor may not list their own workspaces, or everyone's."""
    own = Resource(Kind.WORKSPACE, actor.user_id)
    require(actor, Action.LIST_WORKSPACES, EVERYBODYS if everyones else own)


def rows() -> Select[Workspace, Agent, str]:
    """All workspaces that are there, with agent and owner."""
    return (
        select(Workspace, Agent, User.name)
        .join(Agent, Agent.id == Workspace.agent_id)
        .join(User, User.id == Workspace.owner_id)
        .where(Workspace.terminated_at.is_(None))
        .order_by(Workspace.id)
    )


async def fetch(session: AsyncSession, query: Select[Workspace, Agent, str]) -> list[Row]:
    return [Row(*row) for row in await session.execute(query)]


async def find(session: AsyncSession, actor: Person, name: str, action: Action) -> Row:
    """The workspace of that name or title, if the actor may do `action` with it.

    One's own titles come first. Somebody else's workspace is not found, but by an administrator.
    Raises `NotFound`, `Forbidden`, and `Conflict` when several of other people's have the title.
    """
    candidates: list[Row] = []
    mine = Workspace.owner_id == actor.user_id
    seen = visible(actor, Workspace)
    # One after the other: the first two have an index, and find almost everything.
    for means in (
        Workspace.name == name,
        mine & (Workspace.title == name),
        Workspace.title == name,
    ):
        candidates = await fetch(session, rows().where(means, seen))
        if candidates:
            break
    if not candidates:
        raise NotFound(f"There is no workspace {name}.", code="workspace-not-found")
    if len(candidates) > 1:
        names = ", ".join(row.workspace.name for row in candidates[:5])
        raise Conflict(
            f"{len(candidates)} workspaces are called {name}.",
            code="workspace-ambiguous",
            hint=f"Name one of: {names}.",
        )
    require(actor, action, resource_of(candidates[0].workspace))
    return candidates[0]


async def still_there(session: AsyncSession, actor: Person, name: str) -> Row | None:
    """As `find` to see it, but None when it is not there, or no longer for this actor."""
    try:
        return await find(session, actor, name, Action.SEE_WORKSPACE)
    except (NotFound, Forbidden):
        return None
