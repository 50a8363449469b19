"""The port's implementation: `Backend` and `Runtime` on a `MemoryEngine`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.containers import SANDBOX, Candidate, find
from moorage.agent.runtimes.memory.engine import MemoryContainer, MemoryEngine, MemoryWorkspace
from moorage.agent.runtimes.memory.programs import MemoryExec
from moorage.agent.runtimes.port import (
    ExecRequest,
    ExecSession,
    Identity,
    Listener,
    LogChunk,
    Observed,
    ObservedContainer,
    Progress,
    Rescue,
    Role,
    Run,
    RuntimeFault,
    RuntimeInfo,
    StepRequest,
    digest_of,
    known_of,
)
from moorage.agent.runtimes.rescue import made_as
from moorage.agent.runtimes.step_output import StepOutput
from moorage.agent.runtimes.timeline import Timeline
from moorage.contract import Container, ContainerState, DesiredWorkspace, StageName, WorkspaceSpec
from moorage.kernel.clock import Clock
from moorage.workspace_settings import RemoteDevelopment


class MemoryBackend:
    """An agent's connection to a `MemoryEngine`."""

    caveat = ""

    def __init__(self, clock: Clock, engine: MemoryEngine | None = None) -> None:
        self.engine = engine or MemoryEngine()
        self.settings_version = 0
        self.clock = clock

    async def describe(self) -> RuntimeInfo:
        _ask(self.engine)
        return RuntimeInfo(kind="memory", version="1", cpu=1000, memory=1 << 30)

    def configure(self, settings: RemoteDevelopment, version: int) -> None:
        self.settings_version = version

    def runtime_for(self, identity: Identity, listener: Listener) -> MemoryRuntime:
        return MemoryRuntime(self, identity, listener)

    async def close(self) -> None:
        """Nothing is held open."""


class MemoryRuntime:
    """The workspaces of one agent on a `MemoryEngine`."""

    def __init__(self, backend: MemoryBackend, identity: Identity, listener: Listener) -> None:
        self.engine = backend.engine
        self._backend = backend
        self._clock = backend.clock
        self._place = identity.place
        self._listener = listener

    async def run(self) -> None:
        def hear(name: str) -> None:
            self._listener.changed(name)
            self._listener.progressed(name)

        stop = self.engine.listen(hear)
        try:
            self._listener.recovered()
            await asyncio.Event().wait()
        finally:
            stop()

    async def names(self) -> frozenset[str]:
        _ask(self.engine)
        return frozenset(self.engine.workspaces)

    async def observe(self, name: str, desired: DesiredWorkspace | None) -> Observed:
        _ask(self.engine)
        found = self.engine.workspaces.get(name)
        if found is None:
            return Observed(name=name)
        run = None
        if found.made_for is not None:
            desired = made_as(desired, found.rescue) if desired is not None else None
            expected = desired.spec.containers if desired is not None else ()
            wanted = [SANDBOX, *(container.name for container in expected)]
            run = Run(
                restarts=found.made_for.restarts,
                spec=digest_of(found.made_for.spec),
                generation=found.made_for.generation,
                containers=(*map(_observed, found.containers.values()), *_not_begun(found)),
                missing=tuple(
                    f"container {n}"
                    for n in wanted
                    if n not in found.containers and n not in found.side_faults
                ),
                address=found.address,
                settings=found.settings,
                rescue=found.rescue,
                progress=self.progress(name),
            )
        known = found.known
        if known is None and found.made_for is not None:
            known = msgspec.structs.replace(
                known_of(found.made_for, ""), desired=None, spec=None, memo={}
            )
        return Observed(
            name=name,
            data=bool(found.volumes),
            volumes=frozenset(found.volumes),
            leftovers=found.network,
            run=run,
            known=known,
            recorded=found.known is not None,
            since=found.received,
            objects=(
                *(("volume",) if found.volumes else ()),
                *(f"container {c}" for c in found.containers),
            ),
            ids=(str(id(found)),),
        )

    def progress(self, name: str) -> Progress:
        found = self.engine.workspaces.get(name)
        if found is None or found.made_for is None:
            return Progress()
        timeline = Timeline()
        for stage in (StageName.RECEIVED, StageName.IMAGE, StageName.VOLUME, StageName.CONTAINERS):
            timeline.end(stage, found.received)
        if found.fault is not None:
            timeline.fail(StageName.CLONE, found.received, found.fault.message)
            return Progress(stages=timeline.stages(), fault=found.fault)
        needed = [c for c in found.containers.values() if c.role in ("main", "sandbox")]
        up = all(c.state is ContainerState.RUNNING for c in needed)
        if up:
            timeline.end(StageName.CLONE, found.received)
            timeline.end(StageName.EDITOR, found.received)
        return Progress(stages=timeline.stages(), ready=up, side_faults=dict(found.side_faults))

    async def start(
        self,
        desired: DesiredWorkspace,
        *,
        received: float,
        fresh: bool = False,
        rescue: Rescue | None = None,
    ) -> None:
        _ask(self.engine)
        wanted, desired = desired, made_as(desired, rescue)
        spec = desired.spec
        side_faults = {}
        for container in (*spec.init_containers, *spec.containers):
            if container.image in self.engine.missing_images:
                verdict = causes.of_pull(container.image, 404, "manifest unknown", causes.DOCKER)
                if container in spec.init_containers or container.name == spec.main_container:
                    raise RuntimeFault(verdict.cause, final=True)
                side_faults[container.name] = verdict.cause
        found = self.engine.workspaces.setdefault(desired.name, MemoryWorkspace())
        if fresh or found.made_for is None or digest_of(found.made_for.spec) != digest_of(spec):
            found.containers.clear()
            found.made_for, found.received, found.fault = desired, received, None
            found.settings, found.rescue = self._backend.settings_version, rescue
        found.side_faults = side_faults
        self._keep(found, wanted)
        lasting = (volume.name for volume in spec.volumes if not volume.ephemeral)
        found.volumes |= {"", *lasting}
        found.network = True
        found.address = found.address or self.engine.new_address()
        self._bring_up(found, SANDBOX, "sandbox", "tools")
        for init in spec.init_containers:
            self._bring_up(found, init.name, "init", init.image, code=0)
        for container in spec.containers:
            if container.name in side_faults:
                continue
            role: Role = "main" if container.name == spec.main_container else "sidecar"
            self._bring_up(
                found,
                container.name,
                role,
                container.image,
                self.engine.crashing_images.get(container.image),
            )
        for project in spec.projects:
            if project.url in self.engine.closed_repositories:
                verdict = causes.of_clone(project.url, project.ref, "list", "Authentication failed")
                found.fault = verdict.cause
        self.engine.changed(desired.name)

    async def note(self, desired: DesiredWorkspace) -> None:
        _ask(self.engine)
        if (found := self.engine.workspaces.get(desired.name)) is not None:
            self._keep(found, desired)
            self.engine.changed(desired.name)

    def _keep(self, found: MemoryWorkspace, desired: DesiredWorkspace) -> None:
        if found.known is None or found.known.generation <= desired.generation:
            found.known = known_of(desired, self._place)

    async def halt(self, name: str) -> None:
        _ask(self.engine)
        if (found := self.engine.workspaces.get(name)) is not None:
            for container in found.containers.values():
                if container.state is ContainerState.RUNNING:
                    container.state, container.exit_code = ContainerState.EXITED, 143
                    container.finished_at = self._clock.now()
            self.engine.changed(name)

    async def stop(self, name: str) -> None:
        _ask(self.engine)
        if (found := self.engine.workspaces.get(name)) is not None:
            found.containers.clear()
            found.made_for, found.network, found.address, found.fault = None, False, "", None
            found.rescue = None
            self.engine.changed(name)

    async def remove(self, name: str) -> None:
        _ask(self.engine)
        if self.engine.workspaces.pop(name, None) is not None:
            self.engine.changed(name)

    async def logs(
        self, name: str, container: str = "", *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[LogChunk]:
        found = self._find(name, container, for_log=True)
        for line in found.output[-tail if tail else 0 :]:
            yield LogChunk(line)
        while follow and found.state is ContainerState.RUNNING:
            await self._change_of(name)

    @asynccontextmanager
    async def execute(
        self, name: str, request: ExecRequest, spec: WorkspaceSpec | None = None
    ) -> AsyncIterator[ExecSession]:
        container = self._find(name, request.container)
        made_for = self.engine.workspaces[name].made_for
        own = _spec_of(made_for, container.name)
        yield MemoryExec(request.argv, {**(own.env if own else {}), **request.env})

    async def run_step(
        self, name: str, request: StepRequest, heard: Callable[[bytes], None] | None = None
    ) -> tuple[int, str]:
        container = self._find(name, request.container)
        if request.key not in container.steps:
            program = MemoryExec(("sh", "-c", request.command_line), request.env)
            said = b"".join([chunk.data async for chunk in program.output()])
            container.steps[request.key] = await program.exit_code(), said
        code, said = container.steps[request.key]
        output = StepOutput(heard)
        output.add(said)
        return code, output.reason(code)

    async def close(self) -> None:
        """Nothing is held open."""

    def _bring_up(
        self, found: MemoryWorkspace, name: str, role: Role, image: str, code: int | None = None
    ) -> None:
        """`code`: it ends at once, with that."""
        existing = found.containers.get(name)
        if existing is not None and existing.state is ContainerState.RUNNING:
            return
        now = self._clock.now()
        ended = code is not None
        found.containers[name] = MemoryContainer(
            name=name,
            role=role,
            image=image,
            state=ContainerState.EXITED if ended else ContainerState.RUNNING,
            started_at=now,
            exit_code=code,
            finished_at=now if ended else None,
            output=[f"{name} has started\n".encode()],
        )

    def _find(self, name: str, container: str, *, for_log: bool = False) -> MemoryContainer:
        """See `containers.find`."""
        found = self.engine.workspaces.get(name)
        containers = found.containers.values() if found is not None else ()
        candidates = [
            Candidate(item.name, item.role, item.state is ContainerState.RUNNING, item)
            for item in containers
        ]
        return find(candidates, container, for_log=for_log)

    async def _change_of(self, name: str) -> None:
        heard = asyncio.Event()

        def hear(changed: str) -> None:
            if changed == name:
                heard.set()

        stop = self.engine.listen(hear)
        try:
            await heard.wait()
        finally:
            stop()


def _ask(engine: MemoryEngine) -> None:
    if not engine.answers:
        verdict = causes.engine_unreachable("memory", "it does not answer")
        raise RuntimeFault(verdict.cause, final=False)


def _observed(container: MemoryContainer) -> ObservedContainer:
    fault, hopeless = None, False
    if container.state is ContainerState.EXITED:
        lines = b"".join(container.output).decode()
        fault, hopeless = causes.of_exit(container.name, container.exit_code, lines)
    return ObservedContainer(
        name=container.name,
        role=container.role,
        image=container.image,
        state=container.state,
        exit_code=container.exit_code,
        started_at=container.started_at,
        finished_at=container.finished_at,
        fault=fault,
        hopeless=hopeless,
    )


def _not_begun(found: MemoryWorkspace) -> Iterator[ObservedContainer]:
    """Side containers whose image is missing."""
    for name, fault in found.side_faults.items():
        image = own.image if (own := _spec_of(found.made_for, name)) is not None else ""
        yield ObservedContainer(
            name=name, role="sidecar", image=image, state=ContainerState.EXITED, fault=fault
        )


def _spec_of(made_for: DesiredWorkspace | None, name: str) -> Container | None:
    containers: Iterator[Container] = iter(made_for.spec.containers if made_for is not None else ())
    return next((container for container in containers if container.name == name), None)
