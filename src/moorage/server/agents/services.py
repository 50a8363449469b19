"""Agents: who they are, what they are told, and what becomes of what they report."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Credential,
    DesiredState,
    DesiredWorkspace,
    Project,
    WorkspaceSpec,
)
from moorage.contract import agent as contract
from moorage.kernel import log
from moorage.kernel.ids import fingerprint
from moorage.server.accounts.models import User
from moorage.server.agents import models, schemas
from moorage.server.agents.rows import agent_named, view_of
from moorage.server.authorization import Action, Actor, may, require
from moorage.server.changes import Changed
from moorage.server.database import announce
from moorage.server.found import services as found
from moorage.server.settings import Credentials
from moorage.server.state import ServerState
from moorage.server.workspaces import decisions
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import spec_of

_LONGEST = 100
"""Characters of what an agent calls itself."""
_log = log.get(part="server.agents")


async def list_agents(state: ServerState, actor: Actor) -> list[schemas.Agent]:
    require(actor, Action.LIST_AGENTS)
    counts = (
        select(Workspace.agent_id, func.count().label("number"))
        .where(Workspace.terminated_at.is_(None))
        .group_by(Workspace.agent_id)
        .subquery()
    )
    query = (
        select(models.Agent, func.coalesce(counts.c.number, 0))
        .outerjoin(counts, counts.c.agent_id == models.Agent.id)
        .order_by(models.Agent.id)
    )
    async with state.database.read() as session:
        rows = (await session.execute(query)).all()
        beyond = await _beyond(session, actor)
    return [view_of(state, agent, number, beyond.get(agent.id, 0)) for agent, number in rows]


async def get_agent(state: ServerState, actor: Actor, name: str) -> schemas.Agent:
    require(actor, Action.LIST_AGENTS)
    async with state.database.read() as session:
        agent, workspaces = await agent_named(session, name)
        beyond = await _beyond(session, actor)
    return view_of(state, agent, workspaces, beyond.get(agent.id, 0))


async def _beyond(session: AsyncSession, actor: Actor) -> dict[int, int]:
    """How many workspaces each agent has that nobody lists, for who may see them."""
    return await found.counts(session) if may(actor, Action.SEE_FOUND) else {}


async def agent_of_token(state: ServerState, token: str | None) -> models.Agent | None:
    if not token:
        return None
    query = select(models.Agent).where(
        models.Agent.fingerprint == fingerprint(token), models.Agent.revoked.is_(False)
    )
    async with state.database.read() as session:
        return (await session.scalars(query)).one_or_none()


async def is_current(state: ServerState, agent: models.Agent) -> bool:
    """Whether the token that it came with is still its own."""
    query = select(models.Agent.id).where(
        models.Agent.id == agent.id,
        models.Agent.fingerprint == agent.fingerprint,
        models.Agent.revoked.is_(False),
    )
    async with state.database.read() as session:
        return await session.scalar(query) is not None


async def connected(state: ServerState, known: models.Agent, hello: contract.Hello) -> bool:
    """False when the token that it came with has ended meanwhile: nothing is noted then."""
    async with state.database.write() as session:
        agent = await session.get(models.Agent, known.id)
        if agent is None or agent.fingerprint != known.fingerprint or agent.revoked:
            return False
        agent.connected = True
        agent.last_seen = state.clock.now()
        agent.version = hello.version[:_LONGEST]
        agent.runtime = hello.runtime[:_LONGEST]
        agent.runtime_version = hello.runtime_version[:_LONGEST]
        agent.capacity = _capacity(hello.capacity)
        agent.second_seen = None
        agent.replica = state.address
        announce(session, Changed(kind="agent", key=str(agent.id)))
    return True


async def disconnected(state: ServerState, agent_id: int) -> None:
    """A connection to this replica has ended. What is noted of a newer one, here or at another replica, stays."""
    async with state.database.write() as session:
        agent = await session.get(models.Agent, agent_id, with_for_update=True)
        if agent is None:  # it was removed, and its connection ended for it
            return
        if agent.replica != state.address or state.hub.has(agent_id):
            return
        agent.connected = False
        agent.replica = ""
        announce(session, Changed(kind="agent", key=str(agent_id)))


async def capacity_is(state: ServerState, agent_id: int, capacity: dict[str, int]) -> None:
    await _note(state, agent_id, capacity=_capacity(capacity))


def _capacity(said: dict[str, int]) -> str:
    """As it is stored. What no machine has counts as not known: everybody's pages show it."""
    known = {name: said.get(name, 0) for name in schemas.Capacity.model_fields}
    return msgspec.json.encode({name: n for name, n in known.items() if 0 <= n < 2**63}).decode()


async def second_waits(state: ServerState, agent: models.Agent) -> None:
    """Another process with this agent's token was told to wait."""
    _log.warning(
        "another agent with the same token waits",
        agent=agent.name,
        hint="Give each agent a token of its own: POST /api/v1/agents.",
    )
    await _note(state, agent.id, second_seen=state.clock.now())


async def _note(state: ServerState, agent_id: int, **values: object) -> None:
    async with state.database.write() as session:
        await session.execute(update(models.Agent).where(models.Agent.id == agent_id).values(**values))
        announce(session, Changed(kind="agent", key=str(agent_id)))


async def desired_of(state: ServerState, agent_id: int) -> list[DesiredWorkspace]:
    """All that the agent should have; those to be deleted too, until it says that nothing is left of them."""
    return await _desired_where(state, Workspace.agent_id == agent_id)


async def desired_named(state: ServerState, agent_id: int, names: Sequence[str]) -> list[DesiredWorkspace]:
    return await _desired_where(state, (Workspace.agent_id == agent_id) & Workspace.name.in_(names))


async def _desired_where(state: ServerState, condition: ColumnElement[bool]) -> list[DesiredWorkspace]:
    query = (
        select(Workspace, User.name)
        .join(User, User.id == Workspace.owner_id)
        .where(condition, Workspace.terminated_at.is_(None))
    )
    async with state.database.read() as session:
        rows = (await session.execute(query.order_by(Workspace.id))).all()
    return [_desired(row, owner, state.credentials) for row, owner in rows]


async def sent(state: ServerState, workspaces: Sequence[DesiredWorkspace], at: float) -> None:
    """Notes when the newest start of each was passed to the agent for the first time: the end of `queued`."""
    running = [w for w in workspaces if w.desired is DesiredState.RUNNING]
    if not running:
        return
    locked = (
        select(Workspace.id)
        .where(Workspace.name.in_([w.name for w in running]), Workspace.sent_at.is_(None))
        .order_by(Workspace.id)
        .with_for_update()
    )
    async with state.database.write() as session:
        if not (await session.scalars(locked)).all():
            return
        for workspace in running:
            query = (
                update(Workspace)
                .where(
                    Workspace.name == workspace.name,
                    Workspace.requested_generation == workspace.generation,
                    Workspace.sent_at.is_(None),
                )
                .values(sent_at=at)
                .returning(Workspace.requested_at)
            )
            requested_at = await session.scalar(query)
            if requested_at is not None:
                state.metrics.stage_seconds.labels("queued").observe(max(0.0, at - requested_at))
                announce(session, Changed(kind="actual", key=workspace.name, agent=0))


async def report(state: ServerState, agent_id: int, workspaces: Sequence[ActualWorkspace]) -> None:
    """Stores what is news; ignores what is older than what is known, and what is not this agent's."""
    reports = {actual.name: actual for actual in workspaces}
    if not reports:
        return
    now = state.clock.now()
    query = select(Workspace).where(
        Workspace.agent_id == agent_id, Workspace.name.in_(reports), Workspace.terminated_at.is_(None)
    )
    async with state.database.write() as session:
        # In the order of ids, as `sent`: two that lock the same rows in other orders would wait for each other.
        rows = (await session.scalars(query.order_by(Workspace.id).with_for_update())).all()
        for row in rows:
            actual = decisions.with_usable_address(reports.pop(row.name))
            if _store(state, row, actual, now):
                announce(session, Changed(kind="actual", key=row.name, agent=agent_id))
    if reports:
        _log.debug("a report names workspaces that are not there", agent=agent_id, names=sorted(reports))


def _store(state: ServerState, row: Workspace, actual: ActualWorkspace, now: float) -> bool:
    """Whether anything has changed."""
    if not decisions.accepts(known=row.actual_generation, report=actual):
        return False
    encoded = msgspec.json.encode(actual).decode()
    changed = encoded != row.actual
    if row.received_at is None and actual.generation >= row.requested_generation:
        # The report may overtake the note of when the workspace was sent.
        row.sent_at = row.sent_at or now
        row.received_at = now
        state.metrics.stage_seconds.labels("received").observe(max(0.0, now - row.sent_at))
        changed = True
    if not changed:
        return False
    if actual.state is ActualState.RUNNING and row.state != ActualState.RUNNING.value:
        for stage in actual.stages:
            if stage.duration is not None:
                state.metrics.stage_seconds.labels(stage.name.value).observe(stage.duration)
    row.actual = encoded
    row.actual_generation = actual.generation
    row.state = actual.state.value
    row.updated_at = now
    if decisions.has_ended(desired=DesiredState(row.desired), generation=row.generation, report=actual):
        row.terminated_at = now
    return True


def _desired(row: Workspace, owner_name: str, credentials: Credentials) -> DesiredWorkspace:
    spec, desired = spec_of(row), DesiredState(row.desired)
    if desired is DesiredState.RUNNING:  # nothing else clones
        spec = with_credentials(spec, credentials, asked=row.repository)
    return DesiredWorkspace(
        name=row.name,
        generation=row.generation,
        desired=desired,
        spec=spec,
        restarts=row.restarts,
        owner=row.owner_id,
        memo={
            "title": row.title,
            "owner": owner_name,
            "repository": row.repository,
            "ref": row.ref,
            "commit": row.commit,
            "devfile_path": row.devfile_path,
        },
    )


def with_credentials(spec: WorkspaceSpec, credentials: Credentials, *, asked: str) -> WorkspaceSpec:
    """The spec with what opens the repository that its owner has asked for: added on the way out, stored nowhere. Other projects
    are the devfile's wish, and that may be anybody's."""

    def opened(project: Project) -> Project:
        found = credentials.of(project.url, asked=asked)
        if found is None:
            return project
        host = urlsplit(project.url).netloc.lower()
        credential = Credential(host=host, username=found[0], password=found[1])
        return msgspec.structs.replace(project, credential=credential)

    return msgspec.structs.replace(spec, projects=tuple(map(opened, spec.projects)))
