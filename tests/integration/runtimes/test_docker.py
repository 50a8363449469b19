"""What only a real engine shows: confinement, volumes, networks, images, the engine's own
absence."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from integration.runtimes.git_server import run
from integration.runtimes.relay import Relay
from integration.runtimes.test_docker_clone import sh
from integration.runtimes.worlds import (
    EDITOR,
    DockerWorld,
    bridge_address,
    desired_of,
    docker,
    inspect,
    load_image,
    objects_of,
    simple_spec,
)
from moorage.agent.runtimes.docker import monitor
from moorage.agent.runtimes.docker.access import find_host
from moorage.agent.runtimes.port import ExecRequest, RuntimeFault, StepRequest
from moorage.agent.settings import AgentSettings
from moorage.contract import (
    Container,
    DesiredWorkspace,
    EditorSpec,
    Resources,
    StageName,
    StageState,
    Volume,
    VolumeMount,
)
from moorage.kernel.ids import short_id

pytestmark = pytest.mark.docker


async def test_an_image_that_leads_elsewhere_is_refused(docker_world: DockerWorld) -> None:
    """An image that would lead to another part of the engine's API fails its workspace in words,
    and nothing is asked of the engine."""
    agent = await docker_world.agent()
    main = Container(name="py", image="x/../../containers", override_command=True)
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(
            desired_of(docker_world, spec=simple_spec(docker_world, containers=(main,)))
        )
    assert caught.value.cause.code == "image-name-invalid"


async def test_nobody_takes_the_whole_machine(docker_world: DockerWorld) -> None:
    """Without a word about memory, a workspace gets half of the machine's; a claim beyond the
    machine is refused in words."""
    agent = await docker_world.agent()
    total = int(docker("info", "--format", "{{.MemTotal}}"))
    main = Container(name="py", image=docker_world.image, override_command=True)
    side = Container(name="side", image=docker_world.image, override_command=True)
    desired = desired_of(docker_world, spec=simple_spec(docker_world, containers=(main, side)))
    assert (await agent.start(desired)).ready
    for name in ("py", "side"):
        host = inspect(f"{desired.name}.{name}")["HostConfig"]
        assert host["Memory"] == host["MemorySwap"] == total // 4
    greedy = msgspec.structs.replace(main, resources=Resources(cpu_request=200_000))
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(
            desired_of(docker_world, spec=simple_spec(docker_world, containers=(greedy,)))
        )
    assert caught.value.cause.code == "machine-too-small"


async def test_nobody_fills_the_disk(docker_world: DockerWorld) -> None:
    """A workspace that takes more of the disk than it may is given up in words; its files are there
    when it starts again."""
    filling = await docker_world.agent()  # its limit is far away: nobody measures a file that grows
    desired = desired_of(docker_world)
    assert (await filling.start(desired)).ready
    await sh(filling, desired, "head -c 60000000 /dev/zero >/projects/large")
    await filling.close()
    settings = msgspec.structs.replace(docker_world.settings, disk_limit=50 << 20, disk_every=0.5)
    agent = await docker_world.agent(settings)
    await agent.runtime.observe(desired.name, desired)
    fault = await agent.hearing.until(lambda: agent.runtime.progress(desired.name).fault)
    assert fault.code == "disk-limit"
    assert "may take 50 MiB" in fault.message
    await agent.runtime.halt(desired.name)
    again = msgspec.structs.replace(desired, restarts=1, generation=2)
    assert (await agent.start(again, fresh=True)).ready
    assert "large" in await sh(agent, again, "ls /projects")


async def test_confinement(docker_world: DockerWorld) -> None:
    """Every container runs as uid 5001 of group 0, without a capability or a way to get one, within
    its limits."""
    agent = await docker_world.agent()
    limits = Resources(
        cpu_limit=500, memory_limit=256 << 20, memory_request=64 << 20, pids_limit=200
    )
    main = Container(name="py", image=docker_world.image, override_command=True, resources=limits)
    desired = desired_of(docker_world, spec=simple_spec(docker_world, containers=(main,)))
    assert (await agent.start(desired)).ready
    for name in ("py", "sandbox"):
        host = inspect(f"{desired.name}.{name}")["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert not host["Privileged"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["IpcMode"] == "private"
        assert host["PidsLimit"] > 0
        assert not any("docker.sock" in str(mount) for mount in host["Mounts"])
    host = inspect(f"{desired.name}.py")["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["MemorySwap"]) == (
        500_000_000,
        256 << 20,
        256 << 20,
    )
    assert (host["MemoryReservation"], host["PidsLimit"]) == (64 << 20, 200)
    assert await sh(agent, desired, "id -u; id -g") == "5001\n0"
    status = await sh(
        agent, desired, "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr '\\t' ' '"
    )
    assert status == "CapEff: 0000000000000000\nCapBnd: 0000000000000000\nNoNewPrivs: 1"
    assert await sh(agent, desired, "touch /opt/moorage/x 2>&1 | grep -c 'Read-only'") == "1"


async def test_more_cpu_than_there_is(docker_world: DockerWorld) -> None:
    """A limit above what the machine has is lowered to that, not refused."""
    agent = await docker_world.agent()
    main = Container(
        name="py",
        image=docker_world.image,
        override_command=True,
        resources=Resources(cpu_limit=1_000_000),
    )
    desired = desired_of(docker_world, spec=simple_spec(docker_world, containers=(main,)))
    assert (await agent.start(desired)).ready


async def test_workspaces_do_not_reach_each_other(docker_world: DockerWorld) -> None:
    """A workspace reaches neither another workspace's ports nor what listens on this machine's
    loopback address."""
    agent = await docker_world.agent()
    one, two = desired_of(docker_world), desired_of(docker_world)
    await agent.start(one)
    await agent.start(two)
    observed = await agent.runtime.observe(two.name, two)
    assert observed.run is not None
    address = observed.run.address
    assert (
        await sh(agent, two, f"/opt/moorage/bin/busybox wget -q -O - http://{address}:60001/")
        == "ok"
    )
    request = ExecRequest(argv=("timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{address}/60001"))
    async with agent.runtime.execute(one.name, request) as session:
        _ = [chunk async for chunk in session.output()]
        assert await session.exit_code() != 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", bridge_address(), address.rsplit(".", 1)[0] + ".1"):
            request = ExecRequest(
                argv=("timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}")
            )
            async with agent.runtime.execute(one.name, request) as session:
                _ = [chunk async for chunk in session.output()]
                assert await session.exit_code() != 0, host


async def test_devfile_volumes(docker_world: DockerWorld) -> None:
    """A volume is writable and stays over a stop; an ephemeral one does not; removal leaves
    neither."""
    agent = await docker_world.agent()
    main = Container(
        name="py",
        image=docker_world.image,
        override_command=True,
        volume_mounts=(
            VolumeMount(volume="keep", path="/keep"),
            VolumeMount(volume="temp", path="/temp"),
        ),
    )
    volumes = (Volume(name="keep"), Volume(name="temp", ephemeral=True))
    desired = desired_of(
        docker_world, spec=simple_spec(docker_world, containers=(main,), volumes=volumes)
    )
    assert (await agent.start(desired)).ready
    await sh(agent, desired, "echo 1 >/keep/a; echo 2 >/temp/b")
    await agent.runtime.stop(desired.name)
    assert (await agent.start(desired)).ready
    assert await sh(agent, desired, "cat /keep/a; ls /temp | wc -l") == "1\n0"
    await agent.runtime.remove(desired.name)
    assert objects_of(docker_world.identity) == {"containers": [], "networks": [], "volumes": []}


async def test_sources_elsewhere(docker_world: DockerWorld) -> None:
    """A container's own place for the sources, and one that wants none, are respected."""
    agent = await docker_world.agent()
    main = Container(name="py", image=docker_world.image, override_command=True)
    side = Container(
        name="side", image=docker_world.image, override_command=True, source_mapping="/src"
    )
    bare = Container(
        name="bare", image=docker_world.image, override_command=True, mount_sources=False
    )
    desired = desired_of(
        docker_world, spec=simple_spec(docker_world, containers=(main, side, bare))
    )
    assert (await agent.start(desired)).ready

    async def within(container: str, command: str) -> str:
        request = ExecRequest(argv=("sh", "-c", command), container=container)
        async with agent.runtime.execute(desired.name, request) as session:
            return b"".join([chunk.data async for chunk in session.output()]).decode().strip()

    assert (
        await within("side", "cat $PROJECT_SOURCE/hello.txt; echo $PROJECTS_ROOT $HOME")
        == "hello 1\n/src /src/.home"
    )
    assert await within("bare", "echo ${PROJECTS_ROOT:-none}; mount | grep -c '/src'") == "none\n0"


async def test_pre_start_steps(docker_world: DockerWorld) -> None:
    """PreStart steps run to their end, in order, with the projects there, before anything else;
    once per run."""
    agent = await docker_world.agent()
    steps = tuple(
        Container(
            name=f"step{number}",
            image=docker_world.image,
            command=(
                "sh",
                "-c",
                f"test -e /projects/app/hello.txt && echo {number} >>/projects/steps",
            ),
        )
        for number in (1, 2)
    )
    desired = desired_of(docker_world, spec=simple_spec(docker_world, init_containers=steps))
    assert (await agent.start(desired)).ready
    assert await sh(agent, desired, "cat /projects/steps") == "1\n2"
    docker("rm", "-f", f"{desired.name}.py")
    assert (await agent.start(desired)).ready
    assert await sh(agent, desired, "cat /projects/steps") == "1\n2"


async def test_failing_pre_start_step(docker_world: DockerWorld) -> None:
    """A preStart step that fails is a final fault with its exit code and words."""
    agent = await docker_world.agent()
    step = Container(
        name="prepare", image=docker_world.image, command=("sh", "-c", "echo no luck; exit 4")
    )
    desired = desired_of(docker_world, spec=simple_spec(docker_world, init_containers=(step,)))
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(desired)
    cause = caught.value.cause
    assert (cause.code, caught.value.final) == ("init-failed", True)
    assert "prepare" in cause.message
    assert "exit code 4" in cause.message
    assert "no luck" in cause.detail


async def test_post_start_output_is_kept(docker_world: DockerWorld) -> None:
    """A postStart command's output is kept in the workspace; it gets its folder and variables."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    assert (await agent.start(desired)).ready
    step = StepRequest(
        key="install",
        container="py",
        folder="/projects/app",
        command_line="pwd; echo $X; ls",
        env={"X": "42"},
    )
    assert await agent.runtime.run_step(desired.name, step) == (0, "")
    assert (
        await sh(agent, desired, "cat /projects/.moorage/steps/install.log")
        == "/projects/app\n42\nhello.txt"
    )


async def test_steps_are_heard_while_they_run(docker_world: DockerWorld) -> None:
    """A command that does not end is heard all the same; it goes on when nobody listens, is not
    begun again, and who listens anew hears it from the beginning. Much output ends with its end."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    assert (await agent.start(desired)).ready
    serve = StepRequest(
        key="serve",
        container="py",
        folder="/projects",
        command_line="echo serving; echo $$ >>/projects/pids; while sleep 0.2; do echo on; done",
    )

    async def hears(words: bytes) -> None:
        heard, enough = bytearray(), asyncio.Event()

        def hear(data: bytes) -> None:
            heard.extend(data)
            if heard.startswith(b"serving\n") and words in heard:
                enough.set()

        running = asyncio.create_task(agent.runtime.run_step(desired.name, serve, hear))
        await asyncio.wait_for(enough.wait(), 60)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    await hears(b"on\n" * 3)
    await hears(b"on\n" * 20)
    pids = (await sh(agent, desired, "cat /projects/pids")).split()
    assert len(pids) == 1
    assert await sh(agent, desired, f"kill -0 {pids[0]} && echo alive") == "alive"
    much = StepRequest(
        key="much",
        container="py",
        folder="/projects",
        command_line="yes x | head -c 30000000; echo the end; exit 7",
    )
    ends: list[bytes] = []
    code, reason = await agent.runtime.run_step(desired.name, much, ends.append)
    assert code == 7
    assert reason.endswith("x\nthe end\n")
    assert sum(map(len, ends)) < 30_000_000


async def test_terminal(docker_world: DockerWorld) -> None:
    """A command on a terminal has its size, hears of a new one, and ends with its reader."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    assert (await agent.start(desired)).ready
    request = ExecRequest(argv=("bash", "--norc"), tty=True, columns=101, rows=33)
    async with agent.runtime.execute(desired.name, request, desired.spec) as session:
        heard = ""

        async def until(words: str) -> None:
            nonlocal heard
            async with asyncio.timeout(20):
                while words not in heard:
                    heard += (await anext(output)).data.decode()

        output = session.output()
        await session.write(b"pwd; stty size\n")
        await until("/projects/app\r\n")
        await until("33 101")
        await session.resize(90, 20)
        await session.write(b"stty size; echo mark=$MOORAGE_EXEC\n")
        await until("20 90")
        await session.write(b"sleep 1000 &\n")
        await until("[1]")
    await _until_gone(desired, "bash --norc")


async def _until_gone(desired: DesiredWorkspace, words: str) -> None:
    async with asyncio.timeout(20):
        while words in docker("top", f"{desired.name}.py", "-eo", "pid,args"):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.1)


async def test_logs_of_clone_and_editor(docker_world: DockerWorld) -> None:
    """`clone` tells what the clone did, in words; the main container's log is the editor's; `tail`
    takes the end."""
    agent = await docker_world.agent()
    editor = msgspec.structs.replace(
        EDITOR, command=("sh", "-c", f"echo line one; echo line two; {EDITOR.command[3]}")
    )
    desired = desired_of(docker_world, spec=simple_spec(docker_world, editor=editor))
    assert (await agent.start(desired)).ready

    async def log(container: str, tail: int | None = None) -> str:
        chunks = agent.runtime.logs(desired.name, container, tail=tail)
        return b"".join([chunk.data async for chunk in chunks]).decode()

    clone = await log("clone")
    assert "moorage: cloning" in clone
    assert '"event"' not in clone
    assert await log("") == "line one\nline two\n"
    assert await log("py", tail=1) == "line two\n"


async def test_ca_bundle(docker_world: DockerWorld, tmp_path: Path) -> None:
    """The CA bundle is in every container, read-only, and the variables that programs look at name
    it."""
    made = tmp_path / "ca.pem"
    subject = ["-subj", "/CN=moorage test"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        str(tmp_path / "key"),
    ]
    run(*command, *subject, "-out", str(made))
    agent = await docker_world.agent(
        msgspec.structs.replace(docker_world.settings, ca_bundle=str(made))
    )
    desired = desired_of(docker_world)
    assert (await agent.start(desired)).ready
    body = made.read_text().splitlines()[1]
    for variable in (
        "SSL_CERT_FILE",
        "PIP_CERT",
        "NODE_EXTRA_CA_CERTS",
        "GIT_SSL_CAINFO",
        "CURL_CA_BUNDLE",
    ):
        assert await sh(agent, desired, f"grep -c '{body}' ${variable}") == "1"
    assert await sh(agent, desired, "touch $SSL_CERT_FILE.x 2>&1 | grep -c Read-only") == "1"


async def test_editor_that_never_answers(docker_world: DockerWorld) -> None:
    """An editor that does not open its port in time makes the start fail with the port and the last
    lines."""
    agent = await docker_world.agent(
        msgspec.structs.replace(docker_world.settings, editor_timeout=10)
    )
    editor = EditorSpec(name="deaf", command=("sh", "-c", "echo thinking; sleep 1000"), needs="any")
    desired = desired_of(docker_world, spec=simple_spec(docker_world, editor=editor))
    progress = await agent.start(desired)
    assert progress.fault is not None
    assert progress.fault.code == "editor-port-not-open"
    assert "60001" in progress.fault.message
    assert "thinking" in progress.fault.detail
    states = {stage.name: stage.state for stage in progress.stages}
    assert states[StageName.EDITOR] is StageState.FAILED


async def test_editor_that_keeps_ending(docker_world: DockerWorld) -> None:
    """An editor that ends is started again some times; then its container gives up, with the
    editor's exit code."""
    agent = await docker_world.agent()
    editor = EditorSpec(
        name="weak", command=("sh", "-c", "echo broken settings; exit 5"), needs="any"
    )
    desired = desired_of(docker_world, spec=simple_spec(docker_world, editor=editor))
    await agent.runtime.start(desired, received=1.0)

    async def ended() -> object:
        observed = await agent.runtime.observe(desired.name, desired)
        assert observed.run is not None
        main = next(c for c in observed.run.containers if c.role == "main")
        return main if main.exit_code is not None else None

    main = await agent.hearing.until_true(ended)
    assert main.exit_code == 5
    assert main.hopeless
    assert main.fault.code == "editor-crashed"
    assert main.fault.detail.count("broken settings") == 3


@pytest.fixture(scope="module")
def foreign_image() -> Iterator[str]:
    """An image for another architecture, by its own word."""
    name = f"mrtest-foreign:{short_id()}"
    load_image(name, b"\x7fELF of somebody else", architecture="s390x")
    yield name
    docker("rmi", name)


async def test_image_without_glibc(docker_world: DockerWorld, bare_image: str) -> None:
    """An editor that needs glibc says so in an image without it; one that needs nothing runs
    there."""
    agent = await docker_world.agent()
    main = Container(name="py", image=bare_image, override_command=True)
    needy = msgspec.structs.replace(EDITOR, needs="glibc")
    desired = desired_of(
        docker_world, spec=simple_spec(docker_world, containers=(main,), editor=needy)
    )
    await agent.runtime.start(desired, received=1.0)

    async def ended() -> object:
        observed = await agent.runtime.observe(desired.name, desired)
        assert observed.run is not None
        found = next(c for c in observed.run.containers if c.role == "main")
        return found if found.exit_code is not None else None

    status = await agent.hearing.until_true(ended)
    assert status.fault.code == "image-without-glibc"
    assert status.hopeless
    assert "GNU C library" in status.fault.message
    other = desired_of(docker_world, spec=simple_spec(docker_world, containers=(main,)))
    assert (await agent.start(other)).ready
    # What such an image lacks comes from the tools tree, which brings no package manager.
    line = (
        "echo one | grep -c one; tar --help 2>&1 | head -n 1; command -v wget dpkg rpm || echo none"
    )
    told = await sh(agent, other, line)
    assert told.split("\n")[0] == "1"
    assert "BusyBox" in told
    assert told.rstrip().endswith("none")


async def test_image_of_another_architecture(docker_world: DockerWorld, foreign_image: str) -> None:
    """An image for another kind of processor is refused in these words."""
    agent = await docker_world.agent()
    main = Container(name="py", image=foreign_image, override_command=True)
    desired = desired_of(docker_world, spec=simple_spec(docker_world, containers=(main,)))
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(desired)
    assert caught.value.cause.code == "wrong-architecture"
    assert "s390x" in caught.value.cause.message


async def test_command_that_does_not_exist(docker_world: DockerWorld) -> None:
    """A container whose command is not in its image says so, and takes nothing else down."""
    agent = await docker_world.agent()
    spec = simple_spec(docker_world)
    side = Container(name="side", image=docker_world.image, command=("/no/such/program",))
    desired = desired_of(
        docker_world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side))
    )
    assert (await agent.start(desired)).ready
    run = (await agent.runtime.observe(desired.name, desired)).run
    assert run is not None
    faults = {c.name: c.fault.code for c in run.containers if c.fault is not None}
    assert faults == {"side": "command-not-found"}


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("{registry}/private/app:1", "image-denied"),
        ("127.0.0.1:9/app:1", "registry-unreachable"),
        ("127.0.0.1:10/app:1", "registry-denied"),
        ("localhost:10/app:1", "registry-denied"),
        ("Not A Name", "image-name-invalid"),
    ],
)
async def test_images_that_cannot_be_had(
    docker_world: DockerWorld, reference: str, code: str
) -> None:
    """What the registry answers, or that it does not, is told apart; each ends the start within
    seconds."""
    agent = await docker_world.agent()
    name = reference.format(registry=docker_world.registry.address)
    main = Container(name="py", image=name)
    desired = desired_of(docker_world, spec=simple_spec(docker_world, containers=(main,)))
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(desired)
    assert caught.value.cause.code == code, caught.value.cause
    assert caught.value.final


async def test_tools_image_that_is_missing(docker_world: DockerWorld) -> None:
    """Without the tools image, the cause is the agent's own, says what to do, and is tried
    again."""
    settings = msgspec.structs.replace(
        docker_world.settings, tools_image=f"{docker_world.registry.address}/tools:1"
    )
    agent = await docker_world.agent(settings)
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(desired_of(docker_world))
    assert caught.value.cause.code == "tools-image-missing"
    assert not caught.value.final


async def test_network_pool(docker_world: DockerWorld) -> None:
    """A pool with room for one network gives one workspace its network, and tells the second; a
    removal makes room."""
    settings = msgspec.structs.replace(docker_world.settings, network_pool="10.215.7.16/28")
    agent = await docker_world.agent(settings)
    one, two = desired_of(docker_world), desired_of(docker_world)
    assert (await agent.start(one)).ready
    with pytest.raises(RuntimeFault) as caught:
        await agent.start(two)
    assert caught.value.cause.code == "network-pool-exhausted"
    assert not caught.value.final
    await agent.runtime.remove(one.name)
    assert (await agent.start(two)).ready


async def test_sandbox_that_ended(docker_world: DockerWorld) -> None:
    """When the container that holds the network ends, all join the new one, and the workspace is
    ready again."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    assert (await agent.start(desired)).ready
    await sh(agent, desired, "echo mine >~/kept")
    docker("kill", f"{desired.name}.sandbox")
    assert (await agent.start(desired)).ready
    assert await sh(agent, desired, "cat ~/kept") == "mine"
    observed = await agent.runtime.observe(desired.name, desired)
    assert observed.run is not None
    with socket.create_connection((observed.run.address, 60001), timeout=5):
        pass


async def test_a_former_networks_ghost(docker_world: DockerWorld) -> None:
    """Two networks of the same name, as an agent that was killed may leave, do not hinder a start
    or a removal."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    identity = docker_world.identity
    labels = {
        "app.kubernetes.io/managed-by": "moorage",
        "moorage.dev/installation": identity.installation,
        "moorage.dev/agent": str(identity.agent),
        "moorage.dev/workspace": desired.name,
    }
    flags = [f"--label={name}={value}" for name, value in labels.items()]
    docker("network", "create", *flags, "--subnet", "10.214.255.0/28", desired.name)
    assert (await agent.start(desired)).ready
    await agent.runtime.remove(desired.name)
    assert objects_of(identity)["networks"] == []


async def test_no_engine(tmp_path: Path) -> None:
    """Where no engine listens, the runtime says so, with the address, and is ready once one
    does."""
    from integration.runtimes.worlds import Agent
    from moorage.agent.runtimes.docker.backend import DockerBackend
    from moorage.agent.runtimes.port import Identity
    from moorage.kernel.clock import SystemClock

    path = tmp_path / "engine.sock"
    backend = DockerBackend(AgentSettings(docker_host=f"unix://{path}"), SystemClock())
    agent = Agent(backend, Identity("mrtest-none", 7))
    try:
        with pytest.raises(RuntimeFault) as caught:
            await backend.describe()
        assert caught.value.cause.code == "engine-unreachable"
        assert str(path) in caught.value.cause.message
        cause = await agent.hearing.until(lambda: agent.hearing.lost_causes)
        assert cause[0].code == "engine-unreachable"
        async with Relay(path, find_host("").removeprefix("unix://")) as relay:
            await asyncio.wait_for(agent.hearing.is_up.wait(), 20)
            agent.hearing.lost_causes.clear()
            await relay.close()
            await agent.hearing.until(lambda: agent.hearing.lost_causes)
            await relay.open()
            await asyncio.wait_for(agent.hearing.is_up.wait(), 20)
    finally:
        await agent.close()


@pytest.mark.parametrize("fault", ["cut", "mute"])
async def test_a_log_whose_words_are_lost(
    docker_world: DockerWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """When an engine breaks off the log of a clone, or loses its last words, it is asked again: no
    start waits for ever."""
    monkeypatch.setattr(monitor, "QUIET_SECONDS", 2.0)
    async with Relay(
        tmp_path / "engine.sock", find_host("").removeprefix("unix://"), fault, "/logs?follow"
    ) as _:
        settings = msgspec.structs.replace(
            docker_world.settings, docker_host=f"unix://{tmp_path / 'engine.sock'}"
        )
        agent = await docker_world.agent(settings)
        desired = desired_of(docker_world)
        await agent.runtime.start(desired, received=time.time())

        async def ready() -> bool:
            run = (await agent.runtime.observe(desired.name, desired)).run
            return run is not None and run.progress.ready

        await agent.hearing.until_true(ready, 30)
        await agent.close()


async def test_a_half_made_copy_of_the_tools_is_made_whole(
    docker_world: DockerWorld, tmp_path: Path
) -> None:
    """Several agents of one engine copy the tools at the same time, over what a killed one left:
    all get them, whole."""
    (tmp_path / "Dockerfile").write_text(
        f"FROM {docker_world.image}\nLABEL made.for={docker_world.new_name()}\n"
    )
    image = f"mrtest-tools:{short_id()}"
    docker("build", "-q", "-t", image, str(tmp_path))
    volume = (
        f"moorage-tools-{docker('inspect', '-f', '{{.Id}}', image).removeprefix('sha256:')[:12]}"
    )
    half = "cp -a /opt/moorage/bin /opt/moorage/git /to/; : >/to/bin/busybox"
    shell = (
        "--user",
        "0:0",
        "-v",
        f"{volume}:/to",
        "--entrypoint",
        "/opt/moorage/bin/busybox",
        image,
        "sh",
        "-c",
    )
    docker("run", "--rm", *shell, half)
    settings = msgspec.structs.replace(docker_world.settings, tools_image=image)
    worlds = [
        docker_world,
        *(DockerWorld(image, "", docker_world.git, docker_world.registry) for _ in range(2)),
    ]
    try:
        agents = [await world.agent(settings) for world in worlds]
        wishes = [desired_of(world, spec=simple_spec(docker_world)) for world in worlds]
        found = await asyncio.gather(
            *(agent.start(wish) for agent, wish in zip(agents, wishes, strict=True))
        )
        assert all(progress.ready for progress in found)
        docker(
            "run",
            "--rm",
            *shell,
            "cmp /to/bin/busybox /opt/moorage/bin/busybox && [ -e /to/.moorage-complete ]",
        )
    finally:
        for world in worlds:
            await world.close()
        docker("volume", "rm", volume, check=False)
        docker("rmi", image, check=False)


async def test_agents_that_make_one_ca_volume_at_the_same_time(
    docker_world: DockerWorld, tmp_path: Path
) -> None:
    """Each of several agents of one engine that are given the same CA gets its bundle and Java's
    store whole, which are the same for all."""
    made = tmp_path / "ca.pem"
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "key")]
    subject = ["-subj", f"/CN={docker_world.new_name()}"]
    run("openssl", "req", "-x509", *key, *subject, "-out", str(made))
    settings = msgspec.structs.replace(docker_world.settings, ca_bundle=str(made))
    worlds = [
        docker_world,
        *(
            DockerWorld(docker_world.image, "", docker_world.git, docker_world.registry)
            for _ in range(3)
        ),
    ]
    try:
        agents = [await world.agent(settings) for world in worlds]
        wishes = [desired_of(world) for world in worlds]
        found = await asyncio.gather(
            *(agent.start(wish) for agent, wish in zip(agents, wishes, strict=True))
        )
        assert all(progress.ready for progress in found)
        sums = {
            await sh(agent, wish, "cd /etc/moorage && md5sum *")
            for agent, wish in zip(agents, wishes, strict=True)
        }
        assert len(sums) == 1
        assert "truststore.jks" in next(iter(sums))
    finally:
        for world in worlds:
            await world.close()


async def test_copying_the_tools_is_told(docker_world: DockerWorld, tmp_path: Path) -> None:
    """The first start with a new tools image copies half a gigabyte: meanwhile the stage says
    so."""
    (tmp_path / "Dockerfile").write_text(
        f"FROM {docker_world.image}\nLABEL made.for={docker_world.new_name()}\n"
    )
    image = f"mrtest-tools:{short_id()}"
    docker("build", "-q", "-t", image, str(tmp_path))
    try:
        settings = msgspec.structs.replace(docker_world.settings, tools_image=image)
        agent = await docker_world.agent(settings)
        desired = desired_of(docker_world)
        starting = asyncio.create_task(agent.runtime.start(desired, received=time.time()))

        def copies() -> bool:
            stages = agent.runtime.progress(desired.name).stages
            return any(
                s.name is StageName.CONTAINERS and "being copied" in s.detail for s in stages
            )

        await agent.hearing.until(copies, 30)
        await asyncio.wait_for(starting, 120)
        assert (await agent.settled(desired)).ready
        assert not copies()
    finally:
        await docker_world.close()
        docker("rmi", image, check=False)
