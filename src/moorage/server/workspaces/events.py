"""Workspaces as they change: what server-sent events are made of. Whether the reader may still see them is asked where they
are read (`http.events`)."""

from __future__ import annotations

from collections.abc import Hashable

from moorage.contract.hosts import owner_of
from moorage.server.authorization import EVERYBODY, Action, Actor, require
from moorage.server.changes import Changed, Kind
from moorage.server.state import ServerState
from moorage.server.workspaces import loading, schemas, services
from moorage.server.workspaces.view import view

GATHER = 0.05
"""Seconds: changes of the list that come so close together are one."""

_KINDS: tuple[Kind, ...] = ("desired", "actual", "agent")


class WatchedWorkspace:
    """One workspace as `actor` sees it, until it is gone. Its first load raises `NotFound`, as `loading.find` does."""

    kinds = _KINDS
    gather = 0.0

    def __init__(self, state: ServerState, actor: Actor, name: str) -> None:
        self.key: Hashable = ("workspace", actor.user_id, actor.role, name)
        self._state, self._actor, self._name = state, actor, name
        self._agent = ""
        """"": nothing has been loaded yet."""

    async def load(self) -> schemas.Workspace | None:
        async with self._state.database.read() as session:
            if self._agent:
                row = await loading.still_there(session, self._actor, self._name)
                if row is None:
                    return None
            else:
                row = await loading.find(session, self._actor, self._name, Action.SEE_WORKSPACE)
                self._name, self._agent = row.workspace.name, str(row.agent.id)
        return view(row, self._actor, self._state.clock.now())

    def concerns(self, change: Changed) -> bool:
        if change.kind == "resync":
            return True
        return change.key == (self._agent if change.kind == "agent" else self._name)


class WatchedList:
    """One's own workspaces, or, for an administrator, everyone's. Raises `Forbidden`."""

    kinds = _KINDS
    gather = GATHER

    def __init__(self, state: ServerState, actor: Actor, everyones: bool = False) -> None:
        require(actor, Action.LIST_WORKSPACES, EVERYBODY if everyones else actor.user_id)
        self.key: Hashable = ("workspaces", actor.user_id, actor.role, everyones)
        self._state, self._actor, self._everyones = state, actor, everyones
        self._names: frozenset[str] = frozenset()

    async def load(self) -> list[schemas.Workspace]:
        found = await services.list_workspaces(self._state, self._actor, self._everyones)
        self._names = frozenset(workspace.name for workspace in found)
        return found

    def concerns(self, change: Changed) -> bool:
        """One that was adopted may be named for somebody else."""
        if change.kind in ("desired", "actual") and not self._everyones:
            return change.key in self._names or owner_of(change.key) in (None, self._actor.user_id)
        return True
