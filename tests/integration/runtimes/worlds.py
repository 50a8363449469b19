"""Where the runtimes' contract tests take place: an engine, what can be run on it, and a hand that
meddles with it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from integration.runtimes.git_server import PASSWORD, USER, GitServer
from integration.runtimes.registry import EmptyRegistry
from locks import only_one
from moorage.agent.runtimes.docker.backend import DockerBackend
from moorage.agent.runtimes.memory import MemoryBackend, MemoryEngine
from moorage.agent.runtimes.port import Backend, Identity, Progress
from moorage.agent.settings import AgentSettings
from moorage.contract import (
    Cause,
    Container,
    Credential,
    DesiredState,
    DesiredWorkspace,
    EditorSpec,
    Project,
    WorkspaceSpec,
)
from moorage.kernel.clock import SystemClock
from moorage.kernel.ids import short_id

BUSYBOX = "/opt/moorage/bin/busybox"
EDITOR = EditorSpec(
    name="small",
    command=(
        BUSYBOX,
        "sh",
        "-c",
        f"{BUSYBOX} mkdir -p ~/www && echo ok >~/www/index.html && exec {BUSYBOX} httpd -f -p {{port}} -h ~/www",
    ),
    needs="any",
)
"""An editor as far as the agent is concerned: a program that answers on its port."""


PLACE = "the state folder of a test"


class Hearing:
    """A `Listener` that can be waited for."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.lost_causes: list[Cause] = []
        self.is_up = asyncio.Event()
        self._news = asyncio.Event()

    def changed(self, workspace: str) -> None:
        self.changes.append(workspace)
        self._news.set()

    def progressed(self, workspace: str) -> None:
        self._news.set()

    def lost(self, cause: Cause) -> None:
        self.lost_causes.append(cause)
        self.is_up.clear()
        self._news.set()

    def recovered(self) -> None:
        self.is_up.set()
        self._news.set()

    async def until(self, holds: Callable[[], Any], timeout: float = 180) -> Any:
        """Asks again whenever something is heard; what `holds` says once that is true."""
        async with asyncio.timeout(timeout):
            while not (result := holds()):
                self._news.clear()
                await self._news.wait()
            return result

    async def until_true(self, holds: Callable[[], Awaitable[Any]], timeout: float = 180) -> Any:
        async with asyncio.timeout(timeout):
            while True:
                self._news.clear()
                if result := await holds():
                    return result
                await self._news.wait()


class Agent:
    """One agent process's runtime, and what it hears."""

    def __init__(self, backend: Backend, identity: Identity) -> None:
        self.backend = backend
        self.hearing = Hearing()
        placed = msgspec.structs.replace(identity, place=PLACE)
        self.runtime = backend.runtime_for(placed, self.hearing)
        self._task = asyncio.create_task(self.runtime.run())

    async def start(self, desired: DesiredWorkspace, *, fresh: bool = False) -> Progress:
        """Starts it and waits until it is ready, or never will be."""
        await self.runtime.start(desired, received=SystemClock().now(), fresh=fresh)
        return await self.settled(desired)

    async def settled(self, desired: DesiredWorkspace) -> Progress:
        def over() -> Progress | None:
            progress = self.runtime.progress(desired.name)
            return progress if progress.ready or progress.fault else None

        await self.runtime.observe(desired.name, desired)
        progress: Progress = await self.hearing.until(over)
        return progress

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.runtime.close()
        await self.backend.close()


class World(Protocol):
    image: str
    missing_image: str
    crashing_image: str
    """Its own command ends at once, with exit code 3."""

    def repository(self) -> str: ...
    def closed_repository(self) -> str: ...
    async def agent(self) -> Agent:
        """A new agent process."""

    def new_name(self) -> str: ...
    def lose_container(self, workspace: str, container: str) -> None: ...
    def end_container(self, workspace: str, container: str) -> None: ...
    async def close(self) -> None: ...


def desired_of(
    world: World,
    *,
    name: str = "",
    restarts: int = 0,
    generation: int = 1,
    spec: WorkspaceSpec | None = None,
) -> DesiredWorkspace:
    return DesiredWorkspace(
        name=name or world.new_name(),
        generation=generation,
        restarts=restarts,
        desired=DesiredState.RUNNING,
        spec=spec or simple_spec(world),
    )


def simple_spec(
    world: World, *, projects: tuple[Project, ...] | None = None, **fields: Any
) -> WorkspaceSpec:
    """A main container with the small editor, and one project."""
    main = Container(name="py", image=world.image, override_command=True, env={"GREETING": "hello"})
    given: dict[str, Any] = {
        "containers": (main,),
        "main_container": "py",
        "editor": EDITOR,
        **fields,
    }
    if projects is None:
        projects = (Project(name="app", clone_path="app", url=world.repository()),)
    return WorkspaceSpec(projects=projects, **given)


class MemoryWorld:
    image = "image:1"
    missing_image = "none:1"
    crashing_image = "crashing:1"

    def __init__(self) -> None:
        self.engine = MemoryEngine()
        self.engine.missing_images.add(self.missing_image)
        self.engine.crashing_images[self.crashing_image] = 3
        self.engine.closed_repositories.add(self.closed_repository())
        self._agents: list[Agent] = []

    def repository(self) -> str:
        return "https://example.org/app.git"

    def closed_repository(self) -> str:
        return "https://example.org/private.git"

    async def agent(self) -> Agent:
        agent = Agent(MemoryBackend(SystemClock(), self.engine), Identity("memory", 1))
        self._agents.append(agent)
        await agent.hearing.is_up.wait()
        return agent

    def new_name(self) -> str:
        return f"workspace-1-1-{short_id()}"

    def lose_container(self, workspace: str, container: str) -> None:
        self.engine.lose_container(workspace, container)

    def end_container(self, workspace: str, container: str) -> None:
        self.engine.end_container(workspace, container, 137, SystemClock())

    async def close(self) -> None:
        for agent in self._agents:
            await agent.close()


class DockerWorld:
    """A real engine. Everything made here carries an installation of its own, and is removed at the
    end."""

    def __init__(
        self, image: str, crashing_image: str, git: GitServer, registry: EmptyRegistry
    ) -> None:
        self.image = image
        self.crashing_image = crashing_image
        self.missing_image = f"{registry.address}/none:1"
        self.git = git
        self.registry = registry
        self.identity = Identity(f"mrtest-{short_id()}", 7)
        self.settings = AgentSettings(
            tools_image=image,
            image_networks=(registry.address, "127.0.0.1:9"),
            network_pool="10.214.0.0/16",
            editor_timeout=90,
            stop_timeout=2,
        )
        self._agents: list[Agent] = []

    def url(self, name: str) -> str:
        return self.git.url(name, bridge_address())

    def repository(self) -> str:
        return self.url("app")

    def closed_repository(self) -> str:
        return self.url("private-app")

    def credential(self, password: str = PASSWORD) -> Credential:
        return Credential(
            host=f"{bridge_address()}:{self.git.port}", username=USER, password=password
        )

    async def agent(self, settings: AgentSettings | None = None) -> Agent:
        agent = Agent(DockerBackend(settings or self.settings, SystemClock()), self.identity)
        self._agents.append(agent)
        async with asyncio.timeout(90):
            await agent.hearing.is_up.wait()
        return agent

    def new_name(self) -> str:
        return f"workspace-7-1-{short_id()}"

    def lose_container(self, workspace: str, container: str) -> None:
        docker("rm", "-f", f"{workspace}.{container}")

    def end_container(self, workspace: str, container: str) -> None:
        docker("kill", f"{workspace}.{container}")

    async def close(self) -> None:
        for agent in self._agents:
            await agent.close()
        remove_everything_of(self.identity)


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"docker {arguments}: {done.stderr}"
    return done.stdout.strip()


def remove_volume(name: str) -> None:
    """As somebody by hand, who must remove first what holds it for the agent, which comes back."""
    for _ in range(20):
        for holder in docker("ps", "-aq", "--filter", f"volume={name}").split():
            docker("rm", "-f", holder, check=False)
        docker("volume", "rm", name, check=False)
        if not docker("volume", "ls", "-q", "--filter", f"name=^{name}$"):
            return
    raise AssertionError(f"{name} is held again and again")


def objects_of(identity: Identity) -> dict[str, list[str]]:
    """What there is of that installation's workspaces, by kind; what they share is left out, and
    the records of what was wanted."""
    ours = f"label=moorage.dev/installation={identity.installation}"

    def names(*command: str) -> list[str]:
        listed = docker(*command, "--filter", ours, "--filter", "label=moorage.dev/workspace")
        return listed.split()

    return {
        "containers": names("ps", "-a", "--format", "{{.Names}}"),
        "networks": names("network", "ls", "--format", "{{.Name}}"),
        "volumes": [
            name
            for name in names("volume", "ls", "--format", "{{.Name}}")
            if ".record_" not in name
        ],
    }


def remove_everything_of(identity: Identity) -> None:
    label = f"label=moorage.dev/installation={identity.installation}"
    for container in docker("ps", "-aq", "--filter", label).split():
        docker("rm", "-f", "-v", container, check=False)
    for network in docker("network", "ls", "-q", "--filter", label).split():
        docker("network", "rm", network, check=False)
    for volume in docker("volume", "ls", "-q", "--filter", label).split():
        docker("volume", "rm", volume, check=False)


def inspect(container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


def bridge_address() -> str:
    """Where containers reach this machine, whichever network they are in."""
    template = "{{(index .IPAM.Config 0).Gateway}}"
    address = docker("network", "inspect", "bridge", "--format", template)
    return address or "172.17.0.1"


def tools_image() -> str:
    """The tools image's name; it is built when it is not there."""
    root = Path(__file__).resolve().parents[3]
    with only_one("images"):
        done = subprocess.run(
            [root / "scripts/tools-image"], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def load_image(name: str, shell: bytes, architecture: str = "") -> None:
    """An image with one program, `/bin/sh`. `architecture` "": this machine's."""
    layer = tar({"bin/sh": shell})
    config = {
        "architecture": architecture or docker("version", "--format", "{{.Server.Arch}}"),
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    archive = tar({**files, "layer.tar": layer})
    subprocess.run(["docker", "load"], input=archive, check=True, capture_output=True)


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o755, len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
