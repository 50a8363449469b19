"""What every runtime does; run against each."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from integration.runtimes.worlds import (
    BUSYBOX,
    PLACE,
    Agent,
    MemoryWorld,
    World,
    desired_of,
    simple_spec,
)
from moorage.agent.runtimes.port import (
    ExecRequest,
    Known,
    LogChunk,
    ObservedContainer,
    Rescue,
    Run,
    RuntimeFault,
    StepRequest,
    digest_of,
    known_of,
)
from moorage.agent.runtimes.rescue import made_as
from moorage.agent.workspaces.decide import state_of
from moorage.agent.workspaces.sides import is_down
from moorage.contract import (
    ActualState,
    Cause,
    Container,
    ContainerState,
    Credential,
    DesiredState,
    DesiredWorkspace,
    Project,
    StageName,
    StageState,
    Volume,
    VolumeMount,
    WorkspaceSpec,
)
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import NotFound
from moorage.workspace_settings import RemoteDevelopment, Storage


async def test_knows_nothing_at_first(world: World) -> None:
    """On an engine with nothing of ours, there are no names and nothing to observe."""
    agent = await world.agent()
    assert await agent.runtime.names() == frozenset()
    observed = await agent.runtime.observe("workspace-1-1-nobody", None)
    assert not observed.present


async def test_starts_until_ready(world: World) -> None:
    """A start leads to running containers, an address, and a timeline that is complete up to the
    editor."""
    agent = await world.agent()
    desired = desired_of(world)
    progress = await agent.start(desired)
    assert progress.fault is None
    assert progress.ready
    stages = {stage.name: stage.state for stage in progress.stages}
    for name in (
        StageName.RECEIVED,
        StageName.IMAGE,
        StageName.VOLUME,
        StageName.CLONE,
        StageName.EDITOR,
    ):
        assert stages[name] is StageState.DONE, name
    observed = await agent.runtime.observe(desired.name, desired)
    assert observed.data
    run = observed.run
    assert run is not None
    assert (run.spec, run.restarts, run.generation) == (digest_of(desired.spec), 0, 1)
    assert run.address
    assert run.missing == ()
    assert {c.name: c.state for c in run.containers if c.role == "main"} == {
        "py": ContainerState.RUNNING
    }
    assert await agent.runtime.names() == {desired.name}


async def test_start_is_idempotent(world: World) -> None:
    """Starting what runs already changes nothing."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    before = await started(agent, world, desired.name)
    await agent.start(desired)
    assert await started(agent, world, desired.name) == before


async def test_a_run_keeps_its_settings(world: World) -> None:
    """It says by which version it was started; a repair takes no other, nor does an agent that
    starts anew; a restart does."""
    agent = await world.agent()
    desired = desired_of(world)

    async def version() -> int:
        run = (await agent.runtime.observe(desired.name, desired)).run
        assert run is not None
        return run.settings

    settings = RemoteDevelopment(labels={"team": "a"}, storage=Storage(size="1Gi"))
    agent.backend.configure(settings, 3)
    await agent.start(desired)
    assert await version() == 3
    agent.backend.configure(settings, 4)
    world.lose_container(desired.name, "py")
    await agent.start(desired)
    assert await version() == 3
    agent = await world.agent()
    agent.backend.configure(settings, 4)
    assert await version() == 3
    desired = msgspec.structs.replace(desired, restarts=1, generation=2)
    await agent.start(desired, fresh=True)
    assert await version() == 4


async def test_fresh_start_makes_new_containers(world: World) -> None:
    """A start that is to be fresh replaces containers that run."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    before = await started(agent, world, desired.name)
    again = msgspec.structs.replace(desired, restarts=1, generation=2)
    assert (await agent.start(again, fresh=True)).ready
    after = await started(agent, world, desired.name)
    assert after.keys() == before.keys()
    assert all(after[name] > before[name] for name in before)
    observed = await agent.runtime.observe(desired.name, again)
    assert observed.run is not None
    assert (observed.run.restarts, observed.run.generation) == (1, 2)


async def test_another_spec_keeps_what_is_in_volumes(world: World) -> None:
    """A workspace that is made from another spec has the containers of that, and its home, its
    clone and its volumes as they were, also those that nobody names any more. A volume that is to
    last from now on outlives a stop."""
    agent = await world.agent()
    side = Container(name="side", image=world.image, override_command=True)
    first = spec_with(world, (side,), Volume(name="pg"), Volume(name="tmp", ephemeral=True))
    desired = desired_of(world, spec=first)
    await agent.start(desired)
    await work(world, agent, desired, "echo mine >/projects/app/mine && echo old >/pg/rows")

    other = msgspec.structs.replace(side, name="other")
    second = spec_with(world, (other,), Volume(name="tmp"))
    rebuilt = msgspec.structs.replace(desired, spec=second, restarts=1, generation=2)
    assert (await agent.start(rebuilt, fresh=True)).ready
    assert (await started(agent, world, desired.name)).keys() == {"py", "other"}
    await work(world, agent, rebuilt, "grep mine /projects/app/mine && echo new >/tmp-volume/x")
    assert (await agent.runtime.observe(desired.name, rebuilt)).volumes >= {"", "tmp"}
    await agent.runtime.stop(desired.name)
    assert (await agent.runtime.observe(desired.name, rebuilt)).volumes >= {"", "tmp"}

    third = spec_with(world, (), Volume(name="pg"), Volume(name="tmp"))
    again = msgspec.structs.replace(desired, spec=third, restarts=1, generation=3)
    assert (await agent.runtime.observe(desired.name, again)).volumes == {"", "pg", "tmp"}
    assert (await agent.start(again)).ready
    await work(world, agent, again, "grep old /pg/rows && grep new /tmp-volume/x")


def spec_with(world: World, sides: tuple[Container, ...], *volumes: Volume) -> WorkspaceSpec:
    """With volumes in the main container: `pg` at /pg, `tmp` at /tmp-volume."""
    places = {"pg": "/pg", "tmp": "/tmp-volume"}
    spec = simple_spec(world, volumes=volumes)
    mounts = tuple(VolumeMount(volume.name, places[volume.name]) for volume in volumes)
    main = msgspec.structs.replace(spec.containers[0], volume_mounts=mounts)
    return msgspec.structs.replace(spec, containers=(main, *sides))


async def work(world: World, agent: Agent, desired: DesiredWorkspace, script: str) -> None:
    """Runs a script in the main container, where there are files."""
    if isinstance(world, MemoryWorld):
        return
    request = ExecRequest(argv=("sh", "-c", script))
    async with agent.runtime.execute(desired.name, request, desired.spec) as session:
        chunks = [chunk async for chunk in session.output()]
        assert await session.exit_code() == 0, chunks


async def test_stop_leaves_data_only(world: World) -> None:
    """After a stop there is data and nothing else; a start finds its way from there."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    await agent.runtime.stop(desired.name)
    observed = await agent.runtime.observe(desired.name, desired)
    assert (observed.data, observed.leftovers, observed.run) == (True, False, None)
    assert await agent.runtime.names() == {desired.name}
    assert (await agent.start(desired)).ready


async def test_volumes_are_told(world: World) -> None:
    """The lasting volumes of a workspace are told, by the devfile's names, while it runs and when
    it is stopped."""
    agent = await world.agent()
    spec = simple_spec(world)
    main = msgspec.structs.replace(
        spec.containers[0], volume_mounts=(VolumeMount("pg", "/pg"), VolumeMount("tmp", "/cache"))
    )
    volumes = (Volume(name="pg"), Volume(name="tmp", ephemeral=True))
    spec = msgspec.structs.replace(spec, containers=(main,), volumes=volumes)
    desired = desired_of(world, spec=spec)
    assert not (await agent.runtime.observe(desired.name, desired)).volumes
    await agent.start(desired)
    assert (await agent.runtime.observe(desired.name, desired)).volumes == {"", "pg"}
    await agent.runtime.stop(desired.name)
    assert (await agent.runtime.observe(desired.name, desired)).volumes == {"", "pg"}
    await agent.runtime.remove(desired.name)
    assert not (await agent.runtime.observe(desired.name, desired)).volumes


async def test_the_newest_word_is_kept(world: World) -> None:
    """What a server said last outlives a stop, and an agent that starts anew reads it: all of it
    but credentials. An older word does not replace it; a removal takes it away."""
    agent = await world.agent()
    project = Project(
        name="app",
        clone_path="app",
        url=world.repository(),
        credential=Credential(host="git.test", username="u", password="secret-word"),
    )
    spec = msgspec.structs.replace(simple_spec(world), projects=(project,))
    desired = msgspec.structs.replace(
        desired_of(world), spec=spec, generation=4, restarts=2, owner=9, memo={"title": "app"}
    )
    plain = msgspec.structs.replace(
        spec, projects=(msgspec.structs.replace(project, credential=None),)
    )
    await agent.start(desired)
    assert (await agent.runtime.observe(desired.name, desired)).generation == 4
    await agent.runtime.note(desired)
    await agent.runtime.stop(desired.name)
    stopped = msgspec.structs.replace(desired, generation=5, desired=DesiredState.STOPPED)
    for word in (stopped, stopped, desired):
        await agent.runtime.note(word)
    again = await world.agent()

    async def has_it() -> bool:
        found = await again.runtime.observe(desired.name, None)
        return found.known is not None and found.known.generation == 5

    await again.hearing.until_true(has_it)
    observed = await again.runtime.observe(desired.name, None)
    assert (observed.data, observed.leftovers, observed.run, observed.recorded) == (
        True,
        False,
        None,
        True,
    )
    assert observed.known == Known(
        generation=5,
        desired=DesiredState.STOPPED,
        restarts=2,
        owner=9,
        place=PLACE,
        spec=plain,
        memo={"title": "app"},
    )
    assert observed.objects
    assert await again.runtime.names() == {desired.name}
    await again.runtime.remove(desired.name)
    assert not (await again.runtime.observe(desired.name, None)).present
    assert await again.runtime.names() == frozenset()


async def test_a_mark_tells_data_apart(world: World) -> None:
    """It stays the same while a workspace starts and stops, and is another one for a newer word,
    and for other data of that name."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    await agent.runtime.note(desired)

    async def mark() -> str:
        return (await agent.runtime.observe(desired.name, None)).mark

    first = await mark()
    await agent.runtime.halt(desired.name)
    assert await mark() == first
    await agent.runtime.stop(desired.name)
    assert await mark() == first
    newer = msgspec.structs.replace(desired, generation=2)
    await agent.runtime.note(newer)
    assert await mark() != first
    await agent.runtime.remove(desired.name)
    await asyncio.sleep(1.1)  # engines write down when a volume was made in whole seconds
    await agent.start(desired)
    await agent.runtime.note(desired)
    assert await mark() != first


async def test_remove_leaves_nothing(world: World) -> None:
    """After a removal, of what runs or is stopped, there is nothing."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    await agent.runtime.remove(desired.name)
    assert not (await agent.runtime.observe(desired.name, None)).present
    assert await agent.runtime.names() == frozenset()


async def test_ending_what_is_not_there(world: World) -> None:
    """Halt, stop and removal of a workspace that is not there are no errors: each may come
    twice."""
    agent = await world.agent()
    for operation in (agent.runtime.halt, agent.runtime.stop, agent.runtime.remove):
        await operation("workspace-1-1-nobody")


async def test_halt_keeps_output(world: World) -> None:
    """A halted workspace runs no more; its containers and their output are still there."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    await agent.runtime.halt(desired.name)
    observed = await agent.runtime.observe(desired.name, desired)
    assert observed.run is not None
    assert not observed.run.alive
    assert [chunk async for chunk in agent.runtime.logs(desired.name, "clone")]


async def test_lost_container_is_seen_and_repaired(world: World) -> None:
    """A container that somebody removed is heard of, seen as missing, and made again; the others
    are left alone."""
    agent = await world.agent()
    spec = simple_spec(world)
    side = Container(name="side", image=world.image, override_command=True)
    desired = desired_of(
        world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side))
    )
    await agent.start(desired)
    before = await started(agent, world, desired.name)
    agent.hearing.changes.clear()
    world.lose_container(desired.name, "side")
    await agent.hearing.until(lambda: desired.name in agent.hearing.changes)

    async def missing() -> tuple[str, ...]:
        observed = await agent.runtime.observe(desired.name, desired)
        return observed.run.missing if observed.run is not None else ()

    assert await agent.hearing.until_true(missing) == ("container side",)
    await agent.start(desired)
    after = await started(agent, world, desired.name)
    assert after["py"] == before["py"]
    assert after["side"] > before["side"]
    assert await missing() == ()


async def test_ended_container_is_seen_and_started_again(world: World) -> None:
    """A container that ended is seen with its exit code and a cause; a start runs it again."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    world.end_container(desired.name, "py")

    async def ended() -> object:
        observed = await agent.runtime.observe(desired.name, desired)
        assert observed.run is not None
        main = next(c for c in observed.run.containers if c.role == "main")
        return main if main.state is ContainerState.EXITED else None

    main = await agent.hearing.until_true(ended)
    assert main.exit_code == 137
    assert main.fault.code == "container-crashed"
    assert not main.hopeless
    assert (await agent.start(desired)).ready
    assert await ended() is None


async def test_crash_is_told_with_code_and_words(world: World) -> None:
    """A container that fails at once is seen with its exit code and what it wrote."""
    agent = await world.agent()
    spec = simple_spec(world)
    side = Container(name="side", image=world.crashing_image)
    desired = desired_of(
        world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side))
    )
    await agent.runtime.start(desired, received=1.0)

    async def ended() -> object:
        observed = await agent.runtime.observe(desired.name, desired)
        assert observed.run is not None
        found = next(c for c in observed.run.containers if c.name == "side")
        return found if found.state is ContainerState.EXITED else None

    side_status = await agent.hearing.until_true(ended)
    assert side_status.exit_code == 3
    assert "exit code 3" in side_status.fault.message
    assert side_status.fault.detail


async def test_a_side_container_fails_by_itself(world: World) -> None:
    """A side container that always ends, and one whose image is not to be had, take nothing down:
    the workspace is ready, commands run in it, each of the two is told with its reason, and the
    one that ended is started again, while nothing else is."""
    agent = await world.agent()
    spec = simple_spec(world)
    crashing = Container(name="db", image=world.crashing_image)
    lacking = Container(name="lost", image=world.missing_image)
    containers = (*spec.containers, crashing, lacking)
    desired = desired_of(world, spec=msgspec.structs.replace(spec, containers=containers))
    progress = await agent.start(desired)
    assert progress.ready
    assert progress.fault is None

    async def down() -> dict[str, ObservedContainer] | None:
        run = (await agent.runtime.observe(desired.name, desired)).run
        assert run is not None
        assert state_of(run) is ActualState.RUNNING
        assert not any("lost" in name for name in run.missing)
        found = {c.name: c for c in run.containers if is_down(c)}
        return found if set(found) == {"db", "lost"} else None

    found = await agent.hearing.until_true(down)
    assert found["db"].exit_code == 3
    assert found["db"].fault.code == "container-crashed"
    assert found["lost"].fault.code.startswith("image-")
    assert found["lost"].exit_code is None
    before = await started(agent, world, desired.name)
    request = ExecRequest(argv=("true",))
    async with agent.runtime.execute(desired.name, request, desired.spec) as session:
        async for _ in session.output():
            pass
        assert await session.exit_code() == 0
    await agent.runtime.start(desired, received=2.0)
    assert (await agent.settled(desired)).ready

    async def again() -> bool:
        now = await started(agent, world, desired.name)
        assert now["py"] == before["py"]
        return now["db"] > before["db"]

    await agent.hearing.until_true(again)


async def test_what_a_workspace_is_repaired_from(world: World) -> None:
    """It runs in the place of a main container that cannot, with the same files, though nobody has
    asked for anything since; tells what it is, also to an agent that starts anew; and goes again
    with a restart."""
    agent = await world.agent()
    spec = simple_spec(world)
    side = Container(name="side", image=world.image, override_command=True)
    desired = desired_of(
        world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side))
    )
    await agent.runtime.start(desired, received=2.0)
    assert (await agent.settled(desired)).ready
    cause = Cause(code="container-crashed", message="Container py ended.", detail="b\u00f6\n" * 90)
    rescue = Rescue(image=world.image, cause=cause)
    again = msgspec.structs.replace(desired, generation=2)
    await agent.runtime.start(again, received=2.0, fresh=True, rescue=rescue)
    assert (await agent.settled(again)).ready

    async def run_seen_by(agent: Agent) -> Run:
        found = (await agent.runtime.observe(again.name, again)).run
        assert found is not None
        return found

    other = await world.agent()

    async def known() -> bool:
        return (await run_seen_by(other)).rescue == rescue

    await other.hearing.until_true(known)
    run = await run_seen_by(other)
    assert run.spec == digest_of(made_as(again, rescue).spec)
    assert {c.name for c in run.containers if c.role != "sandbox"} == {"py"}
    assert run.missing == ()
    before = await started(agent, world, again.name)
    await agent.runtime.start(again, received=2.0, rescue=rescue)
    assert await started(agent, world, again.name) == before
    assert (await agent.runtime.observe(again.name, None)).known == known_of(again, PLACE)
    back = msgspec.structs.replace(again, restarts=1, generation=3)
    assert (await agent.start(back, fresh=True)).ready
    run = (await agent.runtime.observe(back.name, back)).run
    assert run is not None
    assert (run.rescue, run.spec) == (None, digest_of(back.spec))


async def test_nobody_runs_a_command_in_the_sandbox(world: World) -> None:
    """Where a repository's credential lies for a while, neither its owner nor a command of the
    devfile can run anything."""
    agent = await world.agent()
    desired = desired_of(world)
    assert (await agent.start(desired)).ready
    for name in ("sandbox", "clone", "moorage-sandbox"):
        with pytest.raises(NotFound) as refused:
            async with agent.runtime.execute(
                desired.name, ExecRequest(argv=("true",), container=name), desired.spec
            ):
                pass
        assert refused.value.code == "container-not-found"
        step = StepRequest(key="k", container=name, command_line="true", folder="/")
        with pytest.raises(NotFound):
            await agent.runtime.run_step(desired.name, step)


async def test_another_agent_process_sees_the_same(world: World) -> None:
    """What an agent process made, the next one sees as it is, and finds ready, without touching
    it."""
    first = await world.agent()
    desired = desired_of(world)
    await first.start(desired)
    before = await started(first, world, desired.name)
    await first.close()
    second = await world.agent()
    assert await second.runtime.names() == {desired.name}
    assert (await second.settled(desired)).ready
    assert await started(second, world, desired.name) == before
    await second.runtime.stop(desired.name)
    await second.runtime.remove(desired.name)
    assert await second.runtime.names() == frozenset()


async def test_cancelled_start_is_taken_up(world: World) -> None:
    """A start that is ended anywhere in its middle leaves something that a later start completes
    and a removal removes."""
    agent = await world.agent()

    async def cancel_after(pause: float) -> None:
        desired = desired_of(world)
        work = asyncio.create_task(agent.runtime.start(desired, received=1.0))
        await asyncio.sleep(pause)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert (await agent.start(desired)).ready, pause
        await agent.runtime.remove(desired.name)
        assert desired.name not in await agent.runtime.names()

    await asyncio.gather(*(cancel_after(pause) for pause in (0.0, 0.05, 0.2, 0.4)))


async def test_unknown_image(world: World) -> None:
    """An image that its registry does not have is a final fault which says so."""
    agent = await world.agent()
    main = Container(name="py", image=world.missing_image)
    desired = desired_of(world, spec=simple_spec(world, containers=(main,)))
    with pytest.raises(RuntimeFault) as caught:
        await agent.runtime.start(desired, received=1.0)
    assert caught.value.final
    assert caught.value.cause.code == "image-not-found"
    assert world.missing_image in caught.value.cause.message
    await agent.runtime.remove(desired.name)
    assert await agent.runtime.names() == frozenset()


async def test_refused_clone(world: World) -> None:
    """A repository that refuses makes the start fail with a cause, soon."""
    agent = await world.agent()
    project = Project(name="app", clone_path="app", url=world.closed_repository())
    desired = desired_of(world, spec=simple_spec(world, projects=(project,)))
    progress = await agent.start(desired)
    assert not progress.ready
    assert progress.fault is not None
    assert progress.fault.code == "clone-refused"
    states = {stage.name: stage.state for stage in progress.stages}
    assert states[StageName.CLONE] is StageState.FAILED


async def test_commands(world: World) -> None:
    """A command's output, input, variables and exit code are its own."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)

    async def run(*argv: str, give: bytes | None = None, **env: str) -> tuple[bytes, bytes, int]:
        request = ExecRequest(argv=argv, env=env)
        async with agent.runtime.execute(desired.name, request, desired.spec) as session:
            if give is not None:
                await session.write(give)
                await session.end_input()
            chunks = [chunk async for chunk in session.output()]
            return said(chunks, "stdout"), said(chunks, "stderr"), await session.exit_code()

    assert await run("echo", "a b", "c") == (b"a b c\n", b"", 0)
    assert await run("cat", give=b"some input") == (b"some input", b"", 0)
    assert await run("sh", "-c", "exit 7") == (b"", b"", 7)
    assert await run("printenv", "GREETING") == (b"hello\n", b"", 0)
    assert await run("printenv", "OURS", OURS="1") == (b"1\n", b"", 0)
    out, err, code = await run("no-such-program")
    assert (out, code) == (b"", 127)
    assert b"not found" in err


NAMES = "grep sed tar find"
LOOK = f"for name in {NAMES}; do $name --version | head -n 1; done; find / -maxdepth 0 -exec sed --version \\; | head -n 1"
"""Programs that an image has from GNU, and the tools tree from BusyBox; one starts another."""


@pytest.mark.parametrize("way", ["command", "shell", "step"])
async def test_programs_are_the_images_own(world: World, way: str) -> None:
    """What an image has is what runs, by PATH, in commands and in postStart and preStop steps:
    reported by people whose `grep -P` and `tar --zstd` failed there and worked in the editor."""
    if isinstance(world, MemoryWorld):
        return  # there are no images
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)

    async def run(*argv: str) -> str:
        async with agent.runtime.execute(desired.name, ExecRequest(argv=argv)) as session:
            return said([chunk async for chunk in session.output()], "stdout").decode()

    if way == "command":
        told = "".join([await run(name, "--version") for name in NAMES.split()])
    elif way == "shell":
        told = await run("sh", "-c", LOOK)
    else:
        # A step tells what it wrote only when it fails.
        step = StepRequest(key="look", container="py", folder="/", command_line=f"({LOOK}); exit 3")
        code, told = await agent.runtime.run_step(desired.name, step)
        assert code == 3
    for name in ("GNU grep", "GNU sed", "GNU tar", "GNU find"):
        assert name in told, told
    assert "BusyBox" not in told


async def test_path_goes_on_from_the_images(world: World) -> None:
    """`PATH` with what the image has in it is set for commands in every container whose command is
    known: reported of devcontainers whose `${containerEnv:PATH}:/more` had no effect."""
    if isinstance(world, MemoryWorld):
        return  # there are no images
    agent = await world.agent()
    own = {"PATH": "$(PATH):/more stuff", "WHO": "$(NO:-me) $$"}
    main = Container(name="py", image=world.image, override_command=True, image_env=own)
    line = 'echo "$PATH|$WHO" >/tmp/said; exec sleep infinity'
    side = Container(name="side", image=world.image, command=("sh", "-c", line), image_env=own)
    desired = desired_of(world, spec=simple_spec(world, containers=(main, side)))
    await agent.start(desired)
    for container, look in (("py", 'echo "$PATH|$WHO"'), ("side", "cat /tmp/said")):
        request = ExecRequest(argv=("sh", "-c", look), container=container)
        async with agent.runtime.execute(desired.name, request) as session:
            told = said([chunk async for chunk in session.output()], "stdout").decode()
        path, _, who = told.partition("|")
        assert ":/bin:/more stuff" in path
        assert who == "me $\n"


async def test_a_command_that_does_not_read_its_input(world: World) -> None:
    """Its end is told, also when more input waits for it than anything between here and it
    holds."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    request = ExecRequest(argv=("sh", "-c", "exit 7"))
    async with agent.runtime.execute(desired.name, request, desired.spec) as session:

        async def write_on() -> None:
            while True:
                await session.write(bytes(32 * 1024))
                await asyncio.sleep(0)

        writing = asyncio.create_task(write_on())
        try:
            async with asyncio.timeout(60):
                chunks = [chunk async for chunk in session.output()]
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        assert (said(chunks, "stdout"), await session.exit_code()) == (b"", 7)


async def test_commands_where_nothing_runs(world: World) -> None:
    """A command or logs for a workspace or container that is not there is an error that says so."""
    agent = await world.agent()
    desired = desired_of(world)
    with pytest.raises(NotFound, match="does not run"):
        async with agent.runtime.execute(desired.name, ExecRequest(argv=("true",))):
            pass
    with pytest.raises(NotFound, match="does not run"):
        _ = [chunk async for chunk in agent.runtime.logs(desired.name)]
    await agent.start(desired)
    with pytest.raises(NotFound, match="no container nope"):
        _ = [chunk async for chunk in agent.runtime.logs(desired.name, "nope")]


async def test_steps_run_once(world: World) -> None:
    """A postStart step runs once in a container's life: asked for again, it tells the same end."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    bad = StepRequest(key="bad", container="py", folder="/projects", command_line="no-such-program")
    code, lines = await agent.runtime.run_step(desired.name, bad)
    assert code == 127
    assert "not found" in lines
    assert await agent.runtime.run_step(desired.name, bad) == (code, lines)
    good = StepRequest(key="good", container="py", folder="/projects", command_line="true")
    assert await agent.runtime.run_step(desired.name, good) == (0, "")


async def test_what_steps_write_is_heard(world: World) -> None:
    """All of it, from the beginning, also by whoever asks again, as an agent that starts anew."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)
    step = StepRequest(key="say", container="py", folder="/projects", command_line="echo one two")
    for _ in range(2):
        heard: list[bytes] = []
        assert await agent.runtime.run_step(desired.name, step, heard.append) == (0, "")
        assert b"".join(heard) == b"one two\n"


async def test_following_a_log_ends_with_its_container(world: World) -> None:
    """Who follows a log hears no more once the container has ended."""
    agent = await world.agent()
    desired = desired_of(world)
    await agent.start(desired)

    async def follow() -> None:
        async for _ in agent.runtime.logs(desired.name, "py", follow=True):
            pass

    following = asyncio.create_task(follow())
    await asyncio.sleep(0.1)
    assert not following.done()
    world.end_container(desired.name, "py")
    await asyncio.wait_for(following, 20)


def said(chunks: list[LogChunk], stream: str) -> bytes:
    return b"".join(chunk.data for chunk in chunks if chunk.stream == stream)


async def started(agent: Agent, world: World, name: str) -> dict[str, float]:
    """When each of the devfile's containers was started."""
    observed = await agent.runtime.observe(name, None)
    assert observed.run is not None
    return {c.name: c.started_at or 0.0 for c in observed.run.containers if c.role != "sandbox"}


@pytest.mark.parametrize("own", ["the devfile's", "the image's"])
async def test_the_editor_beside_a_containers_own_command(world: World, own: str) -> None:
    """With `overrideCommand: false`, the main container runs what its devfile, or else its image,
    says, and the editor beside that; when that ends, so does the container, and a start brings both
    back."""
    if isinstance(world, MemoryWorld):
        return  # nothing runs there
    agent = await world.agent()
    line = f"echo own-command-began; echo $$$$ >/dev/shm/own; trap 'exit 5' USR1; while :; do {BUSYBOX} sleep 0.1; done"
    command = (BUSYBOX, "sh", "-c", line) if own == "the devfile's" else None
    main = Container(name="py", image=world.image, command=command)
    desired = desired_of(world, spec=simple_spec(world, containers=(main,)))
    progress = await agent.start(desired)
    assert (progress.ready, progress.fault) == (True, None)
    if own == "the image's":
        looks = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q '[s]leep infinity'"
        await work(world, agent, desired, looks)
        return
    log = [chunk async for chunk in agent.runtime.logs(desired.name)]
    assert b"own-command-began" in said(log, "stdout")
    before = (await started(agent, world, desired.name))["py"]
    await work(world, agent, desired, "kill -USR1 $(cat /dev/shm/own)")

    async def again() -> bool:
        await agent.runtime.start(desired, received=SystemClock().now())
        return (await started(agent, world, desired.name)).get("py", before) > before

    await agent.hearing.until_true(again)
    assert (await agent.settled(desired)).ready
