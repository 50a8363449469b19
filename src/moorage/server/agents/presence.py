"""Notes which agents are there, and tells where one has fallen silent."""

from __future__ import annotations

import asyncio

from sqlalchemy import select, update

from moorage.server.agents.changes import AgentChanged
from moorage.server.agents.hub import AgentHub
from moorage.server.agents.models import Agent
from moorage.server.agents.rows import is_silent
from moorage.server.core import Core
from moorage.server.storage.database import announce

LOOK_SECONDS = 10.0


async def follow(core: Core) -> None:
    """Looks again and again. Runs for as long as the server."""
    silent: frozenset[int] = frozenset()
    while True:
        silent = await look(core, silent)
        await asyncio.sleep(LOOK_SECONDS)


async def look(core: Core, silent: frozenset[int]) -> frozenset[int]:
    """Looks once. `silent`: the agents that were silent at the last look, by their ids. Returns
    those that are now."""
    now = core.clock.now()
    here = [connection.agent_id for connection in core.part(AgentHub).connections()]
    async with core.database.read() as session:
        agents = (await session.scalars(select(Agent))).all()
    quiet = frozenset(
        agent.id for agent in agents if agent.id not in here and is_silent(agent, now)
    )
    changed = quiet ^ silent
    if here or changed:
        async with core.database.write() as session:
            if here:
                await session.execute(update(Agent).where(Agent.id.in_(here)).values(last_seen=now))
            for agent_id in changed:
                announce(session, AgentChanged(agent=str(agent_id)))
    return quiet
