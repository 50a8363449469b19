"""All workspaces of an agent, on an engine in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from moorage.agent.runtimes.memory import MemoryBackend, MemoryEngine
from moorage.agent.runtimes.memory.engine import MemoryWorkspace
from moorage.agent.runtimes.port import Identity
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces.fleet import Fleet
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Container,
    DesiredState,
    DesiredWorkspace,
    FoundWorkspace,
    WorkspaceSpec,
)
from moorage.kernel.clock import SystemClock

GOOD = "workspace-7-1-abc123"
SPEC = WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py")


def wish(
    name: str, state: DesiredState = DesiredState.RUNNING, generation: int = 1
) -> DesiredWorkspace:
    return DesiredWorkspace(name=name, generation=generation, desired=state, spec=SPEC)


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
async def fleet(engine: MemoryEngine) -> AsyncIterator[Fleet]:
    """Of agent 7."""
    fleet = Fleet(MemoryBackend(SystemClock(), engine), AgentSettings(resync=0.05), SystemClock())
    fleet.introduce(Identity("inst", 7))
    task = asyncio.create_task(fleet.run())
    yield fleet
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def running(fleet: Fleet) -> AsyncIterator[None]:
    task = asyncio.create_task(fleet.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - an engine in memory tells nobody of its records
            await asyncio.sleep(0.01)


async def until_state(fleet: Fleet, name: str, state: ActualState) -> dict[str, ActualWorkspace]:
    """All that is said until `name` is in that state: the last of each."""
    said: dict[str, ActualWorkspace] = {}
    async with asyncio.timeout(20):
        while name not in said or said[name].state is not state:
            said |= {actual.name: actual for actual in await fleet.news()}
    return said


@pytest.mark.parametrize(
    "name", ["kube-system", "workspace-8-1-abc123", "workspace-7-1-abc123/../default"]
)
async def test_a_name_that_no_server_gives(fleet: Fleet, engine: MemoryEngine, name: str) -> None:
    """Nothing is made, ended or removed under a name that is no workspace's of this agent: that is
    told, and the others go on."""
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


async def found_when(
    fleet: Fleet, holds: Callable[[tuple[FoundWorkspace, ...]], bool]
) -> tuple[FoundWorkspace, ...]:
    """What is told of what the server does not know, once `holds`."""
    last = None
    async with asyncio.timeout(20):
        while last is None or not holds(last):
            last = await fleet.found(last)
    return last


async def test_what_carries_our_labels_under_another_name(
    fleet: Fleet, engine: MemoryEngine
) -> None:
    """What no snapshot lists is kept and told, unless its name is one that this agent's workspaces
    cannot have: that is left alone."""
    engine.workspaces["kube-system"] = MemoryWorkspace(volumes={""})
    engine.workspaces[GOOD] = MemoryWorkspace(volumes={""})
    fleet.snapshot([])
    (found,) = await found_when(fleet, bool)
    assert found.name == GOOD
    fleet.remove_found("kube-system", found.mark)
    await found_when(fleet, bool)
    assert engine.workspaces.keys() == {"kube-system", GOOD}


async def test_lost_files_are_said_and_agreed_to(fleet: Fleet, engine: MemoryEngine) -> None:
    """A volume that was there and is gone is made again only when the server no longer counts on
    it: reported by somebody whose stopped workspace came back from a prune as a fresh clone."""
    wanted = wish(GOOD)
    fleet.snapshot([wanted])
    said = await until_state(fleet, GOOD, ActualState.RUNNING)
    assert said[GOOD].volumes == ("",)
    stopped = msgspec.structs.replace(
        wanted, generation=2, desired=DesiredState.STOPPED, volumes=("",)
    )
    fleet.change(stopped)
    await until_state(fleet, GOOD, ActualState.STOPPED)
    engine.lose_volume(GOOD)
    async with asyncio.timeout(20):
        while (cause := (await fleet.news())[-1].cause) is None:
            pass
    assert cause.code == "files-lost"
    started = msgspec.structs.replace(stopped, generation=3, desired=DesiredState.RUNNING)
    for generation in (3, 4):  # started, and started again
        fleet.change(msgspec.structs.replace(started, generation=generation))
        cause = (await until_state(fleet, GOOD, ActualState.FAILED))[GOOD].cause
        assert cause is not None
        assert cause.code == "files-lost"
        assert "--fresh-files" in cause.hint
        assert not engine.workspaces[GOOD].volumes
    fleet.change(msgspec.structs.replace(started, generation=5, volumes=()))
    assert (await until_state(fleet, GOOD, ActualState.RUNNING))[GOOD].volumes == ("",)


async def test_what_no_snapshot_lists_is_stopped_and_kept(
    fleet: Fleet, engine: MemoryEngine
) -> None:
    """A server that was set back lists it no more: its processes end, its data stays, and all that
    is needed to take it up again is told; nothing is told to the server as a workspace's state."""
    wanted = msgspec.structs.replace(wish(GOOD, generation=3), owner=1, memo={"title": "app"})
    fleet.snapshot([wanted])
    await until_state(fleet, GOOD, ActualState.RUNNING)
    await until(lambda: engine.workspaces[GOOD].known is not None)
    fleet.snapshot([])
    (found,) = await found_when(fleet, lambda found: bool(found) and not found[0].running)
    assert (found.generation, found.owner, found.desired, found.memo) == (
        3,
        1,
        DesiredState.RUNNING,
        {"title": "app"},
    )
    assert found.spec == SPEC
    assert engine.workspaces[GOOD].volumes
    assert await fleet.everything() == ()
    fleet.snapshot([msgspec.structs.replace(wanted, generation=4, desired=DesiredState.STOPPED)])
    await until_state(fleet, GOOD, ActualState.STOPPED)
    assert await found_when(fleet, lambda found: not found) == ()


async def test_what_was_found_is_told_after_each_snapshot(
    fleet: Fleet, engine: MemoryEngine
) -> None:
    """A server says everything anew when its database was put back beneath it: then it may have
    lost what it was told, or an order."""
    engine.workspaces[GOOD] = MemoryWorkspace(volumes={""})
    fleet.snapshot([])
    last = await found_when(fleet, bool)
    for _ in range(2):
        fleet.snapshot([])
        async with asyncio.timeout(5):
            assert await fleet.found(last) == last
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await fleet.found(last)


async def test_a_removal_hits_only_what_was_found(fleet: Fleet, engine: MemoryEngine) -> None:
    """A removal of what has been listed meanwhile, or of something else than what is there, does
    nothing, and what is there is told anew; the right one removes all of it, and may come twice."""
    engine.workspaces[GOOD] = MemoryWorkspace(volumes={""})
    fleet.snapshot([])
    (found,) = await found_when(fleet, bool)
    fleet.remove_found(GOOD, "another mark")
    assert await fleet.found((found,)) == (found,)
    fleet.snapshot([wish(GOOD)])
    await until_state(fleet, GOOD, ActualState.RUNNING)
    fleet.remove_found(GOOD, found.mark)
    await found_when(fleet, lambda found: not found)
    assert engine.workspaces[GOOD].volumes
    fleet.snapshot([])
    (found,) = await found_when(fleet, lambda found: bool(found) and not found[0].running)
    for _ in range(2):
        fleet.remove_found(GOOD, found.mark)
    assert await found_when(fleet, lambda found: not found) == ()
    assert GOOD not in engine.workspaces
    fleet.remove_found(GOOD, found.mark)


@pytest.mark.parametrize("older", [4, 5])
async def test_an_agent_that_knows_more_than_its_server(engine: MemoryEngine, older: int) -> None:
    """Whether it heard the newer word itself or finds it in the engine, it does nothing on the
    strength of the older one, nor of a deletion that has the newer one's number, and tells the
    newer; the next word that is newer still is done."""
    fleet = Fleet(MemoryBackend(SystemClock(), engine), AgentSettings(resync=0.05), SystemClock())
    fleet.introduce(Identity("inst", 7))
    async with running(fleet):
        fleet.snapshot([wish(GOOD, generation=5)])
        await until_state(fleet, GOOD, ActualState.RUNNING)
        await until(lambda: engine.workspaces[GOOD].known is not None)
        fleet.snapshot([wish(GOOD, DesiredState.TERMINATED, generation=older)])
        (ahead,) = await found_when(fleet, bool)
        assert (ahead.generation, ahead.desired, ahead.running) == (5, DesiredState.RUNNING, True)

    late = Fleet(MemoryBackend(SystemClock(), engine), AgentSettings(resync=0.05), SystemClock())
    late.introduce(Identity("inst", 7))
    async with running(late):
        late.snapshot([wish(GOOD, DesiredState.TERMINATED, generation=older)])
        said = await until_state(late, GOOD, ActualState.RUNNING)
        assert said[GOOD].cause is not None
        assert said[GOOD].cause.code == "server-set-back"
        assert [f.generation for f in await found_when(late, bool)] == [5]
        assert engine.workspaces[GOOD].volumes
        late.change(wish(GOOD, DesiredState.TERMINATED, generation=6))
        await until_state(late, GOOD, ActualState.TERMINATED)
    assert GOOD not in engine.workspaces


async def test_a_copy_leaves_alone_what_the_first_works_on(
    fleet: Fleet, engine: MemoryEngine
) -> None:
    """An agent that was started from a copy of another's state neither stops nor removes what that
    one has made since; it tells whose it is."""
    first = Fleet(
        MemoryBackend(SystemClock(), engine), AgentSettings(resync=0.05), SystemClock(), "folder a"
    )
    copy = Fleet(
        MemoryBackend(SystemClock(), engine), AgentSettings(resync=0.05), SystemClock(), "folder b"
    )
    for each in (first, copy):
        each.introduce(Identity("inst", 7))
    async with running(first), running(copy):
        first.snapshot([wish(GOOD)])
        await until_state(first, GOOD, ActualState.RUNNING)
        await until(lambda: engine.workspaces[GOOD].known is not None)
        copy.snapshot([])
        (found,) = await found_when(copy, bool)
        assert (found.elsewhere, found.running) == ("folder a", True)
        copy.remove_found(GOOD, found.mark)
        assert await copy.found((found,)) == (found,)
        assert await first.found(None) == ()
    assert engine.workspaces[GOOD].volumes


async def test_a_new_word_about_what_is_gone_is_answered(fleet: Fleet) -> None:
    """A word that comes just when a workspace is gone, and before that is told, is answered all the
    same."""
    fleet.snapshot([wish(GOOD, DesiredState.TERMINATED, 2)])
    await until(lambda: fleet._workspaces[GOOD].gone)
    fleet.change(wish(GOOD, DesiredState.TERMINATED, 3))
    async with asyncio.timeout(20):
        said = await fleet.news()
        assert [actual.generation for actual in said] == [2]
        while said[-1].generation < 3:
            said = await fleet.news()
    assert said[-1].state is ActualState.TERMINATED
