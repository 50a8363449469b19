"""The port's implementation: `Runtime` on a Docker or Podman engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from moorage.agent import causes
from moorage.agent.runtimes.docker import commands, objects, records
from moorage.agent.runtimes.docker.access import find_host
from moorage.agent.runtimes.docker.disk import DiskWatch
from moorage.agent.runtimes.docker.engine import Engine, EngineError, faults
from moorage.agent.runtimes.docker.guard import Guard, keep, leave
from moorage.agent.runtimes.docker.images import Images
from moorage.agent.runtimes.docker.limits import machine_of
from moorage.agent.runtimes.docker.logs import container_log, last_lines
from moorage.agent.runtimes.docker.networks import Networks
from moorage.agent.runtimes.docker.observe import (
    address_of,
    labels_of,
    received_at,
    role_of,
    run_of,
    seconds,
    state_of,
)
from moorage.agent.runtimes.docker.shared import Shared
from moorage.agent.runtimes.docker.start import Start, Tools, may_stay, remove_container
from moorage.agent.runtimes.docker.watch import Track, Watches, rebuild
from moorage.agent.runtimes.port import (
    ExecRequest,
    ExecSession,
    Identity,
    Listener,
    LogChunk,
    Observed,
    Progress,
    RuntimeFault,
    RuntimeInfo,
    StepRequest,
)
from moorage.agent.runtimes.versioned_settings import VersionedSettings, completed
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause, ContainerState, DesiredWorkspace, StageName, WorkspaceSpec
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError, NotFound
from moorage.kernel.tasks import Backoff
from moorage.workspace_settings import RemoteDevelopment

_log = log.get(part="agent.docker")

EVENTS = ("start", "die", "died", "destroy", "remove", "oom", "pause", "unpause")
"""Of containers, in Docker's and Podman's words; what else happens to them changes nothing here."""
EVENTS_OVERLAP = 5.0
"""Seconds that an event stream begins in the past, so that nothing falls between it and the first look."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


class DockerRuntime:
    def __init__(self, settings: AgentSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._chosen = VersionedSettings(completed(RemoteDevelopment(), settings))
        self._engine = Engine(find_host(settings.docker_host))
        self._images = Images(self._engine, settings.pull_timeout)
        self._watches = Watches(self._engine, settings, clock, self._look_again)
        self._tracks: dict[str, Track] = {}
        self._lines: dict[tuple[str, str], str] = {}
        self._listener: Listener | None = None
        self._identity: Identity | None = None
        self._tools: Tools | None = None
        self._disk = DiskWatch(self._engine, settings)
        self._guard = Guard(settings.reachable_by, self._engine.host)

    @property
    def caveat(self) -> str:
        return self._guard.caveat

    async def describe(self) -> RuntimeInfo:
        with faults():
            version, info = await asyncio.gather(
                self._request("GET", "version", timeout=10), self._request("GET", "info", timeout=10)
            )
        machine = machine_of(info)
        return RuntimeInfo(
            kind="podman" if _is_podman(version) else "docker",
            version=str(version["Version"]),
            cpu=machine.cpu,
            memory=machine.memory,
        )

    def configure(self, settings: RemoteDevelopment, version: int) -> None:
        self._chosen = VersionedSettings(settings, version)

    async def close(self) -> None:
        await self._watches.close()
        if self._tools is not None:
            await leave(self._tools.networks)
        await self._engine.close()

    # ------------------------------------------------------------------------------------------ events
    async def run(self, identity: Identity, listener: Listener) -> None:
        self._identity = identity
        self._listener = listener
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                shared, root = await self._prepare(identity)
                listener.recovered()
                backoff.reset()
                async with asyncio.TaskGroup() as group:
                    warming = group.create_task(
                        _warm(shared, self._chosen.settings.ca_bundle), name="shared volumes"
                    )
                    measuring = group.create_task(
                        self._disk.run(identity, root, lambda: self._tracks), name="disk"
                    )
                    guarding = group.create_task(keep(self._require_tools().networks), name="firewall")
                    await self._follow_events(identity, listener)
                    warming.cancel()
                    measuring.cancel()
                    guarding.cancel()
                listener.lost(causes.engine_unreachable(self._engine.host, "its event stream ended").cause)
            except (RuntimeFault, EngineError) as error:
                listener.lost(_cause_of(error))
            except BaseExceptionGroup as group_of_errors:
                found, rest = group_of_errors.split((RuntimeFault, EngineError))
                if rest is not None or found is None:
                    raise
                listener.lost(_cause_of(found.exceptions[0]))
            await asyncio.sleep(backoff.delay())

    async def _prepare(self, identity: Identity) -> tuple[Shared, str]:
        """What starts need, and the engine's folder; "" when that is not on this machine."""
        version, info = await asyncio.gather(
            self._request("GET", "version", timeout=10), self._request("GET", "info", timeout=10)
        )
        firewall = await self._guard.firewall(identity, podman=_is_podman(version))
        architecture = info.get("Architecture", "")
        shared = Shared(self._engine, self._images, identity, self._settings)
        self._tools = Tools(
            engine=self._engine,
            images=self._images,
            shared=shared,
            networks=Networks(self._engine, identity, self._settings.network_pool, firewall),
            watches=self._watches,
            settings=self._settings,
            identity=identity,
            machine=machine_of(info),
            architecture=_ARCHITECTURES.get(architecture, architecture),
        )
        await self._tools.networks.guard()
        local = self._engine.host.startswith("unix://")
        return shared, str(info.get("DockerRootDir") or "") if local else ""

    async def _follow_events(self, identity: Identity, listener: Listener) -> None:
        filters = {
            "type": ["container"],
            "event": list(EVENTS),
            "label": [f"{objects.MANAGED_BY}={objects.MANAGED_BY_US}"],
        }
        since = f"{self._clock.now() - EVENTS_OVERLAP:.0f}"
        events = self._engine.lines("GET", "events", doing="following events", filters=filters, since=since)
        async for event in events:
            attributes = (event.get("Actor") or {}).get("Attributes") or {}
            if objects.is_ours(attributes, identity) and (name := attributes.get(objects.WORKSPACE)):
                listener.changed(name)

    # ------------------------------------------------------------------------------------------ observe
    async def names(self) -> frozenset[str]:
        with faults():
            found = await asyncio.gather(*map(self._list, ("containers", "networks", "volumes")))
        return frozenset(labels_of(item)[objects.WORKSPACE] for items in found for item in items)

    async def observe(self, name: str, desired: DesiredWorkspace | None) -> Observed:
        with faults():
            return await self._observe(name, desired)

    async def _observe(self, name: str, desired: DesiredWorkspace | None) -> Observed:
        containers, volumes, networks = await asyncio.gather(
            self._inspect(name), self._list("volumes", name), self._list("networks", name)
        )
        found = list(containers.values())
        run = None
        if found:
            lines = await self._last_lines(containers)
            self._attend(name, desired, containers)
            run = run_of(found, desired, lines, self.progress(name))
        else:
            self._forget(name)
        return records.observed(name, volumes, networks, found, run)

    def progress(self, name: str) -> Progress:
        track = self._tracks.get(name)
        return track.progress if track is not None else Progress()

    async def _inspect(self, name: str) -> dict[str, Any]:
        """The workspace's containers, as the engine describes them, by name."""
        listed = await self._list("containers", name)
        inspected = await asyncio.gather(
            *(self._request("GET", f"containers/{item['Id']}/json", missing_ok=True) for item in listed)
        )
        return {item["Name"].lstrip("/"): item for item in inspected if item is not None}

    async def _last_lines(self, containers: Mapping[str, Any]) -> dict[str, str]:
        """Of those that have ended. Asked for once per end."""
        found = {}
        for container in containers.values():
            if state_of(container) is not ContainerState.EXITED:
                continue
            key = (container["Id"], container["State"].get("FinishedAt", ""))
            if key not in self._lines:
                try:
                    self._lines[key] = await last_lines(self._engine, container["Id"])
                except EngineError as error:
                    self._lines[key] = f"(its log cannot be read: {error.message})"
                while len(self._lines) > 500:
                    self._lines.pop(next(iter(self._lines)))
            found[container["Id"]] = self._lines[key]
        return found

    def _attend(self, name: str, desired: DesiredWorkspace | None, containers: Mapping[str, Any]) -> None:
        """Follows what runs and is not known to be ready: after a start, a repair, or the agent's own restart."""
        if desired is None:
            return
        items = list(containers.values())
        sandbox = next((c for c in items if role_of(c) == "sandbox"), None)
        if sandbox is None or state_of(sandbox) is not ContainerState.RUNNING:
            return
        track = self._track(name)
        if track.timeline.state(StageName.RECEIVED) == "waiting":
            rebuild(track, items)
        self._watches.follow_clone(desired, track, sandbox)
        main = next((c for c in items if role_of(c) == "main"), None)
        address = address_of(items)
        if main is not None and state_of(main) is ContainerState.RUNNING:
            started = seconds(main["State"]["StartedAt"])
            self._watches.probe_editor(desired, track, address, main["Id"], started)

    def _track(self, name: str) -> Track:
        track = self._tracks.get(name)
        if track is None:
            track = self._tracks[name] = Track(self._clock, lambda: self._progressed(name))
        return track

    def _look_again(self, name: str) -> None:
        if self._listener is not None:
            self._listener.changed(name)

    def _progressed(self, name: str) -> None:
        if self._listener is not None:
            self._listener.progressed(name)

    def _forget(self, name: str) -> None:
        self._watches.drop(name)
        self._tracks.pop(name, None)

    # ------------------------------------------------------------------------------------------ apply
    async def start(self, desired: DesiredWorkspace, *, received: float, fresh: bool = False) -> None:
        with faults():
            existing, _ = await asyncio.gather(self._inspect(desired.name), self.note(desired))
            stale = [n for n, c in existing.items() if fresh or not may_stay(c, desired)]
            if stale:
                await self._remove_containers([existing[n] for n in stale], gently=True)
            kept = {n: c for n, c in existing.items() if n not in stale}
            if not kept:
                self._forget(desired.name)
            began = received_at(list(kept.values())) or received
            track = self._track(desired.name)
            track.begin(StageName.RECEIVED, at=began)
            track.end(StageName.RECEIVED, self._clock.now())
            await Start(self._require_tools(), desired, track, kept, began, chosen=self._chosen).run()
            self._attend(desired.name, desired, await self._inspect(desired.name))

    async def note(self, desired: DesiredWorkspace) -> None:
        with faults():
            volumes = await self._list("volumes", desired.name)
            await records.write(self._engine, self._require_tools().identity, desired, volumes)

    async def halt(self, name: str) -> None:
        with faults():
            self._watches.drop(name)
            await self._end_processes(list((await self._inspect(name)).values()))

    async def stop(self, name: str) -> None:
        with faults():
            await self._remove_run(name, gently=True)
            await self._remove_volumes(name, ephemeral_only=True)

    async def remove(self, name: str) -> None:
        with faults():
            await self._remove_run(name, gently=False)
            await self._remove_volumes(name, ephemeral_only=False)

    async def _remove_run(self, name: str, *, gently: bool) -> None:
        self._forget(name)
        await self._remove_containers(list((await self._inspect(name)).values()), gently=gently)
        for network in await self._list("networks", name):
            await self._request(
                "DELETE", f"networks/{network['Id']}", doing="removing the network", missing_ok=True
            )

    async def _remove_volumes(self, name: str, *, ephemeral_only: bool) -> None:
        for volume in await self._list("volumes", name):
            if ephemeral_only and objects.EPHEMERAL not in labels_of(volume):
                continue
            await self._request(
                "DELETE", f"volumes/{volume['Name']}", doing="removing a volume", missing_ok=True
            )

    async def _end_processes(self, containers: Sequence[Any]) -> None:
        """The devfile's containers first, each with its grace; then what holds the network."""
        grace = self._settings.stop_timeout

        async def end(container: Any, seconds_given: int) -> None:
            if state_of(container) is ContainerState.RUNNING:
                await self._request(
                    "POST",
                    f"containers/{container['Id']}/stop",
                    doing="stopping a container",
                    missing_ok=True,
                    t=seconds_given,
                )

        sandboxes = [c for c in containers if role_of(c) == "sandbox"]
        others = [c for c in containers if role_of(c) != "sandbox"]
        await asyncio.gather(*(end(container, grace) for container in others))
        await asyncio.gather(*(end(container, 1) for container in sandboxes))

    async def _remove_containers(self, containers: Sequence[Any], *, gently: bool) -> None:
        """The sandbox last: Podman does not remove what others depend on."""
        others = [container for container in containers if role_of(container) != "sandbox"]
        sandboxes = [container for container in containers if role_of(container) == "sandbox"]
        if gently:
            await self._end_processes(others)
        for group in (others, sandboxes):
            await asyncio.gather(*(remove_container(self._engine, container["Id"]) for container in group))

    # ------------------------------------------------------------------------------------------ logs and commands
    async def logs(
        self, name: str, container: str = "", *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[LogChunk]:
        found = await self._find(name, objects.SANDBOX if container == "clone" else container, sandbox=True)
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
        found = await self._find(name, request.container, running=True)
        folder = spec.folder if spec is not None and role_of(found) == "main" else ""
        async with commands.running(self._engine, found["Id"], request, folder) as session:
            yield session

    async def run_step(self, name: str, request: StepRequest) -> tuple[int, str]:
        found = await self._find(name, request.container, running=True)
        return await commands.run_step(self._engine, found["Id"], request)

    async def _find(self, name: str, container: str, *, running: bool = False, sandbox: bool = False) -> Any:
        """Raises `NotFound`. `sandbox`: its log is for everybody; but nobody runs anything where the credentials are."""
        with faults():
            containers = await self._inspect(name)
        if not containers:
            raise NotFound(
                "The workspace has no containers: it does not run.",
                code="workspace-not-running",
                hint="Start it first.",
            )
        for item in containers.values():
            called = labels_of(item).get(objects.CONTAINER, "")
            if role_of(item) == "sandbox" and not sandbox:
                continue
            if called == container or (not container and role_of(item) == "main"):
                if running and state_of(item) is not ContainerState.RUNNING:
                    raise NotFound(f"Container {called} does not run now.", code="container-not-running")
                return item
        names = sorted(
            labels_of(item).get(objects.CONTAINER, "")
            for item in containers.values()
            if role_of(item) != "sandbox"
        )
        raise NotFound(
            f"The workspace has no container {container or 'to run in'}.",
            code="container-not-found",
            hint=f"It has: {', '.join(names)}.",
        )

    # ------------------------------------------------------------------------------------------ the engine
    async def _request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return await self._engine.request(method, path, body, **options)

    async def _list(self, kind: str, name: str = "") -> list[Any]:
        """This agent's `containers`, `networks` or `volumes`, of one workspace or of all.

        An engine is asked for one label only, and the rest is looked at here: to Podman, several mean any of them.
        """
        assert self._identity is not None, "run() comes first"
        label = f"{objects.WORKSPACE}={name}" if name else f"{objects.MANAGED_BY}={objects.MANAGED_BY_US}"
        path, options = {"containers": ("containers/json", {"all_": True})}.get(kind, (kind, {}))
        answer = await self._request("GET", path, filters={"label": [label]}, **options)
        items = (answer.get("Volumes") or ()) if kind == "volumes" else answer
        identity = self._identity
        return [
            item
            for item in items
            if objects.is_ours(labels := labels_of(item), identity)
            and objects.WORKSPACE in labels
            and (not name or labels[objects.WORKSPACE] == name)
        ]

    def _require_tools(self) -> Tools:
        if self._tools is None:
            verdict = causes.engine_unreachable(self._engine.host, "it has not answered yet")
            raise RuntimeFault(verdict.cause, final=False)
        return self._tools


async def _warm(shared: Shared, extra_ca: str) -> None:
    """A first start need not wait for what all share. What is wrong with it, that start tells."""
    try:
        await shared.prepare(extra_ca)
    except (MoorageError, EngineError) as error:
        _log.warning("the shared volumes are not ready", error=str(error))


def _is_podman(version: Mapping[str, Any]) -> bool:
    return any("podman" in part.get("Name", "").lower() for part in version.get("Components") or ())


def _cause_of(error: BaseException) -> Cause:
    if isinstance(error, EngineError):
        error = error.fault()
    assert isinstance(error, RuntimeFault)
    return error.cause
