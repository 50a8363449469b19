"""One workspace's task, on an engine in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from moorage.agent.runtimes.memory import MemoryBackend, MemoryEngine, MemoryRuntime
from moorage.agent.runtimes.port import Identity, Observed, Rescue, RuntimeFault, StepRequest
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces.loop import Workspace
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    Command,
    Container,
    DesiredState,
    DesiredWorkspace,
    Project,
    Step,
    WorkspaceSpec,
)
from moorage.kernel.clock import SystemClock

NAME = "workspace-1-1-abc123"
IDENTITY = Identity("inst", 1)
CLOSED = "https://git.example.com/closed.git"
SPEC = WorkspaceSpec(
    containers=(Container(name="py", image="i:1"),),
    main_container="py",
    projects=(Project(name="app", clone_path="app", url=CLOSED),),
)
DESIRED = DesiredWorkspace(name=NAME, generation=1, desired=DesiredState.RUNNING, spec=SPEC)
REFUSED = Cause(
    code="admission-refused", message="The cluster refuses an object of this workspace."
)


class Deaf:
    """A `Listener` that does nothing: these tests tell a workspace themselves what changes."""

    def changed(self, workspace: str) -> None: ...
    def progressed(self, workspace: str) -> None: ...
    def lost(self, cause: Cause) -> None: ...
    def recovered(self) -> None: ...


class RefusingRuntime(MemoryRuntime):
    """An engine that lets nothing be ended."""

    def __init__(self, engine: MemoryEngine) -> None:
        super().__init__(MemoryBackend(SystemClock(), engine), IDENTITY, Deaf())
        self.halts: asyncio.Queue[float] = asyncio.Queue()
        """When each was asked for."""

    async def halt(self, name: str) -> None:
        self.halts.put_nowait(time.monotonic())
        raise RuntimeFault(REFUSED, final=True)


async def test_a_refused_halt_is_tried_again_after_a_pause() -> None:
    """A failed start that cannot be ended says why it failed, and is tried to be ended now and
    then, not without a pause."""
    engine = MemoryEngine()
    engine.closed_repositories.add(CLOSED)
    runtime = RefusingRuntime(engine)
    known = asyncio.Event()
    known.set()
    said: list[ActualWorkspace] = []
    workspace = Workspace(
        NAME,
        runtime,
        settings=AgentSettings(),
        clock=SystemClock(),
        report=said.append,
        engine_known=known,
    )
    workspace.want(DESIRED)
    async with asyncio.timeout(30):
        times = [await runtime.halts.get() for _ in range(3)]
    await workspace.close()
    assert times[1] - times[0] >= 0.25
    assert times[2] - times[1] >= 0.5
    failed = [actual for actual in said if actual.state is not ActualState.STARTING]
    assert {actual.state for actual in failed} == {ActualState.FAILED}
    assert {actual.cause.code for actual in failed if actual.cause is not None} == {"clone-refused"}


class UnmendableRuntime(MemoryRuntime):
    """An engine that lost something beside what runs, and does not let it be made again."""

    def __init__(self, engine: MemoryEngine) -> None:
        super().__init__(MemoryBackend(SystemClock(), engine), IDENTITY, Deaf())
        self.lost = False
        self.tries: asyncio.Queue[float] = asyncio.Queue()
        """When each repair was asked for."""
        self.halts = 0

    async def observe(self, name: str, desired: DesiredWorkspace | None) -> Observed:
        observed = await super().observe(name, desired)
        if not self.lost or observed.run is None:
            return observed
        return msgspec.structs.replace(
            observed, run=msgspec.structs.replace(observed.run, missing=("its service",))
        )

    async def start(
        self,
        desired: DesiredWorkspace,
        *,
        received: float,
        fresh: bool = False,
        rescue: Rescue | None = None,
    ) -> None:
        if self.lost:
            self.tries.put_nowait(time.monotonic())
            raise RuntimeFault(REFUSED, final=True)
        await super().start(desired, received=received, fresh=fresh, rescue=rescue)

    async def halt(self, name: str) -> None:
        self.halts += 1
        await super().halt(name)


async def test_a_refused_repair_ends_nothing() -> None:
    """A workspace that is up stays up while what stands around it cannot be mended: it says why,
    and that is tried again, less and less often; once it is mended, nothing is said any more."""
    runtime = UnmendableRuntime(MemoryEngine())
    known = asyncio.Event()
    known.set()
    said: list[ActualWorkspace] = []
    workspace = Workspace(
        NAME,
        runtime,
        settings=AgentSettings(),
        clock=SystemClock(),
        report=said.append,
        engine_known=known,
    )
    spec = msgspec.structs.replace(SPEC, projects=())
    workspace.want(msgspec.structs.replace(DESIRED, spec=spec))
    async with asyncio.timeout(30):
        await until(lambda: bool(said) and said[-1].state is ActualState.RUNNING)
        before = len(said)
        runtime.lost = True
        workspace.changed()
        times = [await runtime.tries.get() for _ in range(4)]
        await until(lambda: said[-1].cause is not None)
        told = said[before:]
        runtime.lost = False
        workspace.changed()
        await until(lambda: said[-1].cause is None)
    await workspace.close()
    assert times[3] - times[2] >= 1.0
    assert runtime.halts == 0
    assert {(actual.state, bool(actual.address)) for actual in said[before:]} == {
        (ActualState.RUNNING, True)
    }
    assert [actual.cause.code if actual.cause else "" for actual in told] == [REFUSED.code]


async def test_an_engine_that_is_away_takes_no_address() -> None:
    """Whoever works in what was up goes on, though the agent knows nothing of it for a while; what
    was not up has no address."""
    runtime = MemoryBackend(SystemClock()).runtime_for(IDENTITY, Deaf())
    known = asyncio.Event()
    known.set()
    said: list[ActualWorkspace] = []
    workspace = Workspace(
        NAME,
        runtime,
        settings=AgentSettings(),
        clock=SystemClock(),
        report=said.append,
        engine_known=known,
    )
    wish = msgspec.structs.replace(DESIRED, spec=msgspec.structs.replace(SPEC, projects=()))
    workspace.want(wish)
    await until(lambda: bool(said) and said[-1].state is ActualState.RUNNING)
    address = said[-1].address
    assert address
    long_ago = SystemClock().now() - 60
    workspace.lost(
        Cause(code="engine-unreachable", message="The engine does not answer.", since=long_ago)
    )
    await until(lambda: said[-1].state is ActualState.ERROR)
    assert said[-1].address == address
    workspace.recovered()
    workspace.want(msgspec.structs.replace(wish, generation=2, desired=DesiredState.STOPPED))
    await until(lambda: said[-1].state is ActualState.STOPPED)
    workspace.lost(
        Cause(code="engine-unreachable", message="The engine does not answer.", since=long_ago)
    )
    await until(lambda: said[-1].state is ActualState.ERROR)
    assert said[-1].address == ""
    await workspace.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what is reported has no event
        await asyncio.sleep(0.01)


class NeverEndingRuntime(MemoryRuntime):
    """An engine on which the command `serve` never ends."""

    async def run_step(
        self, name: str, request: StepRequest, heard: Callable[[bytes], None] | None = None
    ) -> tuple[int, str]:
        if request.command_line == "serve":
            assert heard is not None
            heard(b"serving\n")
            await asyncio.Event().wait()
        return await super().run_step(name, request, heard)


async def test_a_post_start_command_that_does_not_end() -> None:
    """The workspace runs, without trouble, and says which command goes on; after a while the next
    ones are run, too; what all of them write can be read meanwhile."""
    steps = tuple(
        Step(
            id=line.split()[0],
            commands=(Command(id=line.split()[0], container="py", command_line=line),),
        )
        for line in ("serve", "echo hello")
    )
    spec = msgspec.structs.replace(SPEC, projects=(), post_start=steps)
    runtime = NeverEndingRuntime(MemoryBackend(SystemClock(), MemoryEngine()), IDENTITY, Deaf())
    known, done = asyncio.Event(), asyncio.Event()
    known.set()
    said: list[ActualWorkspace] = []

    def report(actual: ActualWorkspace) -> None:
        said.append(actual)
        if actual.post_start.get("echo") == "done":
            done.set()

    workspace = Workspace(
        NAME,
        runtime,
        settings=AgentSettings(post_start_timeout=0.2),
        clock=SystemClock(),
        report=report,
        engine_known=known,
    )
    workspace.want(msgspec.structs.replace(DESIRED, spec=spec))
    await asyncio.wait_for(done.wait(), 30)
    assert said[-1].state is ActualState.RUNNING
    assert said[-1].trouble == ()
    assert said[-1].post_start == {"serve": "", "echo": "done"}
    reading = workspace.post_start_output().read(follow=False, tail=None)
    written = b"".join([chunk.data async for chunk in reading]).decode()
    assert written.splitlines() == [
        "[postStart] serve: serve",
        "serving",
        "[postStart] echo: echo hello",
        "hello",
        "[postStart] echo: done",
    ]
    await workspace.close()
