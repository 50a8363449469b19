"""Workspaces as they change: what server-sent events are made of. Whether the reader may still see
them is asked where they are read (`http.events`)."""

from __future__ import annotations

from collections.abc import Hashable

from moorage.contract.hosts import owner_of
from moorage.server.agents.changes import AgentChanged
from moorage.server.authorization import Action, Person, may, resource_of
from moorage.server.core import Core
from moorage.server.storage.changes import RESYNC, Changed
from moorage.server.workspaces import loading, schemas, services
from moorage.server.workspaces.changes import ActualChanged, DesiredChanged
from moorage.server.workspaces.looks import Looks
from moorage.server.workspaces.view import view

GATHER = 0.05
"""Seconds: changes of the list that come so close together are one."""

_KINDS: tuple[type[Changed], ...] = (DesiredChanged, ActualChanged, AgentChanged)


class WatchedWorkspace:
    """One workspace as `actor` sees it, until it is gone. Its first load raises `NotFound`, as
    `loading.find` does."""

    kinds = _KINDS
    gather = 0.0

    def __init__(self, core: Core, actor: Person, name: str) -> None:
        self.key: Hashable = ("workspace", actor.rights, name)
        self._core, self._actor, self._name = core, actor, name
        self._agent = ""
        """"": nothing has been loaded yet."""

    async def load(self) -> schemas.Workspace | None:
        async with self._core.database.read() as session:
            if self._agent:
                row = await loading.still_there(session, self._actor, self._name)
                if row is None:
                    return None
            else:
                row = await loading.find(session, self._actor, self._name, Action.SEE_WORKSPACE)
                if may(self._actor, Action.SEE_INSIDE_WORKSPACE, resource_of(row.workspace)):
                    self._core.part(Looks).ask(row.workspace, self._core.clock.now())
                self._name, self._agent = row.workspace.name, str(row.agent.id)
        return view(row, self._actor, self._core.clock.now())

    def concerns(self, change: Changed) -> bool:
        match change:
            case AgentChanged():
                return change.agent == self._agent
            case DesiredChanged() | ActualChanged():
                return change.workspace == self._name
        return change == RESYNC


class WatchedList:
    """One's own workspaces, or, for an administrator, everyone's. Raises `Forbidden`."""

    kinds = _KINDS
    gather = GATHER

    def __init__(self, core: Core, actor: Person, everyones: bool = False) -> None:
        loading.require_list(actor, everyones)
        self.key: Hashable = ("workspaces", actor.rights, everyones)
        self._core, self._actor, self._everyones = core, actor, everyones
        self._names: frozenset[str] = frozenset()

    async def load(self) -> list[schemas.Workspace]:
        found = await services.list_workspaces(self._core, self._actor, self._everyones)
        self._names = frozenset(workspace.name for workspace in found)
        return found

    def concerns(self, change: Changed) -> bool:
        """One that was adopted may be named for somebody else."""
        if isinstance(change, DesiredChanged | ActualChanged) and not self._everyones:
            own = owner_of(change.workspace) in (None, self._actor.user_id)
            return own or change.workspace in self._names
        return True
