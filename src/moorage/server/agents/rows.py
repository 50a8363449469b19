"""Agents as the database has them, and as people see them."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.kernel.errors import NotFound
from moorage.server.agents import models, schemas
from moorage.server.agents.occupants import Occupants
from moorage.server.authorization import Actor, visible
from moorage.server.core import Core

LOCAL = "local"
"""The agent of `moor up`, and its gateway."""
FRESH = 40.0
"""Seconds after its last sign of life for which an agent counts as connected."""
SILENCE = 60.0
"""Seconds without a word from an agent after which nobody knows how its workspaces are."""
SET_BACK = 7 * 86400.0
"""Seconds for which it is said that the database was set back."""
SECOND = 60.0
"""Seconds for which another process with the same token is worth a word."""


async def agent_named(
    session: AsyncSession, actor: Actor, name: str, *, lock: bool = False
) -> models.Agent:
    """The agent of that name, if the actor may see it. `lock`: until the transaction's end, nobody
    else changes it.

    Raises `NotFound`.
    """
    query = select(models.Agent).where(models.Agent.name == name, visible(actor, models.Agent))
    agent = await session.scalar(query.with_for_update() if lock else query)
    if agent is None:
        raise NotFound(
            f"There is no agent {name}.", code="agent-not-found", hint="`moor agents` lists them."
        )
    return agent


async def workspaces_on(core: Core, session: AsyncSession, agent: models.Agent) -> int:
    """How many workspaces are on the agent."""
    return (await core.part(Occupants).workspaces(session)).get(agent.id, 0)


def view_of(core: Core, agent: models.Agent, workspaces: int, found: int = 0) -> schemas.Agent:
    """`workspaces`: how many are on it; `found`: how many it has beyond these."""
    now = core.clock.now()
    second, back = agent.second_seen, agent.set_back_at
    return schemas.Agent(
        id=agent.id,
        name=agent.name,
        enabled=agent.enabled,
        local=agent.name == LOCAL,
        revoked=agent.revoked,
        runtime=agent.runtime,
        runtime_version=agent.runtime_version,
        version=agent.version,
        connected=is_connected(agent, now),
        last_seen=agent.last_seen or None,
        second_seen=second if second is not None and now - second < SECOND else None,
        set_back_at=back if back is not None and now - back < SET_BACK else None,
        found=found,
        capacity=schemas.Capacity.model_validate(msgspec.json.decode(agent.capacity)),
        settings=schemas.Taken(version=agent.settings_taken, problem=agent.settings_problem),
        workspaces=workspaces,
        zone_url=agent.zone_url,
        dns_zone=urlsplit(agent.zone_url).hostname or "",
        created_at=agent.created_at,
    )


def is_connected(agent: models.Agent, now: float) -> bool:
    """As the database has it; a replica that was killed could not say that its agents went with
    it."""
    return agent.connected and now - agent.last_seen < FRESH


def is_silent(agent: models.Agent, now: float) -> bool:
    return now - agent.last_seen > SILENCE
