"""Workspaces as they change: the source of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from moorage.server.authorization import Action, Actor
from moorage.server.state import ServerState
from moorage.server.workspaces import loading, schemas, services
from moorage.server.workspaces.view import view


async def watch_workspace(state: ServerState, actor: Actor, name: str) -> AsyncIterator[schemas.Workspace]:
    """The workspace at once, and whenever it has changed; ends when it is gone.

    Raises `NotFound` before anything is yielded, when awaited for the first item.
    """
    with state.changes.subscribe("desired", "actual", "agent") as changes:
        async with state.database.read() as session:
            row = await loading.find(session, actor, name, Action.SEE_WORKSPACE)
        exact, agent = row.workspace.name, str(row.agent.id)
        known = view(row, state.clock.now())
        yield known
        while True:
            pending = await changes.next()
            if not any(
                c.kind == "resync" or c.key == (agent if c.kind == "agent" else exact) for c in pending
            ):
                continue
            async with state.database.read() as session:
                found = await loading.still_there(session, actor, exact)
            if found is None:
                return
            fresh = view(found, state.clock.now())
            if fresh != known:
                known = fresh
                yield known


async def watch_workspaces(
    state: ServerState, actor: Actor, everyones: bool = False
) -> AsyncIterator[list[schemas.Workspace]]:
    """The list at once, and whenever something in it has changed."""
    with state.changes.subscribe("desired", "actual", "agent") as changes:
        known = await services.list_workspaces(state, actor, everyones)
        yield known
        while True:
            await changes.next()
            fresh = await services.list_workspaces(state, actor, everyones)
            if fresh != known:
                known = fresh
                yield known
