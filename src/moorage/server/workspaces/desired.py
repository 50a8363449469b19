"""Desired workspaces of agents: the rows of workspaces as the contract says them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import ColumnElement, select, update

from moorage.contract import (
    Credential,
    DesiredState,
    DesiredWorkspace,
    Project,
    WorkspaceSpec,
)
from moorage.server.accounts.models import User
from moorage.server.core import Core
from moorage.server.repositories.default_devfile import DefaultDevfile
from moorage.server.settings import Credentials
from moorage.server.storage.database import announce
from moorage.server.workspaces import decisions
from moorage.server.workspaces.changes import ActualChanged
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import spec_of


async def desired_of(core: Core, agent_id: int) -> list[DesiredWorkspace]:
    """All that the agent should have; those to be deleted too, until it says that nothing is left
    of them."""
    return await _desired_where(core, Workspace.agent_id == agent_id)


async def desired_named(core: Core, agent_id: int, names: Sequence[str]) -> list[DesiredWorkspace]:
    return await _desired_where(core, (Workspace.agent_id == agent_id) & Workspace.name.in_(names))


async def _desired_where(core: Core, condition: ColumnElement[bool]) -> list[DesiredWorkspace]:
    query = (
        select(Workspace, User.name)
        .join(User, User.id == Workspace.owner_id)
        .where(condition, Workspace.terminated_at.is_(None))
    )
    async with core.database.read() as session:
        rows = (await session.execute(query.order_by(Workspace.id))).all()
    credentials, image = core.part(Credentials), core.part(DefaultDevfile).image
    return [_desired(row, owner, credentials, image) for row, owner in rows]


async def sent(core: Core, workspaces: Sequence[DesiredWorkspace], at: float) -> None:
    """Notes when the newest start of each was passed to the agent for the first time: the end of
    `queued`."""
    running = [w for w in workspaces if w.desired is DesiredState.RUNNING]
    if not running:
        return
    locked = (
        select(Workspace.id)
        .where(Workspace.name.in_([w.name for w in running]), Workspace.sent_at.is_(None))
        .order_by(Workspace.id)
        .with_for_update()
    )
    async with core.database.write() as session:
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
                core.metrics.stage_seconds.labels("queued").observe(max(0.0, at - requested_at))
                announce(session, ActualChanged(workspace=workspace.name))


def _desired(
    row: Workspace, owner_name: str, credentials: Credentials, rescue_image: str
) -> DesiredWorkspace:
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
        volumes=decisions.volumes_of(row.volumes),
        rescue=row.rescue,
        rescue_image=rescue_image,
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
    """The spec with what opens the repository that its owner has asked for: added on the way out,
    stored nowhere. Other projects are the devfile's wish, and that may be anybody's."""

    def opened(project: Project) -> Project:
        found = credentials.of(project.url, asked=asked)
        if found is None:
            return project
        host = urlsplit(project.url).netloc.lower()
        credential = Credential(
            host=host,
            username=found[0],
            password=found[1],
            submodules=credentials.scope_of(project.url),
        )
        return msgspec.structs.replace(project, credential=credential)

    return msgspec.structs.replace(spec, projects=tuple(map(opened, spec.projects)))
