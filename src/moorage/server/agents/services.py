"""Agents: who they are, and what they say of themselves."""

from __future__ import annotations

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import agent as contract
from moorage.kernel import log
from moorage.kernel.ids import fingerprint
from moorage.server.agents import models, schemas
from moorage.server.agents.changes import AgentChanged
from moorage.server.agents.hub import AgentHub
from moorage.server.agents.occupants import Occupants
from moorage.server.agents.rows import agent_named, view_of, workspaces_on
from moorage.server.authorization import INSTALLATION, Action, Person, may, require, visible
from moorage.server.core import Core
from moorage.server.storage.database import announce

_LONGEST = 100
"""Characters of what an agent calls itself."""
_log = log.get(part="server.agents")


async def list_agents(core: Core, actor: Person) -> list[schemas.Agent]:
    require(actor, Action.LIST_AGENTS, INSTALLATION)
    async with core.database.read() as session:
        query = select(models.Agent).where(visible(actor, models.Agent)).order_by(models.Agent.id)
        agents = (await session.scalars(query)).all()
        workspaces = await core.part(Occupants).workspaces(session)
        found = await _found(core, session, actor)
    return [
        view_of(core, each, workspaces.get(each.id, 0), found.get(each.id, 0)) for each in agents
    ]


async def get_agent(core: Core, actor: Person, name: str) -> schemas.Agent:
    require(actor, Action.LIST_AGENTS, INSTALLATION)
    async with core.database.read() as session:
        agent = await agent_named(session, actor, name)
        workspaces = await workspaces_on(core, session, agent)
        found = await _found(core, session, actor)
    return view_of(core, agent, workspaces, found.get(agent.id, 0))


async def _found(core: Core, session: AsyncSession, actor: Person) -> dict[int, int]:
    """How many workspaces each agent has that nobody lists, for who may see them."""
    return (
        await core.part(Occupants).found(session)
        if may(actor, Action.SEE_FOUND, INSTALLATION)
        else {}
    )


async def agent_of_token(core: Core, token: str | None) -> models.Agent | None:
    if not token:
        return None
    query = select(models.Agent).where(
        models.Agent.fingerprint == fingerprint(token), models.Agent.revoked.is_(False)
    )
    async with core.database.read() as session:
        return (await session.scalars(query)).one_or_none()


async def is_current(core: Core, agent: models.Agent) -> bool:
    """Whether the token that it came with is still its own."""
    query = select(models.Agent.id).where(
        models.Agent.id == agent.id,
        models.Agent.fingerprint == agent.fingerprint,
        models.Agent.revoked.is_(False),
    )
    async with core.database.read() as session:
        return await session.scalar(query) is not None


async def connected(core: Core, known: models.Agent, hello: contract.Hello) -> bool:
    """False when the token that it came with has ended meanwhile: nothing is noted then."""
    async with core.database.write() as session:
        agent = await session.get(models.Agent, known.id)
        if agent is None or agent.fingerprint != known.fingerprint or agent.revoked:
            return False
        agent.connected = True
        agent.last_seen = core.clock.now()
        agent.version = hello.version[:_LONGEST]
        agent.runtime = hello.runtime[:_LONGEST]
        agent.runtime_version = hello.runtime_version[:_LONGEST]
        agent.capacity = _capacity(hello.capacity)
        agent.second_seen = None
        agent.replica = core.replica.address
        announce(session, AgentChanged(agent=str(agent.id)))
    return True


async def disconnected(core: Core, agent_id: int) -> None:
    """A connection to this replica has ended. What is noted of a newer one, here or at another
    replica, stays."""
    async with core.database.write() as session:
        agent = await session.get(models.Agent, agent_id, with_for_update=True)
        if agent is None:  # it was removed, and its connection ended for it
            return
        if agent.replica != core.replica.address or core.part(AgentHub).has(agent_id):
            return
        agent.connected = False
        agent.replica = ""
        announce(session, AgentChanged(agent=str(agent_id)))


async def capacity_is(core: Core, agent_id: int, capacity: dict[str, int]) -> None:
    await _note(core, agent_id, capacity=_capacity(capacity))


def _capacity(said: dict[str, int]) -> str:
    """As it is stored. What no machine has counts as not known: everybody's pages show it."""
    known = {name: said.get(name, 0) for name in schemas.Capacity.model_fields}
    return msgspec.json.encode({name: n for name, n in known.items() if 0 <= n < 2**63}).decode()


async def second_waits(core: Core, agent: models.Agent) -> None:
    """Another process with this agent's token was told to wait."""
    _log.warning(
        "another agent with the same token waits",
        agent=agent.name,
        hint="Give each agent a token of its own: POST /api/v1/agents.",
    )
    await _note(core, agent.id, second_seen=core.clock.now())


async def _note(core: Core, agent_id: int, **values: object) -> None:
    async with core.database.write() as session:
        await session.execute(
            update(models.Agent).where(models.Agent.id == agent_id).values(**values)
        )
        announce(session, AgentChanged(agent=str(agent_id)))
