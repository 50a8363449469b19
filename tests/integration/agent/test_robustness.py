"""The agent process on a real engine: killed anywhere, many at once, meddled with."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from integration.agent.fake_server import FakeServer
from integration.agent.process import AgentProcess
from integration.runtimes.git_server import GitServer
from integration.runtimes.registry import EmptyRegistry
from integration.runtimes.relay import Relay
from integration.runtimes.worlds import (
    EDITOR,
    bridge_address,
    docker,
    inspect,
    objects_of,
    remove_volume,
)
from moorage.agent.runtimes.docker.access import find_host
from moorage.agent.runtimes.port import Identity
from moorage.contract import (
    ActualState,
    Command,
    Container,
    DesiredState,
    Project,
    StageName,
    StageState,
    Step,
    WorkspaceSpec,
)
from moorage.contract import agent as contract
from moorage.kernel.ids import short_id

pytestmark = pytest.mark.docker

StartAgent = Callable[..., Awaitable[AgentProcess]]
NONE = {"containers": [], "networks": [], "volumes": []}


def new_name() -> str:
    return f"workspace-7-1-{short_id()}"


@pytest.fixture
def spec(image: str, git: GitServer) -> WorkspaceSpec:
    main = Container(name="py", image=image, override_command=True)
    project = Project(name="app", clone_path="app", url=git.url("app", bridge_address()))
    return WorkspaceSpec(
        containers=(main,), main_container="py", editor=EDITOR, projects=(project,)
    )


def kept_volumes(server: FakeServer) -> list[str]:
    """Those with the files of people: a run's own go with it."""
    return sorted(name for name in things(server)["volumes"] if ".clone_" not in name)


def things(server: FakeServer) -> dict[str, list[str]]:
    return objects_of(Identity(server.installation, server.agent_id))


async def test_a_workspaces_life(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """Create, restart, stop, start, terminate on a real engine; its terminal works; nothing is left
    at the end."""
    await start_agent()
    name = new_name()
    await server.want(name, spec)
    running = await server.until_state(name, ActualState.RUNNING)
    assert [stage.state for stage in running.stages] == [StageState.DONE] * 7
    assert server.hellos[0].runtime == "docker"
    data, end = await server.run(name, "sh", "-c", "echo kept >~/file; cat hello.txt; exit 3")
    assert (data, end.code) == (b"hello 1\n", 3)
    before = inspect(f"{name}.py")["Id"]
    await server.change(name, DesiredState.RUNNING, restarts=1)
    await server.until_state(name, ActualState.RUNNING)
    assert inspect(f"{name}.py")["Id"] != before
    await server.change(name, DesiredState.STOPPED)
    await server.until_state(name, ActualState.STOPPED)
    assert things(server) == {**NONE, "volumes": [name]}
    await server.change(name, DesiredState.RUNNING)
    await server.until_state(name, ActualState.RUNNING)
    assert (await server.run(name, "sh", "-c", "cat ~/file"))[0] == b"kept\n"
    await server.change(name, DesiredState.TERMINATED)
    await server.until_state(name, ActualState.TERMINATED)
    assert things(server) == NONE


@pytest.mark.parametrize("after", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("during", ["create", "stop", "delete"])
async def test_killed_in_the_middle(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec, during: str, after: float
) -> None:
    """An agent that is killed at any point of a create, stop or delete is followed by one that
    completes it."""
    agent = await start_agent()
    name = new_name()
    await server.until(lambda: server.full_reports)
    if during == "create":
        await server.want(name, spec)
    else:
        await server.want(name, spec)
        await server.until_state(name, ActualState.RUNNING)
        state = DesiredState.STOPPED if during == "stop" else DesiredState.TERMINATED
        await server.change(name, state)
    await asyncio.sleep(after)
    await agent.kill()
    server.actual.clear()
    await start_agent()
    expected = {
        "create": ActualState.RUNNING, "stop": ActualState.STOPPED, "delete": ActualState.TERMINATED,
    }[during]  # fmt: skip
    await server.until_state(name, expected)
    await server.change(name, DesiredState.TERMINATED)
    await server.until_state(name, ActualState.TERMINATED)
    assert things(server) == NONE


async def test_a_new_agent_leaves_alone_what_runs(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """The next agent process finds a workspace Running, with its timeline, and touches no
    container."""
    agent = await start_agent()
    name = new_name()
    await server.want(name, spec)
    first = await server.until_state(name, ActualState.RUNNING)
    before = inspect(f"{name}.py")["State"]["StartedAt"]
    await agent.kill()
    server.actual.clear()
    await start_agent()
    second = await server.until_state(name, ActualState.RUNNING)
    assert inspect(f"{name}.py")["State"]["StartedAt"] == before
    assert second.address == first.address
    stages = {stage.name: stage for stage in second.stages}
    assert all(stage.state is StageState.DONE for stage in stages.values())
    earlier = {stage.name: stage for stage in first.stages}
    for stage in (StageName.RECEIVED, StageName.CLONE):
        assert stages[stage].started_at == pytest.approx(earlier[stage].started_at, abs=0.01)


async def test_twenty_at_once(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """Twenty workspaces that are created at once all run, and all go."""
    agent = await start_agent()
    names = [new_name() for _ in range(20)]
    await server.until(lambda: server.full_reports)
    began = time.monotonic()
    for name in names:
        await server.want(name, spec)
    for name in names:
        await server.until_state(name, ActualState.RUNNING, timeout=180)
    took = time.monotonic() - began
    addresses = {server.actual[name].address for name in names}
    assert len(addresses) == 20
    print(f"20 workspaces: {took:.1f} s, agent {agent.resident() >> 20} MiB")  # noqa: T201 - a figure
    for name in names:
        await server.change(name, DesiredState.TERMINATED)
    for name in names:
        await server.until_state(name, ActualState.TERMINATED, timeout=180)
    assert things(server) == NONE


async def test_one_bad_workspace_hinders_no_other(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """Beside a workspace whose image cannot be had, whose clone fails and whose project is invalid,
    others start."""
    await start_agent()
    project = spec.projects[0]
    bad = {
        "image-not-found": msgspec.structs.replace(
            spec, containers=(Container(name="py", image="127.0.0.1:9/none:1"),)
        ),
        "repository-not-found": msgspec.structs.replace(
            spec,
            projects=(msgspec.structs.replace(project, url=project.url.replace("app", "nope")),),
        ),
        "project-invalid": msgspec.structs.replace(
            spec, projects=(msgspec.structs.replace(project, clone_path="../../etc"),)
        ),
    }
    names = {code: new_name() for code in bad}
    for code, name in names.items():
        await server.want(name, bad[code])
    good = new_name()
    await server.want(good, spec)
    await server.until_state(good, ActualState.RUNNING)
    for code, name in names.items():
        failed = await server.until_state(name, ActualState.FAILED)
        assert failed.cause is not None
        if code != "image-not-found":  # nobody listens there: the registry cannot be reached
            assert failed.cause.code == code
        assert failed.cause.since > 0
        assert not any(stage.state is StageState.RUNNING for stage in failed.stages)


async def test_what_no_snapshot_lists_is_stopped_and_kept(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """A server that was set back lists it no more: its processes end, and volume, network and
    containers stay, told as found with all that is known of it. Taken up again, it has its files;
    removed by the server's word, nothing is left. What is another installation's is left alone."""
    agent = await start_agent()
    kept, found = new_name(), new_name()
    await server.want(kept, spec)
    await server.want(found, spec, owner=5, memo={"title": "app"})
    for name in (kept, found):
        await server.until_state(name, ActualState.RUNNING)
    await server.run(found, "sh", "-c", "echo precious >~/file")
    await agent.kill()
    other = f"mrtest-other-{short_id()}"
    labels = [
        "--label=app.kubernetes.io/managed-by=moorage",
        "--label=moorage.dev/installation=another",
    ]
    docker("volume", "create", *labels, f"--label=moorage.dev/workspace={found}", other)
    try:
        await server.stop()
        lost = server.desired.pop(found)
        await start_agent()
        await server.start()
        told = await server.until(
            lambda: server.found is not None and found in server.found and server.found[found]
        )
        told = await server.until(lambda: not server.found[found].running and server.found[found])
        assert (told.generation, told.owner, told.memo, told.elsewhere) == (
            1,
            5,
            {"title": "app"},
            "",
        )
        assert told.spec == spec
        assert kept_volumes(server) == sorted([kept, found])
        assert sorted(things(server)["networks"]) == sorted([kept, found])
        assert f"volume {found}" in told.objects
        server.desired[found] = lost
        await server.change(found, DesiredState.RUNNING)
        await server.until_state(found, ActualState.RUNNING)
        assert (await server.run(found, "sh", "-c", "cat ~/file"))[0] == b"precious\n"
        await server.until(lambda: not server.found)
        await server.stop()
        del server.desired[found]
        await server.start()
        await server.until(
            lambda: server.found and found in server.found and not server.found[found].running
        )
        mark = server.found[found].mark
        await server.send(contract.RemoveFound(name=found, mark="of something else"))
        await server.send(contract.RemoveFound(name=kept, mark=mark))
        await server.send(contract.RemoveFound(name=found, mark=mark))
        await server.until(lambda: not server.found)
        assert kept_volumes(server) == things(server)["networks"] == [kept]
        assert docker("volume", "ls", "-q", "--filter", f"name={other}") == other
        await server.until_state(kept, ActualState.RUNNING)
    finally:
        docker("volume", "rm", other)


async def test_an_agent_that_knows_newer_generations(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """A server that was set back says that a workspace is to be deleted, as of an earlier
    generation: it goes on running, the agent says why, and what is newer still is done. An agent
    that starts anew knows it from the engine."""
    agent = await start_agent()
    name = new_name()
    await server.want(name, spec)
    await server.change(name, DesiredState.STOPPED)
    await server.change(name, DesiredState.RUNNING)
    await server.until_state(name, ActualState.RUNNING)
    await agent.kill()
    await server.stop()
    now = server.desired[name]
    server.desired[name] = msgspec.structs.replace(
        now, generation=2, desired=DesiredState.TERMINATED
    )
    server.actual.clear()
    await server.start()
    await start_agent()
    actual = await server.until_state(name, ActualState.RUNNING)
    assert actual.cause is not None
    assert actual.cause.code == "server-set-back"
    await server.until(lambda: server.found and server.found[name].generation == 3)
    assert kept_volumes(server) == [name]
    server.desired[name] = now
    await server.change(name, DesiredState.STOPPED)
    await server.until_state(name, ActualState.STOPPED)
    await server.until(lambda: not server.found)


async def test_a_copied_state_folder_beside_the_first(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec, home: Path, tmp_path: Path
) -> None:
    """Two agents of one identity on one engine: neither stops or removes what the other works on,
    and each tells of it."""
    await start_agent()
    copied = tmp_path / "copy"
    shutil.copytree(home, copied, ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
    second = FakeServer(copied / "run" / "server.sock", server.installation, server.agent_id)
    await second.start()
    copy = await start_agent(copied)
    first_name, second_name = new_name(), new_name()
    try:
        await server.want(first_name, spec)
        await second.want(second_name, spec)
        await server.until_state(first_name, ActualState.RUNNING)
        await second.until_state(second_name, ActualState.RUNNING)
        await second.until(lambda: second.found and first_name in second.found)
        told = await second.until(
            lambda: second.found and second.found[first_name].elsewhere and second.found[first_name]
        )
        assert str(home) in told.elsewhere
        assert told.running
        await second.send(contract.RemoveFound(name=first_name, mark=told.mark))
        theirs = await server.until(
            lambda: (
                server.found and second_name in server.found and server.found[second_name].elsewhere
            )
        )
        assert str(copied) in theirs
        for each, name in ((server, first_name), (second, second_name)):
            assert (await each.run(name, "echo", "up"))[0] == b"up\n"
        assert kept_volumes(server) == sorted([first_name, second_name])
    finally:
        await copy.stop()
        await second.stop()


@pytest.mark.parametrize("container", ["py", "sandbox"])
async def test_a_container_removed_by_hand_is_repaired(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec, container: str
) -> None:
    """Somebody removes a container: within seconds the workspace runs again, with its data."""
    await start_agent()
    name = new_name()
    await server.want(name, spec)
    await server.until_state(name, ActualState.RUNNING)
    await server.run(name, "sh", "-c", "echo kept >~/file")

    def started() -> float | None:
        containers = server.actual[name].containers
        return next((c.started_at for c in containers if c.name == "py"), None)

    before = started()
    docker("rm", "-f", f"{name}.{container}")
    # Removed by and by or at once, it is told as Starting or never: what shows the repair is
    # another start.
    await server.until(lambda: started() not in (None, before), timeout=30)
    await server.until_state(name, ActualState.RUNNING, timeout=30)
    assert (await server.run(name, "cat", "/projects/.home/file"))[0] == b"kept\n"


async def test_a_repair_that_is_refused(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """A sidecar and its image are removed by hand, and the registry has none: the workspace stays
    Running, with trouble, and its other containers are left alone; when the image is there again,
    so is the sidecar."""
    registry = EmptyRegistry()
    main = spec.containers[0]
    image = f"{registry.address}/side:{short_id()}"
    docker("tag", main.image, image)
    side = Container(name="side", image=image, command=("sleep", "600"))
    name = new_name()
    try:
        await start_agent()
        await server.want(name, msgspec.structs.replace(spec, containers=(main, side)))
        await server.until_state(name, ActualState.RUNNING)
        started = inspect(f"{name}.py")["State"]["StartedAt"]
        seen = len(server.history)
        docker("rmi", "-f", image)
        docker("rm", "-f", f"{name}.side")

        def told() -> bool:
            return [trouble.code for trouble in server.actual[name].trouble] == ["image-not-found"]

        await server.until(told, timeout=20)
        await asyncio.sleep(2.0)  # it is tried again meanwhile
        assert {(a.state, bool(a.address)) for a in server.history[seen:]} == {
            (ActualState.RUNNING, True)
        }
        docker("tag", main.image, image)
        await server.until(
            lambda: not server.actual[name].trouble and len(server.actual[name].containers) == 2,
            timeout=30,
        )
        assert inspect(f"{name}.py")["State"]["StartedAt"] == started
    finally:
        docker("rmi", "-f", image, check=False)
        registry.close()


async def test_a_side_container_that_always_ends(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """A side container that always ends takes neither the editor nor commands with it, however
    often it has ended: the workspace runs, with trouble, told with exit code and last lines. Once
    it can run, which a command in the workspace sees to, the trouble goes by itself."""
    await start_agent()
    name = new_name()
    side = Container(
        name="db",
        image=spec.containers[0].image,
        command=(
            "sh",
            "-c",
            "test -e /projects/data || { echo cannot open data; exit 9; }; sleep 600",
        ),
        mount_sources=True,
    )
    await server.want(name, msgspec.structs.replace(spec, containers=(*spec.containers, side)))
    await server.until(lambda: name in server.actual and bool(server.actual[name].trouble))
    running = server.actual[name]
    assert running.state is ActualState.RUNNING
    assert running.address
    [trouble] = running.trouble
    assert trouble.code == "container-crashed"
    assert "db ended with exit code 9" in trouble.message
    assert "cannot open data" in trouble.detail
    for channel in range(30):  # longer than a crash loop of the main container would be borne
        await server.open(
            contract.OpenLogs(channel=f"log{channel}", workspace=name, container="db")
        )
        lines = (await server.output(f"log{channel}"))[0].count(b"cannot open data")
        if lines >= 5:
            break
        await asyncio.sleep(2)
    assert lines >= 5
    assert {a.state for a in server.history if a.name == name and a.trouble} == {
        ActualState.RUNNING
    }
    main = inspect(f"{name}.py")["State"]["StartedAt"]
    assert (await server.run(name, "touch", "/projects/data"))[1].code == 0
    await server.until(lambda: not server.actual[name].trouble, timeout=60)
    assert server.actual[name].state is ActualState.RUNNING
    assert inspect(f"{name}.py")["State"]["StartedAt"] == main


async def test_an_editor_that_crashes(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """An editor that can start nowhere makes the workspace Failed with its exit code and words, not
    Starting for ever, once it was tried in another environment, too."""
    await start_agent(rescue_image=spec.containers[0].image)
    name = new_name()
    editor = msgspec.structs.replace(EDITOR, command=("sh", "-c", "echo bad settings; exit 5"))
    await server.want(name, msgspec.structs.replace(spec, editor=editor))
    failed = await server.until_state(name, ActualState.FAILED, timeout=60)
    assert failed.cause is not None
    assert failed.cause.code == "editor-crashed"
    assert "exit code 5" in failed.cause.message
    assert "bad settings" in failed.cause.detail
    assert "to repair it from did not run, either" in failed.cause.message


async def test_what_keeps_the_editor_from_starting_is_mended_from_inside(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec, image: str
) -> None:
    """A main container that ends again and again is replaced by one of another image, with the same
    files and an editor: the workspace runs, and says what ended, with its last words. What is
    mended there holds at the next restart; an agent that starts anew leaves it as it is."""
    agent = await start_agent(rescue_image=image)
    name = new_name()
    broken = "[ $HOME != /projects/.home ] || [ -e ~/mended ] || { echo bad settings; exit 5; }; "
    shell, *rest = EDITOR.command[:-1]
    editor = msgspec.structs.replace(EDITOR, command=(shell, *rest, broken + EDITOR.command[-1]))
    side = Container(name="db", image=image, override_command=True)
    containers = (*spec.containers, side)
    await server.want(name, msgspec.structs.replace(spec, editor=editor, containers=containers))
    running = await server.until_state(name, ActualState.RUNNING)
    assert running.rescue
    assert running.address
    assert running.trouble[0].code == "editor-crashed"
    assert "exit code 5" in running.trouble[0].message
    assert "bad settings" in running.trouble[0].detail
    assert [container.name for container in running.containers] == ["py"]
    assert ActualState.FAILED not in {a.state for a in server.history if a.name == name}
    confined = inspect(f"{name}.py")
    assert confined["Config"]["User"] == "5001:0"
    assert confined["HostConfig"]["CapDrop"] == ["ALL"]
    await agent.kill()
    began = confined["State"]["StartedAt"]
    server.actual.clear()
    await start_agent(rescue_image=image)
    assert (await server.until_state(name, ActualState.RUNNING)).rescue
    assert inspect(f"{name}.py")["State"]["StartedAt"] == began
    assert (await server.run(name, "ls", "/projects/app"))[1].code == 0
    assert (await server.run(name, "touch", "/projects/.home/mended"))[1].code == 0
    await server.change(name, DesiredState.RUNNING, restarts=1)
    await server.until(lambda: not server.actual[name].rescue)
    running = await server.until_state(name, ActualState.RUNNING)
    assert running.trouble == ()
    assert {container.name for container in running.containers} == {"py", "db"}


async def test_a_full_volume(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """A volume without room makes the workspace Failed with that cause; once there is room, a new
    start works."""
    await start_agent()
    name = new_name()
    labels = {
        "app.kubernetes.io/managed-by": "moorage",
        "moorage.dev/installation": server.installation,
        "moorage.dev/agent": str(server.agent_id),
        "moorage.dev/workspace": name,
    }
    flags = [f"--label={key}={value}" for key, value in labels.items()]
    options = [
        "-o",
        "type=tmpfs",
        "-o",
        "device=tmpfs",
        "-o",
        "o=size=48k,uid=5001,gid=0,mode=2775",
    ]
    docker("volume", "create", *flags, *options, name)
    await server.want(name, spec)
    failed = await server.until_state(name, ActualState.FAILED)
    assert failed.cause is not None
    assert failed.cause.code == "no-space"
    await server.change(name, DesiredState.STOPPED)
    await server.until_state(name, ActualState.STOPPED)
    remove_volume(name)
    await server.change(name, DesiredState.RUNNING)
    await server.until_state(name, ActualState.RUNNING)


async def test_stopped_while_it_starts(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec, image: str
) -> None:
    """A stop that comes while a start waits for something slow ends the start at once."""
    await start_agent()
    slow = Container(name="slow", image=image, command=("sleep", "1000"))
    name = new_name()
    await server.want(name, msgspec.structs.replace(spec, init_containers=(slow,)))
    await server.until(
        lambda: (
            name in server.actual
            and "step slow runs" in str([s.detail for s in server.actual[name].stages])
        )
    )
    await server.change(name, DesiredState.STOPPED)
    await server.until_state(name, ActualState.STOPPED, timeout=20)
    assert things(server)["containers"] == []


async def test_pre_stop(server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec) -> None:
    """PreStop commands run before a stop; one that hangs does not hinder it."""
    await start_agent(pre_stop_timeout=2)
    name = new_name()
    steps = (
        Step(
            id="save",
            commands=(Command(id="save", container="py", command_line="echo bye >~/saved"),),
        ),
        Step(id="hang", commands=(Command(id="hang", container="py", command_line="sleep 1000"),)),
    )
    await server.want(name, msgspec.structs.replace(spec, pre_stop=steps))
    await server.until_state(name, ActualState.RUNNING)
    await server.change(name, DesiredState.STOPPED)
    await server.until_state(name, ActualState.STOPPED, timeout=30)
    await server.want(name, spec)
    await server.until_state(name, ActualState.RUNNING)
    assert (await server.run(name, "sh", "-c", "cat ~/saved"))[0] == b"bye\n"


async def test_the_engine_goes_and_comes(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec, home: Path
) -> None:
    """While no engine answers, the cause is said; when it is back with everything ended, all runs
    again, uncounted."""
    path = home / "engine.sock"
    engine = find_host("").removeprefix("unix://")
    relay = Relay(path, engine)
    await relay.open()
    await start_agent(docker_host=f"unix://{path}", crash_limit=1)
    name = new_name()
    await server.want(name, spec)
    await server.until_state(name, ActualState.RUNNING)
    for _ in range(3):
        await relay.close()
        lost = await server.until_state(name, ActualState.ERROR, timeout=30)
        assert lost.cause is not None
        assert lost.cause.code == "engine-unreachable"
        assert "No container engine answers" in lost.cause.message
        docker("kill", f"{name}.py", f"{name}.sandbox")
        await relay.open()
        await server.until_state(name, ActualState.RUNNING, timeout=60)
    await relay.close()


async def test_an_agent_that_starts_without_an_engine(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec, home: Path
) -> None:
    """An agent without an engine connects to the server, says what is the matter, and starts when
    it can."""
    path = home / "engine.sock"
    name = new_name()
    await server.want(name, spec)
    agent = await start_agent(docker_host=f"unix://{path}")
    error = await server.until_state(name, ActualState.ERROR, timeout=30)
    assert error.cause is not None
    assert error.cause.code == "engine-unreachable"
    assert "engine-unreachable" in (await agent.get("/healthz"))[1]
    relay = Relay(path, find_host("").removeprefix("unix://"))
    await relay.open()
    await server.until_state(name, ActualState.RUNNING, timeout=60)
    await relay.close()


async def test_a_terminal_outlives_nothing(
    server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec
) -> None:
    """A closed channel ends its command; a large output comes whole, as fast as it is taken."""
    await start_agent()
    name = new_name()
    await server.want(name, spec)
    await server.until_state(name, ActualState.RUNNING)
    await server.open(
        contract.OpenExec(channel="t", workspace=name, argv=("sleep", "12345"), tty=True)
    )
    async with asyncio.timeout(20):
        while "sleep 12345" not in docker("top", f"{name}.py", "-eo", "pid,args"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await server.send(contract.ChannelClose(channel="t"))
    async with asyncio.timeout(20):
        while "sleep 12345" in docker("top", f"{name}.py", "-eo", "pid,args"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    size = 3_000_000
    await server.open(
        contract.OpenExec(
            channel="big", workspace=name, argv=("head", "-c", str(size), "/dev/zero")
        )
    )
    taken = 0
    while "big" not in server.exits:
        new = heard(server, "big") - taken
        taken += new
        if new:
            await server.send(contract.ChannelCredit(channel="big", bytes=new))
        await asyncio.sleep(0.01)
    assert heard(server, "big") == size
    assert server.exits["big"].code == 0


def heard(server: FakeServer, channel: str) -> int:
    return sum(len(output.data) for output in server.outputs[channel])


async def test_idle_cost(server: FakeServer, start_agent: StartAgent, spec: WorkspaceSpec) -> None:
    """With a workspace running and nothing to do, the agent takes little memory and next to no
    time."""
    agent = await start_agent()
    name = new_name()
    await server.want(name, spec)
    await server.until_state(name, ActualState.RUNNING)
    before = agent.cpu_seconds()
    await asyncio.sleep(4)
    spent = agent.cpu_seconds() - before
    print(f"idle: {agent.resident() >> 20} MiB, {spent / 4:.3%} of a core")  # noqa: T201 - a figure
    assert agent.resident() < 64 << 20
    assert spent / 4 < 0.02
