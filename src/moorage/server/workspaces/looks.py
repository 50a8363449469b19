"""Looks whether the devfiles of workspaces have changed where they were read: load → read → store.

A workspace is looked at when somebody looks at it, or starts it, and not again for a while;
`LOOKING` are read at a time, behind whoever asked. Nothing that goes wrong here stops a workspace:
it is told.
"""

from __future__ import annotations

import asyncio

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import DesiredState
from moorage.kernel import log
from moorage.kernel.errors import LimitReached, MoorageError, Unavailable
from moorage.server.core import Core
from moorage.server.storage.database import announce
from moorage.server.workspaces import loading
from moorage.server.workspaces.basis import Basis, basis_of, completed, spec_from
from moorage.server.workspaces.changes import ActualChanged
from moorage.server.workspaces.differences import differences
from moorage.server.workspaces.look import Failure, Look, encode, look_of
from moorage.server.workspaces.making import Made, make
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import Row

LOOKING = 2
"""Workspaces that a replica looks at, at a time."""
WAITING = 200
"""Those that wait for it; more are looked at the next time."""
SELDOM, OFTEN = 60.0, 5.0
"""Seconds between two looks: when a program asks for the workspace, and when a person does."""
WAIT = 5.0
"""Seconds for which an answer to a person waits for the repository's host."""
_BUSY = frozenset({"reads-waiting", "reads-busy"})
_log = log.get(part="server.workspaces.looks")


class Looks:
    """The workspaces that are to be looked at, in this replica."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[int] = asyncio.Queue(WAITING)
        self._waiting: dict[int, asyncio.Event] = {}

    def ask(self, workspace: Workspace, now: float, *, every: float = SELDOM) -> None:
        """Has it looked at, unless that was done less than `every` seconds ago."""
        staying = workspace.desired != DesiredState.TERMINATED.value
        if workspace.id in self._waiting or not staying or not _is_due(workspace, now, every):
            return
        try:
            self._queue.put_nowait(workspace.id)
        except asyncio.QueueFull:
            return
        self._waiting[workspace.id] = asyncio.Event()

    async def done(self, workspace_id: int, *, seconds: float) -> bool:
        """Waits until it has been looked at, if it is to be, for so long at most. Whether it has
        been."""
        if (event := self._waiting.get(workspace_id)) is None:
            return False
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def run(self, core: Core) -> None:
        """Looks at what was asked for. Runs for as long as the server."""
        async with asyncio.TaskGroup() as group:
            for number in range(LOOKING):
                group.create_task(self._work(core), name=f"looks.{number}")

    async def _work(self, core: Core) -> None:
        while True:
            workspace_id = await self._queue.get()
            try:
                await look_at(core, workspace_id)
            except Exception as error:  # noqa: BLE001 - one look's fault is no other's
                _log.error("looking for another devfile failed", exc_info=error)
            finally:
                self._waiting.pop(workspace_id).set()


async def follow(core: Core) -> None:
    await core.part(Looks).run(core)


async def look_at(core: Core, workspace_id: int) -> None:
    """Reads the devfile again, with what opened its repository at the creation, and notes whether
    it is another one."""
    async with core.database.write() as session:
        row = await _locked(session, workspace_id)
        if row is None or not _is_due(row.workspace, core.clock.now(), OFTEN):
            return  # another replica has
        row.workspace.looked_at = core.clock.now()
        basis, before = await basis_of(session, row), look_of(row.workspace)
    try:
        basis = await completed(core, basis)
        made = await make(core, basis.asked, person=str(basis.owner_id), folder=basis.folder)
        look = Look(_changed(core, basis, made), made.reading.ref.name, made.reading.commit)
    except (LimitReached, Unavailable) as error:
        if error.code in _BUSY:
            return
        look = _failed(error, before)
    except MoorageError as error:
        look = _failed(error, before)
    async with core.database.write() as session:
        row = await _locked(session, workspace_id)
        if row is None or not basis.same(row.workspace):
            return
        workspace = row.workspace
        stored = encode(look)
        if stored != workspace.look:
            workspace.look = stored
            announce(session, ActualChanged(workspace=workspace.name, agent=workspace.agent_id))


def _changed(core: Core, basis: Basis, made: Made) -> bool:
    if basis.flat:
        return basis.flat != made.flat
    return bool(differences(basis.spec, spec_from(core, basis, made)[1]))


def _failed(error: MoorageError, before: Look) -> Look:
    failure = Failure(error.code, error.message, error.hint)
    return msgspec.structs.replace(before, failure=failure)


def _is_due(workspace: Workspace, now: float, every: float) -> bool:
    return workspace.looked_at is None or not 0 <= now - workspace.looked_at < every


async def _locked(session: AsyncSession, workspace_id: int) -> Row | None:
    rows = await loading.fetch(session, loading.rows().where(Workspace.id == workspace_id))
    if not rows:
        return None
    await session.refresh(rows[0].workspace, with_for_update=True)
    return rows[0] if rows[0].workspace.terminated_at is None else None
