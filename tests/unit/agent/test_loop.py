"""One workspace's task, on an engine in memory."""

from __future__ import annotations

import asyncio
import time

from moorage.agent.loop import Workspace
from moorage.agent.runtimes.memory import MemoryEngine, MemoryRuntime
from moorage.agent.runtimes.port import RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    Container,
    DesiredState,
    DesiredWorkspace,
    Project,
    WorkspaceSpec,
)
from moorage.kernel.clock import SystemClock

NAME = "workspace-1-1-abc123"
CLOSED = "https://git.example.com/closed.git"
SPEC = WorkspaceSpec(
    containers=(Container(name="py", image="i:1"),),
    main_container="py",
    projects=(Project(name="app", clone_path="app", url=CLOSED),),
)
DESIRED = DesiredWorkspace(name=NAME, generation=1, desired=DesiredState.RUNNING, spec=SPEC)
REFUSED = Cause(code="admission-refused", message="The cluster refuses an object of this workspace.")


class RefusingRuntime(MemoryRuntime):
    """An engine that lets nothing be ended."""

    def __init__(self, engine: MemoryEngine) -> None:
        super().__init__(SystemClock(), engine)
        self.halts: asyncio.Queue[float] = asyncio.Queue()
        """When each was asked for."""

    async def halt(self, name: str) -> None:
        self.halts.put_nowait(time.monotonic())
        raise RuntimeFault(REFUSED, final=True)


async def test_a_refused_halt_is_tried_again_after_a_pause() -> None:
    """A failed start that cannot be ended says why it failed, and is tried to be ended now and then, not without a pause."""
    engine = MemoryEngine()
    engine.closed_repositories.add(CLOSED)
    runtime = RefusingRuntime(engine)
    known = asyncio.Event()
    known.set()
    said: list[ActualWorkspace] = []
    workspace = Workspace(
        NAME, runtime, settings=AgentSettings(), clock=SystemClock(), report=said.append, engine_known=known
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
