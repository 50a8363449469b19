"""Counts what agents have, for the domain of agents: workspaces that the server lists, and those
that it does not."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.agents.occupants import Occupants
from moorage.server.found.models import Found
from moorage.server.workspaces.models import Workspace


async def _workspaces(session: AsyncSession) -> dict[int, int]:
    query = select(Workspace.agent_id, func.count()).where(Workspace.terminated_at.is_(None))
    return dict((await session.execute(query.group_by(Workspace.agent_id))).all())


async def _found(session: AsyncSession) -> dict[int, int]:
    rows = await session.execute(select(Found.agent_id, func.count()).group_by(Found.agent_id))
    return dict(rows.all())


async def _forget(session: AsyncSession, agent_id: int) -> None:
    await session.execute(delete(Workspace).where(Workspace.agent_id == agent_id))


OCCUPANTS = Occupants(workspaces=_workspaces, found=_found, forget=_forget)
