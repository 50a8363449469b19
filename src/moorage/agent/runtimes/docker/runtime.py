"""The port's `Runtime`: an agent's workspaces on a Docker or Podman engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from moorage.agent import causes
from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.containers import Candidate, find
from moorage.agent.runtimes.docker import commands, objects, records
from moorage.agent.runtimes.docker.description import EngineDescription, describe
from moorage.agent.runtimes.docker.disk import DiskWatch
from moorage.agent.runtimes.docker.engine import Engine, EngineError, faults
from moorage.agent.runtimes.docker.guard import Guard, keep_rules, remove_unneeded_rules
from moorage.agent.runtimes.docker.images import Images
from moorage.agent.runtimes.docker.inventory import Inventory
from moorage.agent.runtimes.docker.keeper import KEEPER, Keeper
from moorage.agent.runtimes.docker.kept import may_stay
from moorage.agent.runtimes.docker.logs import container_log
from moorage.agent.runtimes.docker.monitor import StartMonitor
from moorage.agent.runtimes.docker.networks import Networks
from moorage.agent.runtimes.docker.observe import (
    address_of,
    labels_of,
    received_at,
    rescue_of,
    role_of,
    run_of,
    seconds,
    state_of,
)
from moorage.agent.runtimes.docker.progress import StartProgress, rebuild
from moorage.agent.runtimes.docker.removal import Removal
from moorage.agent.runtimes.docker.shared_volumes import SharedVolumes
from moorage.agent.runtimes.docker.start import Start, StartContext
from moorage.agent.runtimes.port import (
    ExecRequest,
    ExecSession,
    Identity,
    Listener,
    LogChunk,
    Observed,
    Progress,
    Rescue,
    RuntimeFault,
    StepRequest,
)
from moorage.agent.runtimes.rescue import made_as
from moorage.agent.runtimes.step_output import StepOutput
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.agent.settings import AgentSettings
from moorage.contract import ContainerState, DesiredWorkspace, StageName, WorkspaceSpec
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError
from moorage.kernel.tasks import Backoff, leaves

_log = log.get(part="agent.docker")

EVENTS = ("start", "die", "died", "destroy", "remove", "oom", "pause", "unpause")
"""Events of containers and volumes, in Docker's and Podman's words; others change nothing here."""
EVENTS_OVERLAP = 5.0
"""Seconds that an event stream begins in the past, so that nothing falls between it and the first
look."""


class DockerRuntime:
    """The workspaces of one agent on an engine."""

    def __init__(
        self,
        engine: Engine,
        images: Images,
        guard: Guard,
        *,
        settings: AgentSettings,
        versioned: Callable[[], VersionedSettings],
        clock: Clock,
        identity: Identity,
        listener: Listener,
    ) -> None:
        """`versioned` tells what workspaces are made by from now on."""
        self._engine = engine
        self._guard = guard
        self._versioned = versioned
        self._clock = clock
        self._identity = identity
        self._listener = listener
        self._described: EngineDescription | None = None
        """None: the engine has not answered yet, and nothing is begun."""
        self._starts: dict[str, StartProgress] = {}
        self._seen: set[str] = set()
        """The workspaces that have been asked for."""
        self._inventory = Inventory(engine, identity)
        self._removal = Removal(engine, self._inventory, settings.stop_timeout)
        self._disk = DiskWatch(engine, settings)
        self._monitor = StartMonitor(engine, settings, clock, listener.changed)
        self._volumes = SharedVolumes(engine, images, identity, settings)
        self._keeper = Keeper(engine, self._inventory, identity, self._volumes)
        self._networks = Networks(engine, identity, settings.network_pool, settings.network_mtu)
        self._context = StartContext(
            engine=engine,
            images=images,
            volumes=self._volumes,
            networks=self._networks,
            monitor=self._monitor,
            settings=settings,
            identity=identity,
        )

    async def close(self) -> None:
        await self._monitor.close()
        if self._described is not None:
            await remove_unneeded_rules(self._networks)

    # --------------------------------------------------------------------------------------- events
    async def run(self) -> None:
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                described = await self._connect()
                self._listener.recovered()
                backoff.reset()
                await self._follow(described)
                ended = causes.engine_unreachable(self._engine.host, "its event stream ended")
                self._listener.lost(ended.cause)
            except* (RuntimeFault, EngineError) as group:
                self._listener.lost(_fault_in(group).cause)
            await asyncio.sleep(backoff.delay())

    async def _connect(self) -> EngineDescription:
        """Asks the engine what it is, and guards what is there."""
        described = await describe(self._engine)
        self._networks.firewall = await self._guard.firewall(
            self._identity, podman=described.podman
        )
        await self._networks.ensure_rules()
        self._described = described
        return described

    async def _follow(self, described: EngineDescription) -> None:
        """Follows the engine's events until they end, and what has to be looked at now and then."""
        async with asyncio.TaskGroup() as group:
            warming = _warm(self._volumes, self._versioned().settings.ca_bundle)
            measuring = self._disk.run(self._identity, described.folder, lambda: self._starts)
            beside = [
                group.create_task(warming, name="shared volumes"),
                group.create_task(measuring, name="disk"),
                group.create_task(keep_rules(self._networks), name="firewall"),
                group.create_task(self._keeper.run(), name="keeper of volumes"),
            ]
            await self._follow_events()
            for task in beside:
                task.cancel()

    async def _follow_events(self) -> None:
        filters = {
            "type": ["container", "volume"],  # of volumes, no engine tells labels
            "event": list(EVENTS),
        }
        since = f"{self._clock.now() - EVENTS_OVERLAP:.0f}"
        events = self._engine.lines(
            "GET", "events", doing="following events", filters=filters, since=since
        )
        async for event in events:
            actor = event.get("Actor") or {}
            attributes = actor.get("Attributes") or {}
            if event.get("Type") == "volume":
                workspace = objects.workspace_of_volume(actor.get("ID") or "")
                if workspace in self._seen:
                    self._listener.changed(workspace)
            elif ownership.is_ours(attributes, self._identity) and KEEPER in attributes:
                self._keeper.changed()
            elif ownership.is_ours(attributes, self._identity) and (
                name := attributes.get(ownership.WORKSPACE)
            ):
                self._listener.changed(name)

    # -------------------------------------------------------------------------------------- observe
    async def names(self) -> frozenset[str]:
        with faults():
            return await self._inventory.names()

    async def observe(self, name: str, desired: DesiredWorkspace | None) -> Observed:
        self._seen.add(name)
        with faults():
            containers, volumes, networks = await asyncio.gather(
                self._inventory.containers(name),
                self._inventory.listed("volumes", name),
                self._inventory.listed("networks", name),
            )
            found = list(containers.values())
            run = None
            if found:
                lines = await self._inventory.last_lines(containers)
                if desired is not None:
                    desired = made_as(desired, rescue_of(found))
                self._follow_start(name, desired, containers)
                run = run_of(found, desired, lines, self.progress(name))
            else:
                self._forget(name)
            return records.observed(name, volumes, networks, found, run)

    def progress(self, name: str) -> Progress:
        start = self._starts.get(name)
        return start.progress if start is not None else Progress()

    def _follow_start(
        self, name: str, desired: DesiredWorkspace | None, containers: Mapping[str, Any]
    ) -> None:
        """Follows what runs and is not known to be ready: after a start, a repair, or the agent's
        own restart."""
        if desired is None:
            return
        items = list(containers.values())
        sandbox = next((c for c in items if role_of(c) == "sandbox"), None)
        if sandbox is None or state_of(sandbox) is not ContainerState.RUNNING:
            return
        progress = self._start_of(name)
        if progress.timeline.state(StageName.RECEIVED) == "waiting":
            rebuild(progress, items)
        self._monitor.follow_clone(desired, progress, sandbox)
        main = next((c for c in items if role_of(c) == "main"), None)
        address = address_of(items)
        if main is not None and state_of(main) is ContainerState.RUNNING:
            started = seconds(main["State"]["StartedAt"])
            self._monitor.probe_editor(desired, progress, address, main["Id"], started)

    def _start_of(self, name: str) -> StartProgress:
        if name not in self._starts:
            notify = partial(self._listener.progressed, name)
            self._starts[name] = StartProgress(self._clock, notify)
        return self._starts[name]

    def _forget(self, name: str) -> None:
        self._monitor.drop(name)
        self._starts.pop(name, None)

    # ---------------------------------------------------------------------------------------- apply
    async def start(
        self,
        desired: DesiredWorkspace,
        *,
        received: float,
        fresh: bool = False,
        rescue: Rescue | None = None,
    ) -> None:
        described = self._answered()
        with faults():
            existing, _ = await asyncio.gather(
                self._inventory.containers(desired.name), self.note(desired)
            )
            desired = made_as(desired, rescue)
            stale = [n for n, c in existing.items() if fresh or not may_stay(c, desired)]
            if stale:
                await self._removal.remove_containers([existing[n] for n in stale], gently=True)
            kept = {n: c for n, c in existing.items() if n not in stale}
            if not kept:
                self._forget(desired.name)
                lasting = objects.lasting_volumes(desired)
                await self._removal.remove_outlived(desired.name, lasting)
            began = received_at(list(kept.values())) or received
            progress = self._start_of(desired.name)
            progress.begin(StageName.RECEIVED, at=began)
            progress.end(StageName.RECEIVED, self._clock.now())
            start = Start(
                self._context,
                desired,
                progress,
                kept,
                began,
                versioned=self._versioned(),
                described=described,
                rescue=rescue,
            )
            await start.run()
            self._keeper.changed()
            self._follow_start(
                desired.name, desired, await self._inventory.containers(desired.name)
            )

    async def note(self, desired: DesiredWorkspace) -> None:
        self._answered()
        with faults():
            volumes = await self._inventory.listed("volumes", desired.name)
            await records.write(self._engine, self._identity, desired, volumes)

    async def halt(self, name: str) -> None:
        with faults():
            self._monitor.drop(name)
            containers = await self._inventory.containers(name)
            await self._removal.end_processes(list(containers.values()))

    async def stop(self, name: str) -> None:
        with faults():
            self._forget(name)
            await self._keeper.secure()
            await self._removal.remove_run(name, gently=True)
            await self._removal.remove_volumes(name, ephemeral_only=True)

    async def remove(self, name: str) -> None:
        with faults():
            self._forget(name)
            self._seen.discard(name)
            await self._removal.remove_run(name, gently=False)
            volumes = [item["Name"] for item in await self._inventory.listed("volumes", name)]
            async with self._keeper.without(volumes):
                await self._removal.remove_volumes(name, ephemeral_only=False)

    # ---------------------------------------------------------------------------- logs and commands
    async def logs(
        self, name: str, container: str = "", *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[LogChunk]:
        found = await self._find(name, container, for_log=True)
        clone = role_of(found) == "sandbox"  # its standard output is for the agent
        with faults():
            async for chunk in container_log(
                self._engine, found["Id"], follow=follow, tail=tail, stdout=not clone
            ):
                yield chunk

    @asynccontextmanager
    async def execute(
        self, name: str, request: ExecRequest, spec: WorkspaceSpec | None = None
    ) -> AsyncIterator[ExecSession]:
        found = await self._find(name, request.container)
        folder = spec.folder if spec is not None and role_of(found) == "main" else ""
        async with commands.running(self._engine, found["Id"], request, folder) as session:
            yield session

    async def run_step(
        self, name: str, request: StepRequest, heard: Callable[[bytes], None] | None = None
    ) -> tuple[int, str]:
        found = await self._find(name, request.container)
        return await commands.run_step(self._engine, found["Id"], request, StepOutput(heard))

    async def _find(self, name: str, container: str, *, for_log: bool = False) -> Any:
        """See `containers.find`."""
        with faults():
            found = await self._inventory.containers(name)
        candidates = [
            Candidate(
                labels_of(item).get(objects.CONTAINER, ""),
                role_of(item),
                state_of(item) is ContainerState.RUNNING,
                item,
            )
            for item in found.values()
        ]
        return find(candidates, container, for_log=for_log)

    def _answered(self) -> EngineDescription:
        """The engine's description. Raises `RuntimeFault` before it has answered."""
        if self._described is None:
            verdict = causes.engine_unreachable(self._engine.host, "it has not answered yet")
            raise RuntimeFault(verdict.cause, final=False)
        return self._described


async def _warm(volumes: SharedVolumes, extra_ca: str) -> None:
    """Fills what all share ahead of the first start, which tells what is wrong with it."""
    try:
        await volumes.prepare(extra_ca)
    except (MoorageError, EngineError) as error:
        _log.warning("the shared volumes are not ready", error=str(error))


def _fault_in(group: BaseExceptionGroup[RuntimeFault | EngineError]) -> RuntimeFault:
    """The first of them, as the port has it."""
    found = (error.fault() if isinstance(error, EngineError) else error for error in leaves(group))
    return next(error for error in found if isinstance(error, RuntimeFault))
