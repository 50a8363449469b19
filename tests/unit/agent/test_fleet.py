"""All workspaces of an agent, on an engine in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from moorage.agent.fleet import Fleet
from moorage.agent.runtimes.memory import MemoryEngine, MemoryRuntime
from moorage.agent.runtimes.memory.engine import MemoryWorkspace
from moorage.agent.runtimes.port import Identity
from moorage.agent.settings import AgentSettings
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Container,
    DesiredState,
    DesiredWorkspace,
    WorkspaceSpec,
)
from moorage.kernel.clock import SystemClock

GOOD = "workspace-7-1-abc123"
SPEC = WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py")


def wish(name: str, state: DesiredState = DesiredState.RUNNING, generation: int = 1) -> DesiredWorkspace:
    return DesiredWorkspace(name=name, generation=generation, desired=state, spec=SPEC)


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
async def fleet(engine: MemoryEngine) -> AsyncIterator[Fleet]:
    """Of agent 7."""
    fleet = Fleet(MemoryRuntime(SystemClock(), engine), AgentSettings(resync=0.05), SystemClock())
    fleet.introduce(Identity("inst", 7))
    task = asyncio.create_task(fleet.run())
    yield fleet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_state(fleet: Fleet, name: str, state: ActualState) -> dict[str, ActualWorkspace]:
    """All that is said until `name` is in that state: the last of each."""
    said: dict[str, ActualWorkspace] = {}
    async with asyncio.timeout(20):
        while name not in said or said[name].state is not state:
            said |= {actual.name: actual for actual in await fleet.news()}
    return said


@pytest.mark.parametrize("name", ["kube-system", "workspace-8-1-abc123", "workspace-7-1-abc123/../default"])
async def test_a_name_that_no_server_gives(fleet: Fleet, engine: MemoryEngine, name: str) -> None:
    """Nothing is made, ended or removed under a name that is no workspace's of this agent: that is told, and the others go
    on."""
    fleet.snapshot([wish(name), wish(GOOD)])
    said = await until_state(fleet, GOOD, ActualState.RUNNING)
    assert said[name].state is ActualState.ERROR
    assert said[name].cause is not None
    assert said[name].cause.code == "name-refused"
    assert {actual.name for actual in await fleet.everything()} == {name, GOOD}
    fleet.change(wish(name, DesiredState.TERMINATED, generation=2))
    said = await until_state(fleet, name, ActualState.ERROR)
    assert said[name].generation == 2
    assert engine.workspaces.keys() == {GOOD}


async def test_what_carries_our_labels_under_another_name(fleet: Fleet, engine: MemoryEngine) -> None:
    """What belongs to no workspace is removed, unless its name is one that this agent's workspaces cannot have."""
    engine.workspaces["kube-system"] = MemoryWorkspace(data=True)
    engine.workspaces[GOOD] = MemoryWorkspace(data=True)
    removed = asyncio.Event()
    engine.listen(lambda name: removed.set() if name == GOOD else None)
    fleet.snapshot([])
    async with asyncio.timeout(20):
        await removed.wait()
    await asyncio.sleep(0.2)  # several further looks
    assert engine.workspaces.keys() == {"kube-system"}
