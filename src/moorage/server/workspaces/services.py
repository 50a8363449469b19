"""Workspaces: load → decide → store. Creation is in `creation`, re-exported here."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import ActualState, DesiredState
from moorage.server import audit
from moorage.server.audit import Target
from moorage.server.authorization import Action, Kind, Person, may, resource_of, visible
from moorage.server.core import Core
from moorage.server.storage.database import announce
from moorage.server.workspaces import intents, loading, rebuilding, schemas, specs
from moorage.server.workspaces.changes import ActualChanged, DesiredChanged
from moorage.server.workspaces.creation import create_workspace, title_taken, titles_of
from moorage.server.workspaces.decisions import Request, check_title, next_intent
from moorage.server.workspaces.looks import OFTEN, SELDOM, Looks
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.rebuilding import propose, rebuild
from moorage.server.workspaces.view import Row, ports_view, spec_of, view

__all__ = [
    "create_workspace",
    "delete_workspace",
    "get_workspace",
    "list_ports",
    "list_workspaces",
    "propose",
    "rebuild",
    "rename_workspace",
    "restart_workspace",
    "start_workspace",
    "stop_workspace",
]


async def list_workspaces(
    core: Core, actor: Person, everyones: bool = False
) -> list[schemas.Workspace]:
    """One's own, or, for an administrator, everyone's. Terminated ones are gone."""
    loading.require_list(actor, everyones)
    query = loading.rows().where(visible(actor, Workspace))
    if not everyones:
        query = query.where(Workspace.owner_id == actor.user_id)
    async with core.database.read() as session:
        found = await loading.fetch(session, query)
    now = core.clock.now()
    return [view(row, actor, now) for row in found]


async def get_workspace(
    core: Core, actor: Person, name: str, *, look_every: float = SELDOM, wait: float = 0.0
) -> schemas.Workspace:
    """Has it looked at whether its devfile has changed, where the actor may know that, unless that
    was done in the last `look_every` seconds; the answer waits `wait` seconds for it at most."""
    async with core.database.read() as session:
        row = await loading.find(session, actor, name, Action.SEE_WORKSPACE)
    if may(actor, Action.SEE_INSIDE_WORKSPACE, resource_of(row.workspace)):
        looks = core.part(Looks)
        looks.ask(row.workspace, core.clock.now(), every=look_every)
        if wait and await looks.done(row.workspace.id, seconds=wait):
            async with core.database.read() as session:
                row = await loading.find(session, actor, name, Action.SEE_WORKSPACE)
    return view(row, actor, core.clock.now())


async def list_ports(core: Core, actor: Person, name: str) -> list[schemas.Port]:
    async with core.database.read() as session:
        row = await loading.find(session, actor, name, Action.SEE_WORKSPACE)
    return ports_view(row, actor)


async def start_workspace(
    core: Core, actor: Person, name: str, *, fresh_files: bool = False, rescue: bool = False
) -> schemas.Workspace:
    """`fresh_files`: where volumes are lost, empty ones take their place; what there is stays.
    `rescue`: an environment to repair it from takes the place of its own."""
    request: Request = "rescue" if rescue else "start"
    return await _request(
        core, actor, name, request, Action.START_WORKSPACE, fresh_files=fresh_files
    )


async def stop_workspace(core: Core, actor: Person, name: str) -> schemas.Workspace:
    return await _request(core, actor, name, "stop", Action.STOP_WORKSPACE)


async def restart_workspace(core: Core, actor: Person, name: str) -> schemas.Workspace:
    return await _request(core, actor, name, "restart", Action.RESTART_WORKSPACE)


async def rename_workspace(core: Core, actor: Person, name: str, title: str) -> schemas.Workspace:
    """Gives it another title. Its name, its addresses and its folder stay as they are; nothing is
    restarted. Raises `InvalidInput` for what is no title, `Conflict` for one that is taken."""
    try:
        async with core.database.write() as session:
            row = await loading.find(session, actor, name, Action.RENAME_WORKSPACE)
            check_title(title, field="title")
            workspace = row.workspace
            if workspace.title != title:
                if title in await titles_of(session, actor):
                    raise title_taken(title, field="title")
                workspace.title = title
                target = Target(Kind.WORKSPACE, workspace.name)
                audit.record(session, actor, Action.RENAME_WORKSPACE, target)
                announce(session, ActualChanged(workspace=workspace.name, agent=workspace.agent_id))
    except IntegrityError as error:
        # Another request took the title between look and write.
        raise title_taken(title, field="title") from error
    return view(row, actor, core.clock.now())


async def delete_workspace(core: Core, actor: Person, name: str) -> schemas.Workspace:
    return await _request(core, actor, name, "delete", Action.DELETE_WORKSPACE)


async def _request(
    core: Core,
    actor: Person,
    name: str,
    request: Request,
    action: Action,
    *,
    fresh_files: bool = False,
) -> schemas.Workspace:
    now = core.clock.now()
    async with core.database.write() as session:
        row = await loading.find(session, actor, name, action)
        await _lock(session, row)
        workspace = row.workspace
        changed = next_intent(
            intents.intent_of(workspace), request, state=ActualState(workspace.state)
        )
        if changed is not None:
            intents.apply(workspace, changed, now)
            workspace.rescue = request == "rescue"
            if fresh_files:
                workspace.volumes = "[]"
                rebuilding.clone_anew(workspace)
            if changed.desired is DesiredState.RUNNING:
                # Here alone: what runs goes on by the spec that it was made from.
                spec = specs.moved_to(
                    spec_of(workspace),
                    name=workspace.name,
                    zone_url=row.agent.zone_url,
                    origin=core.settings.origin,
                )
                workspace.spec = specs.encoded(spec)
            target = Target(Kind.WORKSPACE, workspace.name)
            said = {"with empty files": fresh_files, "for repair": request == "rescue"}
            detail = ", ".join(words for words, holds in said.items() if holds)
            audit.record(session, actor, action, target, detail=detail)
            announce(session, DesiredChanged(workspace=workspace.name, agent=workspace.agent_id))
    if request in ("start", "restart"):
        # It keeps the devfile that it has; that there is another one is told.
        core.part(Looks).ask(row.workspace, now, every=OFTEN)
    return view(row, actor, now)


async def _lock(session: AsyncSession, row: Row) -> None:
    """Reads the row anew and keeps others from changing it until the end of the transaction."""
    await session.refresh(row.workspace, with_for_update=True)
