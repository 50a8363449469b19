"""Makes a workspace of this server out of what an agent found, with its files, under its name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import ActualState, DesiredState, WorkspaceSpec
from moorage.kernel import log
from moorage.kernel.errors import Conflict, InvalidInput
from moorage.server import audit
from moorage.server.accounts.models import User
from moorage.server.accounts.rows import find_user
from moorage.server.agents.changes import AgentChanged
from moorage.server.audit import Target
from moorage.server.authorization import INSTALLATION, Action, Kind, Person, require
from moorage.server.core import Core
from moorage.server.found import decisions, schemas
from moorage.server.found.services import Row, follow, the_found
from moorage.server.storage.database import announce
from moorage.server.workspaces import asked as asking
from moorage.server.workspaces import intents, specs, view
from moorage.server.workspaces import schemas as workspace_schemas
from moorage.server.workspaces.changes import DesiredChanged
from moorage.server.workspaces.decisions import check_title, free_title, repository_name, title_of
from moorage.server.workspaces.making import make
from moorage.server.workspaces.models import Workspace

_LONGEST = 2000
"""Characters of what an agent gives back."""
_log = log.get(part="server.found")


@dataclass(frozen=True)
class _Made:
    """The parts that a workspace is made of beside what was found."""

    spec: WorkspaceSpec
    repository: str
    ref: str
    commit: str
    devfile_path: str
    devfile: str = ""
    asked: str = ""
    flat: str = ""
    warnings: tuple[workspace_schemas.Warning, ...] = ()


async def adopt(
    core: Core, actor: Person, agent_name: str, name: str, body: schemas.Adopt
) -> workspace_schemas.Workspace:
    """It is stopped, unless it runs: its owner starts it. What another agent works on becomes this
    one's.

    Raises `NotFound`, `Conflict` when it is something else by now, and `InvalidInput` (`field` says
    which) when it is not known whose it is, or what it is made from.
    """
    require(actor, Action.ADOPT_FOUND, INSTALLATION)
    async with core.database.read() as session:
        row = await the_found(session, actor, agent_name, name, body.mark)
        listed = _is_listed(row)
        named = "" if listed else (await _owner(session, actor, row, body.owner)).name
    made = None if listed else await _made(core, row, body, named)
    now = core.clock.now()
    async with core.database.write() as session:
        row = await the_found(session, actor, agent_name, name, body.mark)
        if row.found.removing_at is not None:
            raise Conflict(f"{name} is being removed.", code="found-removing")
        if row.workspace is not None and _is_listed(row):
            follow(session, row.workspace, row.told, now)
            workspace = row.workspace
            owner = await session.get_one(User, workspace.owner_id)
        elif made is None:
            raise Conflict(
                f"{name} has changed meanwhile.", code="found-changed", hint="Look at it again."
            )
        else:
            owner = await _owner(session, actor, row, body.owner)
            workspace = await _add(session, row, made, owner, now)
        audit.record(
            session,
            actor,
            Action.ADOPT_FOUND,
            Target(Kind.FOUND, name),
            detail=f"on {agent_name}, for {owner.name}",
        )
        await session.delete(row.found)
        announce(session, AgentChanged(agent=str(row.agent.id)))
    _log.warning(
        "a found workspace is adopted",
        workspace=name,
        agent=agent_name,
        owner=owner.name,
        by=actor.name,
    )
    return view.view(view.Row(workspace, row.agent, owner.name), actor, now)


def _is_listed(row: Row) -> bool:
    return row.workspace is not None and row.workspace.terminated_at is None


async def _owner(session: AsyncSession, actor: Person, row: Row, name: str) -> User:
    """Whom the administrator names; else who it was made for, if that is certain. Raises
    `InvalidInput`, `NotFound`."""
    if name:
        return await find_user(session, actor, name, Action.SEE_USER)
    if row.owner is None:
        raise InvalidInput(
            "It is not known here whose it is.",
            code="owner-unknown",
            field="owner",
            hint="Name its owner: one of `moor users`.",
        )
    return row.owner


async def _made(core: Core, row: Row, body: schemas.Adopt, owner: str) -> _Made:
    told, memo = row.told, row.told.memo
    place = {"zone_url": row.agent.zone_url, "origin": core.settings.origin}
    if body.repository:
        wanted = asking.Asked(repository=body.repository, ref=body.ref, devfile=body.devfile)
        made = await make(core, wanted, person="")
        spec = specs.for_workspace(made.spec, name=told.name, owner=owner, env={}, **place)
        reading, file = made.reading, made.reading.file
        return _Made(
            spec,
            reading.url,
            reading.ref.name,
            reading.commit,
            file.path,
            file.text,
            asking.encode(made.asked),
            made.flat,
            tuple(made.warnings),
        )
    if told.spec is None:
        raise InvalidInput(
            "The agent has its files, but no record of what it is made from: it was made by an earlier version.",
            code="spec-unknown",
            field="repository",
            hint="Name its repository: the workspace is made anew from the devfile there, on the files that are kept.",
        )
    if told.spec.main_container not in {container.name for container in told.spec.containers}:
        raise InvalidInput(
            "The agent's record of what it is made from cannot be used.",
            code="spec-unusable",
            field="repository",
            hint="Name its repository, and it is made anew from the devfile there.",
        )
    project = told.spec.projects[0] if told.spec.projects else None
    return _Made(
        spec=specs.moved_to(told.spec, name=told.name, **place),
        repository=(memo.get("repository") or (project.url if project else ""))[:_LONGEST],
        ref=memo.get("ref", "")[:_LONGEST],
        commit=memo.get("commit", "")[:_LONGEST],
        devfile_path=memo.get("devfile_path", "")[:_LONGEST],
    )


async def _add(session: AsyncSession, row: Row, made: _Made, owner: User, now: float) -> Workspace:
    told = row.told
    intent = decisions.followed(msgspec.structs.replace(told, desired=None))
    if row.workspace is not None:  # of the same name, which this server has deleted
        intent = replace(intent, generation=max(intent.generation, row.workspace.generation + 1))
        await session.delete(row.workspace)
        await session.flush()
    titles = select(Workspace.title).where(
        Workspace.owner_id == owner.id, Workspace.terminated_at.is_(None)
    )
    workspace = Workspace(
        name=told.name,
        title=free_title(
            _title(told.memo, made.repository), frozenset(await session.scalars(titles))
        ),
        owner_id=owner.id,
        agent_id=row.agent.id,
        repository=made.repository,
        ref=made.ref,
        commit=made.commit,
        devfile_path=made.devfile_path,
        devfile=made.devfile,
        spec=specs.encoded(made.spec),
        asked=made.asked,
        flat=made.flat,
        warnings=workspace_schemas.encoded_warnings(list(made.warnings)),
        created_at=told.since or now,
        requested_at=now,
        requested_generation=intent.generation,
        state=(
            ActualState.STARTING if intent.desired is DesiredState.RUNNING else ActualState.STOPPED
        ).value,
        actual_generation=told.generation,
    )
    intents.apply(workspace, intent, now)
    session.add(workspace)
    await session.flush()
    announce(session, DesiredChanged(workspace=workspace.name, agent=row.agent.id))
    return workspace


def _title(memo: dict[str, str], repository: str) -> str:
    try:
        return check_title(memo.get("title", ""))
    except InvalidInput:
        return title_of(repository_name(repository))
