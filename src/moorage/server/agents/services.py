"""Agents: who they are, what they are told, and what becomes of what they report."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import func, select, update

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
from moorage.server.agents import models, schemas
from moorage.server.authorization import Action, Actor, require
from moorage.server.changes import Changed
from moorage.server.database import announce
from moorage.server.settings import Credentials
from moorage.server.state import ServerState
from moorage.server.workspaces import decisions
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import spec_of

FRESH = 40.0
"""Seconds after its last sign of life for which an agent counts as connected."""

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
    return [_as_agent(state, agent, number) for agent, number in rows]


async def agent_of_token(state: ServerState, token: str | None) -> models.Agent | None:
    if not token:
        return None
    query = select(models.Agent).where(models.Agent.fingerprint == fingerprint(token))
    async with state.database.read() as session:
        return (await session.scalars(query)).one_or_none()


async def connected(state: ServerState, agent_id: int, hello: contract.Hello) -> None:
    async with state.database.write() as session:
        agent = await session.get_one(models.Agent, agent_id)
        agent.connected = True
        agent.last_seen = state.clock.now()
        agent.version = hello.version
        agent.runtime = hello.runtime
        agent.runtime_version = hello.runtime_version
        announce(session, Changed(kind="agent", key=str(agent_id)))


async def disconnected(state: ServerState, agent_id: int) -> None:
    async with state.database.write() as session:
        agent = await session.get_one(models.Agent, agent_id)
        agent.connected = False
        announce(session, Changed(kind="agent", key=str(agent_id)))


async def desired_of(state: ServerState, agent_id: int) -> list[DesiredWorkspace]:
    """All that the agent should have; those to be deleted too, until it says that nothing is left of them."""
    query = select(Workspace).where(Workspace.agent_id == agent_id, Workspace.terminated_at.is_(None))
    async with state.database.read() as session:
        rows = (await session.scalars(query.order_by(Workspace.id))).all()
    return [_desired(row, state.credentials) for row in rows]


async def desired_named(state: ServerState, agent_id: int, names: Sequence[str]) -> list[DesiredWorkspace]:
    query = select(Workspace).where(
        Workspace.agent_id == agent_id, Workspace.name.in_(names), Workspace.terminated_at.is_(None)
    )
    async with state.database.read() as session:
        rows = (await session.scalars(query)).all()
    return [_desired(row, state.credentials) for row in rows]


async def sent(state: ServerState, workspaces: Sequence[DesiredWorkspace], at: float) -> None:
    """Notes when the newest start of each was passed to the agent for the first time: the end of `queued`."""
    running = [w for w in workspaces if w.desired is DesiredState.RUNNING]
    if not running:
        return
    async with state.database.write() as session:
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
        rows = (await session.scalars(query.with_for_update())).all()
        for row in rows:
            actual = reports.pop(row.name)
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


def _desired(row: Workspace, credentials: Credentials) -> DesiredWorkspace:
    return DesiredWorkspace(
        name=row.name,
        generation=row.generation,
        desired=DesiredState(row.desired),
        spec=with_credentials(spec_of(row), credentials),
        restarts=row.restarts,
        owner=row.owner_id,
    )


def with_credentials(spec: WorkspaceSpec, credentials: Credentials) -> WorkspaceSpec:
    """The spec with what opens its projects' hosts: added on the way out, stored nowhere."""

    def opened(project: Project) -> Project:
        host = urlsplit(project.url).netloc.rpartition("@")[2].lower()
        found = credentials.of(host) if project.url.startswith(("http://", "https://")) else None
        if found is None:
            return project
        credential = Credential(host=host, username=found[0], password=found[1])
        return msgspec.structs.replace(project, credential=credential)

    return msgspec.structs.replace(spec, projects=tuple(map(opened, spec.projects)))


def _as_agent(state: ServerState, agent: models.Agent, workspaces: int) -> schemas.Agent:
    return schemas.Agent(
        id=agent.id,
        name=agent.name,
        enabled=agent.enabled,
        runtime=agent.runtime,
        runtime_version=agent.runtime_version,
        version=agent.version,
        connected=is_connected(agent, state.clock.now()),
        last_seen=agent.last_seen or None,
        workspaces=workspaces,
        dns_zone=urlsplit(agent.zone_url).hostname or "",
    )


def is_connected(agent: models.Agent, now: float) -> bool:
    """As the database has it; a replica that was killed could not say that its agents went with it."""
    return agent.connected and now - agent.last_seen < FRESH
