"""Reads what `choice` decides on."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.agents import settings
from moorage.server.agents.models import Agent
from moorage.server.agents.rows import LOCAL, is_connected
from moorage.server.core import Core
from moorage.server.workspaces.choice import Candidate
from moorage.server.workspaces.models import Workspace
from moorage.workspace_settings import RemoteDevelopment


async def candidates_for(
    core: Core, session: AsyncSession, user_id: int, agent_id: int | None = None
) -> list[Candidate]:
    """All agents, or that one alone, which then nobody else changes until the end of the
    transaction: a quota that has room stays so until the workspace is stored."""
    query = select(Agent).order_by(Agent.id)
    if agent_id is not None:
        query = query.where(Agent.id == agent_id).with_for_update()
    agents = (await session.scalars(query.execution_options(populate_existing=True))).all()
    texts = await settings.newest_of_all(session, agent_id)
    live = select(Workspace.agent_id, func.count()).where(Workspace.terminated_at.is_(None))
    live = live.group_by(Workspace.agent_id)
    totals = {row[0]: row[1] for row in await session.execute(live)}
    own = {
        row[0]: row[1] for row in await session.execute(live.where(Workspace.owner_id == user_id))
    }
    now = core.clock.now()
    found = []
    for agent in agents:
        text = texts[agent.id].text if agent.id in texts else ""
        chosen = settings.understood(text) or RemoteDevelopment()
        found.append(
            Candidate(
                id=agent.id,
                name=agent.name,
                enabled=agent.enabled and chosen.enabled,
                revoked=agent.revoked,
                connected=is_connected(agent, now),
                awaited=bool(agent.last_seen) or agent.name == LOCAL,
                away=now - max(agent.last_seen, agent.created_at, core.replica.started_at),
                workspaces=totals.get(agent.id, 0),
                own=own.get(agent.id, 0),
                quota=chosen.workspaces_quota,
                quota_per_user=chosen.workspaces_per_user_quota,
            )
        )
    return found
