"""All workspaces of this agent: what the server wants of them, what the engine says, and what goes
back.

Must not: hold anything that is not said anew after a reconnect, or can be read from the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from moorage.agent import metrics
from moorage.agent.runtimes.containers import not_running
from moorage.agent.runtimes.port import Backend, Identity, LogChunk, Runtime, RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces.loop import Workspace
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    DesiredWorkspace,
    FoundWorkspace,
    WorkspaceSpec,
    hosts,
)
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import Misconfigured

_log = log.get(part="agent.fleet")

SETTLE_SECONDS = 5.0
"""How long a full report waits for the first look at each workspace."""
REFUSED_NAME = Cause(
    code="name-refused",
    message="The agent takes no workspace of this name: it is none that a server gives.",
    hint="Names are workspace-<agent>-<owner>-<six letters or digits>; whoever runs the server should look where it comes from.",
)


class _Mine(NamedTuple):
    """Whose workspaces these are, and what runs them."""

    identity: Identity
    runtime: Runtime


class Fleet:
    """Also the runtime's `Listener`."""

    def __init__(
        self, backend: Backend, settings: AgentSettings, clock: Clock, place: str = ""
    ) -> None:
        """`place`: see `agent.place`."""
        self._backend = backend
        self._settings = settings
        self._clock = clock
        self._place = place
        self._workspaces: dict[str, Workspace] = {}
        self._mine: asyncio.Future[_Mine] = asyncio.get_running_loop().create_future()
        """Once the server has said whose workspaces these are."""
        self._listed = False
        """Whether a snapshot has come: only then it is known what it does not list."""
        self._sweep = asyncio.Event()
        self._swept = asyncio.Event()
        """Set once the engine has been asked, since the last snapshot, what there is."""
        self._observed = asyncio.Event()
        self._found_again = False
        """The server is mistaken about what was found, or may have lost it."""
        self._engine_known = asyncio.Event()
        self._lost: Cause | None = None
        self._refused: dict[str, ActualWorkspace] = {}
        """Reports on what the server wants under names that are no workspace's."""
        self._pending: dict[str, ActualWorkspace] = {}
        self._some_pending = asyncio.Event()
        self._reported = asyncio.Event()

    @property
    def runtime(self) -> Runtime:
        """The runtime of the workspaces, which is there after `introduce`."""
        return self._mine.result().runtime

    @property
    def engine_fault(self) -> Cause | None:
        return self._lost

    @property
    def states(self) -> dict[str, str]:
        return {
            name: w.actual.state.value
            for name, w in self._workspaces.items()
            if w.actual is not None
        }

    async def run(self) -> None:
        """Follows the engine, finds what the server does not list, and looks at everything now and
        then; until cancelled."""
        runtime = (await asyncio.shield(self._mine)).runtime
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(runtime.run(), name="engine events")
                group.create_task(self._sweeping(), name="sweeping")
                group.create_task(self._resyncing(), name="resync")
        finally:
            await asyncio.gather(*(workspace.close() for workspace in self._workspaces.values()))
            await runtime.close()

    # ------------------------------------------------------------------------------ from the server
    def introduce(self, identity: Identity) -> None:
        """Raises `Misconfigured` when the server is not the one whose workspaces these are."""
        identity = msgspec.structs.replace(identity, place=self._place)
        if not self._mine.done():
            self._mine.set_result(_Mine(identity, self._backend.runtime_for(identity, self)))
        elif self._mine.result().identity != identity:
            raise Misconfigured(
                "The server says that this agent is another one than before.",
                code="agent-identity-changed",
                hint="Was its database replaced? Start the agent anew to work for it.",
            )

    def snapshot(self, workspaces: Iterable[DesiredWorkspace]) -> None:
        listed = {desired.name: desired for desired in workspaces}
        self._refused.clear()
        for desired in listed.values():
            self.change(desired)
        for name, workspace in self._workspaces.items():
            if name not in listed:
                workspace.want(None)
        self._listed = self._found_again = True
        self._swept.clear()
        self._sweep.set()

    def change(self, desired: DesiredWorkspace) -> None:
        """Names become those of objects: one that no server gives could be that of somebody else's,
        which would be changed and, with the workspace, deleted."""
        if self._accepts(desired.name):
            self._workspace(desired.name).want(desired)
            return
        _log.error("a workspace's name is refused", workspace=desired.name)
        self._refused[desired.name] = ActualWorkspace(
            name=desired.name,
            generation=desired.generation,
            state=ActualState.ERROR,
            cause=msgspec.structs.replace(REFUSED_NAME, since=self._clock.now()),
            observed_at=self._clock.now(),
        )
        self._report(self._refused[desired.name])

    def _accepts(self, name: str) -> bool:
        return self._mine.done() and hosts.is_workspace_name(
            name, self._mine.result().identity.agent
        )

    def spec_of(self, name: str) -> WorkspaceSpec | None:
        workspace = self._workspaces.get(name)
        return (
            workspace.desired.spec
            if workspace is not None and workspace.desired is not None
            else None
        )

    def post_start_output(
        self, name: str, follow: bool, tail: int | None
    ) -> AsyncIterator[LogChunk]:
        """What its postStart commands write; see `Output.read`. Raises `NotFound`."""
        workspace = self._workspaces.get(name)
        if workspace is None:
            raise not_running()
        return workspace.post_start_output().read(follow=follow, tail=tail)

    # -------------------------------------------------------------------------------- to the server
    async def everything(self) -> tuple[ActualWorkspace, ...]:
        """For a full report: each workspace once it has been looked at, at least those that have
        been in time."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while any(
                    w.actual is None for w in self._workspaces.values() if w.desired is not None
                ):
                    self._reported.clear()
                    await self._reported.wait()
        except TimeoutError:
            _log.info("not every workspace has been looked at yet")
        self._pending.clear()
        looked_at = [w.actual for w in self._workspaces.values() if w.desired is not None]
        return (*(actual for actual in looked_at if actual is not None), *self._refused.values())

    async def news(self) -> tuple[ActualWorkspace, ...]:
        """The newest reports on all workspaces that have changed since the last call, once one
        has."""
        while not self._pending:
            self._some_pending.clear()
            await self._some_pending.wait()
        pending = tuple(self._pending.values())
        self._pending.clear()
        self._forget_gone()
        return pending

    async def found(self, last: tuple[FoundWorkspace, ...] | None) -> tuple[FoundWorkspace, ...]:
        """All that the server does not know, once it is known and is something else than `last`."""
        while True:
            await self._swept.wait()
            self._observed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    while not all(workspace.is_observed for workspace in self._workspaces.values()):
                        await self._observed.wait()
                        self._observed.clear()
            found = tuple(
                f for _, w in sorted(self._workspaces.items()) if (f := w.found) is not None
            )
            if found != last or self._found_again:
                self._found_again = False
                return found
            await self._observed.wait()

    def remove_found(self, name: str, mark: str) -> None:
        """Only what the server does not list, and what is still as it was told."""
        workspace = self._workspaces.get(name)
        if workspace is None or not workspace.remove_found(mark):
            _log.warning("not removed: it is not what the server takes it for", workspace=name)
            self._found_again = True
            self._observed.set()

    def _report(self, actual: ActualWorkspace) -> None:
        self._pending[actual.name] = actual
        self._some_pending.set()
        self._reported.set()

    # ------------------------------------------------------------------------------ from the engine
    def changed(self, workspace: str) -> None:
        if (known := self._workspaces.get(workspace)) is not None:
            known.changed()
        elif self._listed:
            self._sweep.set()

    def progressed(self, workspace: str) -> None:
        if (known := self._workspaces.get(workspace)) is not None:
            known.progressed()

    def lost(self, cause: Cause) -> None:
        if self._lost is None:
            _log.warning(
                "the engine does not answer",
                code=cause.code,
                cause=cause.message,
                detail=cause.detail,
            )
            for workspace in self._workspaces.values():
                workspace.lost(cause)
        self._lost = cause
        self._engine_known.set()

    def recovered(self) -> None:
        if self._lost is not None:
            _log.info("the engine answers again")
        self._lost = None
        self._engine_known.set()
        for workspace in self._workspaces.values():
            workspace.recovered()
        self._sweep.set()

    # --------------------------------------------------------------------------------- housekeeping
    async def _sweeping(self) -> None:
        """Gives each workspace that carries our labels and is not listed a task, which stops and
        keeps it.

        Names that no workspace of ours has are left alone: somebody else put the labels there.
        """
        while True:
            await self._sweep.wait()
            self._sweep.clear()
            if not self._listed:
                continue
            try:
                names = await self.runtime.names()
            except RuntimeFault:
                continue  # `recovered` asks again
            for name in sorted(filter(self._accepts, names - self._workspaces.keys())):
                _log.warning("found what the server does not list", workspace=name)
                self._workspace(name).changed()
            self._forget_gone()
            self._swept.set()
            self._observed.set()

    async def _resyncing(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync)
            for workspace in self._workspaces.values():
                workspace.changed()
            self._sweep.set()

    def _forget_gone(self) -> None:
        for name, workspace in list(self._workspaces.items()):
            if workspace.gone and name not in self._pending:
                del self._workspaces[name]
                workspace.end()
                if (
                    workspace.actual is not None
                    and workspace.actual.state is ActualState.TERMINATED
                ):
                    metrics.WORKSPACES.labels(ActualState.TERMINATED.value).dec()

    def _workspace(self, name: str) -> Workspace:
        workspace = self._workspaces.get(name)
        if workspace is None:
            workspace = Workspace(
                name,
                self.runtime,
                settings=self._settings,
                clock=self._clock,
                report=self._report,
                engine_known=self._engine_known,
                place=self._place,
                on_observed=self._observed.set,
            )
            self._workspaces[name] = workspace
            if self._lost is not None:
                workspace.lost(self._lost)
        return workspace
