"""Workspaces as they change: the source of server-sent events. They end when the reader may no longer see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from moorage.contract.hosts import owner_of
from moorage.server.accounts.revocation import Welcome
from moorage.server.authorization import Action, Actor
from moorage.server.changes import Changed, Kind
from moorage.server.state import ServerState
from moorage.server.workspaces import loading, schemas, services
from moorage.server.workspaces.view import view

GATHER = 0.05
"""Seconds: changes of the list that come so close together are one."""

_KINDS: tuple[Kind, ...] = ("desired", "actual", "agent", "session", "user")
_OF_PEOPLE = frozenset({"session", "user"})


async def watch_workspace(state: ServerState, actor: Actor, name: str) -> AsyncIterator[schemas.Workspace]:
    """The workspace at once, and whenever it has changed; ends when it is gone.

    Raises `NotFound` before anything is yielded, when awaited for the first item.
    """
    with state.changes.subscribe(*_KINDS) as changes:
        async with state.database.read() as session:
            row = await loading.find(session, actor, name, Action.SEE_WORKSPACE)
        exact, agent = row.workspace.name, str(row.agent.id)
        known = view(row, state.clock.now())
        yield known
        welcome = Welcome(state, actor)
        while True:
            pending = await welcome.next(changes)
            if pending is None:
                return
            if not any(_concerns(change, exact, agent) for change in pending):
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
    with state.changes.subscribe(*_KINDS) as changes:
        known = await services.list_workspaces(state, actor, everyones)
        yield known
        welcome = Welcome(state, actor)
        while True:
            pending = await welcome.next(changes)
            if pending is None:
                return
            if not any(_concerns_list(change, None if everyones else actor.user_id) for change in pending):
                continue
            await asyncio.sleep(GATHER)
            fresh = await services.list_workspaces(state, actor, everyones)
            if fresh != known:
                known = fresh
                yield known


def _concerns_list(change: Changed, owner: int | None) -> bool:
    """`owner`: whose list it is; None: everyone's."""
    if change.kind in _OF_PEOPLE:
        return False
    if change.kind in ("desired", "actual") and owner is not None:
        return owner_of(change.key) in (None, owner)
    return True


def _concerns(change: Changed, workspace: str, agent: str) -> bool:
    if change.kind == "resync":
        return True
    return change.key == agent if change.kind == "agent" else change.key == workspace
