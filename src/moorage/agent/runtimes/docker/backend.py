"""The port's `Backend`: a Docker or Podman engine."""

from __future__ import annotations

from moorage.agent.runtimes.docker.access import find_host
from moorage.agent.runtimes.docker.description import describe
from moorage.agent.runtimes.docker.engine import Engine, faults
from moorage.agent.runtimes.docker.guard import Guard
from moorage.agent.runtimes.docker.images import Images
from moorage.agent.runtimes.docker.runtime import DockerRuntime
from moorage.agent.runtimes.port import Identity, Listener, RuntimeInfo
from moorage.agent.runtimes.registries import Registries
from moorage.agent.runtimes.versioned_settings import VersionedSettings, completed
from moorage.agent.settings import AgentSettings
from moorage.kernel.clock import Clock
from moorage.workspace_settings import RemoteDevelopment


class DockerBackend:
    """A Docker or Podman engine, and by which settings workspaces are made on it."""

    def __init__(self, settings: AgentSettings, clock: Clock) -> None:
        """Raises `Misconfigured` when the engine's address or a file of the settings cannot be
        used."""
        self._settings = settings
        self._clock = clock
        self._versioned = VersionedSettings(completed(RemoteDevelopment(), settings))
        registries = Registries(settings.image_networks)
        self._engine = Engine(find_host(settings.docker_host))
        self._images = Images(self._engine, settings.pull_timeout, registries)
        self._guard = Guard(settings.reachable_by, self._engine.host)

    @property
    def caveat(self) -> str:
        return self._guard.caveat

    async def describe(self) -> RuntimeInfo:
        with faults():
            described = await describe(self._engine)
        return RuntimeInfo(
            kind="podman" if described.podman else "docker",
            version=described.version,
            cpu=described.machine.cpu,
            memory=described.machine.memory,
        )

    def configure(self, settings: RemoteDevelopment, version: int) -> None:
        self._versioned = VersionedSettings(settings, version)

    def runtime_for(self, identity: Identity, listener: Listener) -> DockerRuntime:
        return DockerRuntime(
            self._engine,
            self._images,
            self._guard,
            settings=self._settings,
            versioned=lambda: self._versioned,
            clock=self._clock,
            identity=identity,
            listener=listener,
        )

    async def close(self) -> None:
        await self._engine.close()
