"""From a request to a stored workspace: read the devfile, translate it, and write spec and desired
state at once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import DesiredState
from moorage.contract.hosts import workspace_name
from moorage.kernel.errors import Conflict, Unavailable
from moorage.kernel.ids import short_id
from moorage.server import audit
from moorage.server.agents.models import Agent
from moorage.server.audit import Target
from moorage.server.authorization import INSTALLATION, Action, Kind, Person, require
from moorage.server.core import Core
from moorage.server.storage.changes import Changed
from moorage.server.storage.database import announce, one_at_a_time
from moorage.server.storage.locks import Lock
from moorage.server.tasks import Gone
from moorage.server.workspaces import asked, choice, decisions, schemas, specs
from moorage.server.workspaces.candidates import candidates_for
from moorage.server.workspaces.changes import DesiredChanged
from moorage.server.workspaces.making import Made, editor_named, make
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import Row, view

ATTEMPTS = 5
"""How often a title or name that somebody else took at the same moment is replaced by another."""


@dataclass(frozen=True)
class _Plan:
    """All that is known before a name is."""

    made: Made
    agent: Agent


async def create_workspace(
    core: Core, actor: Person, request: schemas.CreateWorkspace, *, gone: Gone | None = None
) -> schemas.Workspace:
    """`gone`: reading the repository ends when it does, and nothing is made.

    Raises `InvalidInput` (`field` says which), `Conflict` for a name that is taken, `LimitReached`,
    `Unavailable`."""
    require(actor, Action.CREATE_WORKSPACE, INSTALLATION)
    if request.name:
        decisions.check_title(request.name)
    decisions.check_env(request.env)
    editor_named(core, request.editor)
    async with core.database.read() as session:
        agent = await _agent(core, session, actor, request.agent)
        await _check_limits(core, session, actor)
        if request.name and request.name in await titles_of(session, actor):
            raise title_taken(request.name)
    wanted = asked.Asked(
        repository=request.repository,
        ref=request.ref,
        devfile=request.devfile,
        env=request.env,
        editor=request.editor,
    )
    plan = _Plan(await make(core, wanted, person=str(actor.user_id), gone=gone), agent)
    for attempt in range(ATTEMPTS):
        workspace, changed = _workspace(core, actor, plan)
        try:
            async with core.database.write() as session:
                if _limited(core):
                    await one_at_a_time(session, Lock.WORKSPACES)  # they count over all agents
                await _still_fits(core, session, actor, agent)
                await _check_limits(core, session, actor)
                titles = await titles_of(session, actor)
                if request.name and request.name in titles:
                    raise title_taken(request.name)
                workspace.title = request.name or decisions.free_title(workspace.title, titles)
                session.add(workspace)
                await session.flush()
                audit.record(
                    session,
                    actor,
                    Action.CREATE_WORKSPACE,
                    Target(Kind.WORKSPACE, workspace.name),
                    detail=f"on {agent.name}",
                )
                announce(session, changed)
            break
        except IntegrityError as error:
            # Another request took the title, or, once in two thousand million, the name, between
            # look and write.
            if request.name and attempt:
                raise title_taken(request.name) from error
            if attempt == ATTEMPTS - 1:
                raise Unavailable("Too much is created at once.", hint="Try again.") from error
    return view(Row(workspace, agent, actor.name), actor, core.clock.now())


def _workspace(core: Core, actor: Person, plan: _Plan) -> tuple[Workspace, Changed]:
    now, made = core.clock.now(), plan.made
    name = workspace_name(plan.agent.id, actor.user_id, short_id())
    spec = specs.for_workspace(
        made.spec,
        name=name,
        zone_url=plan.agent.zone_url,
        origin=core.settings.origin,
        owner=actor.name,
        env=made.asked.env,
    )
    workspace = Workspace(
        name=name,
        title=decisions.title_of(decisions.repository_name(made.reading.url)),
        owner_id=actor.user_id,
        agent_id=plan.agent.id,
        repository=made.reading.url,
        ref=made.reading.ref.name,
        commit=made.reading.commit,
        devfile_path=made.reading.file.path,
        devfile=made.reading.file.text,
        spec=specs.encoded(spec),
        asked=asked.encode(made.asked),
        flat=made.flat,
        looked_at=now,
        warnings=schemas.encoded_warnings(made.warnings),
        desired=DesiredState.RUNNING.value,
        generation=1,
        restarts=0,
        created_at=now,
        updated_at=now,
        requested_at=now,
        requested_generation=1,
        state="CreationRequested",
        actual_generation=0,
        actual="",
    )
    return workspace, DesiredChanged(workspace=name, agent=plan.agent.id)


async def _agent(core: Core, session: AsyncSession, actor: Person, name: str) -> Agent:
    found = choice.choose(await candidates_for(core, session, actor.user_id), name)
    return await session.get_one(Agent, found.id)


async def _still_fits(core: Core, session: AsyncSession, actor: Person, agent: Agent) -> None:
    """Reading the repository takes a while, and others create workspaces meanwhile."""
    choice.choose(await candidates_for(core, session, actor.user_id, agent.id), agent.name)


def _limited(core: Core) -> bool:
    return (
        core.settings.workspaces_per_user is not None or core.settings.workspaces_total is not None
    )


async def _check_limits(core: Core, session: AsyncSession, actor: Person) -> None:
    if not _limited(core):
        return
    settings = core.settings
    query = select(func.count()).select_from(Workspace).where(Workspace.terminated_at.is_(None))
    total = await session.scalar(query) or 0
    own = await session.scalar(query.where(Workspace.owner_id == actor.user_id)) or 0
    decisions.check_limits(
        own=own,
        total=total,
        per_user=settings.workspaces_per_user,
        at_all=settings.workspaces_total,
    )


async def titles_of(session: AsyncSession, actor: Person) -> frozenset[str]:
    query = select(Workspace.title).where(
        Workspace.owner_id == actor.user_id, Workspace.terminated_at.is_(None)
    )
    return frozenset(await session.scalars(query))


def title_taken(name: str, *, field: str = "name") -> Conflict:
    return Conflict(
        f"You have a workspace called {name} already.",
        code="name-taken",
        hint="Choose another name, or delete that one.",
        field=field,
    )
