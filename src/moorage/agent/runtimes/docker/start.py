"""Applies a `DesiredWorkspace`: makes and starts what is missing, as much as possible at a time.

Idempotent: it looks at what is there, keeps what was made from the same spec, and can be ended at
any point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any

from moorage.agent import causes
from moorage.agent.runtimes.docker import limits, objects
from moorage.agent.runtimes.docker.description import EngineDescription
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.images import Images
from moorage.agent.runtimes.docker.kept import kept_settings
from moorage.agent.runtimes.docker.logs import last_lines
from moorage.agent.runtimes.docker.monitor import StartMonitor
from moorage.agent.runtimes.docker.networks import Networks
from moorage.agent.runtimes.docker.objects import Body, Host, ImageConfig
from moorage.agent.runtimes.docker.observe import labels_of, seconds, state_of
from moorage.agent.runtimes.docker.progress import StartProgress
from moorage.agent.runtimes.docker.removal import remove_container
from moorage.agent.runtimes.docker.shared_volumes import SharedVolumes, tar_of_folders
from moorage.agent.runtimes.docker.users import Users
from moorage.agent.runtimes.port import Identity, Rescue, Role, RuntimeFault
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.agent.settings import AgentSettings
from moorage.contract import Container, ContainerState, DesiredWorkspace, StageName
from moorage.contract.spec import RUN_AS_GROUP, RUN_AS_USER
from moorage.kernel.tasks import leaves


class StartContext:
    """The parts that all starts of one agent share."""

    def __init__(
        self,
        *,
        engine: Engine,
        images: Images,
        volumes: SharedVolumes,
        networks: Networks,
        monitor: StartMonitor,
        settings: AgentSettings,
        identity: Identity,
    ) -> None:
        self.engine = engine
        self.images = images
        self.volumes = volumes
        self.networks = networks
        self.monitor = monitor
        self.settings = settings
        self.identity = identity
        self.users = Users(engine)
        self.slots = asyncio.Semaphore(settings.parallel_starts)


class Start:
    """One start of one workspace."""

    def __init__(
        self,
        context: StartContext,
        desired: DesiredWorkspace,
        progress: StartProgress,
        existing: Mapping[str, Any],
        received: float,
        *,
        versioned: VersionedSettings,
        described: EngineDescription,
        rescue: Rescue | None = None,
    ) -> None:
        """`existing`: inspected containers of this workspace that may stay, by name; what they were
        made by is kept. `versioned`: what a new run is made by. `rescue`: what `desired` stands
        for, where it is not the workspace's own environment."""
        self._context = context
        self._engine = context.engine
        self._described = described
        self._desired = desired
        self._spec = desired.spec
        self._progress = progress
        self._existing = existing
        self._received = received
        self._versioned = kept_settings(existing) or versioned
        self._rescue = rescue
        self._sandbox_started: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Raises `RuntimeFault`."""
        self._progress.begin(StageName.IMAGE)
        cause = limits.excess(self._spec, self._versioned.settings)
        cause = cause or limits.beyond(
            self._spec, self._versioned.settings, self._described.machine
        )
        if cause is not None:
            raise RuntimeFault(cause, final=True)
        try:
            async with await self._turn():
                await self._all()
        except BaseExceptionGroup as group:
            raise _first(group) from group
        except EngineError as error:
            raise error.fault() from error

    async def _turn(self) -> AbstractAsyncContextManager[Any]:
        """Few starts at a time end sooner than many; one that must pull or wait for preStart steps
        keeps nobody waiting."""
        references = {
            container.image for container in (*self._spec.containers, *self._spec.init_containers)
        }
        try:
            found = await asyncio.gather(
                *(self._context.images.find(reference) for reference in references)
            )
        except EngineError:
            found = [None]
        if self._spec.init_containers or not all(found):
            return nullcontext()
        if self._context.slots.locked():
            self._progress.begin(
                StageName.IMAGE, "Waits for its turn: other workspaces are being started."
            )
        return self._context.slots

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            network = group.create_task(self._context.networks.ensure(self._desired))
            host = group.create_task(self._host())
            volumes = group.create_task(self._make_volumes())
            init_images = {
                container.name: group.create_task(self._image(container))
                for container in self._spec.init_containers
            }
            images = {
                container.name: group.create_task(self._image_of(container))
                for container in self._spec.containers
            }
            group.create_task(self._mark_images([*init_images.values(), *images.values()]))
            group.create_task(self._mark_volume(network, volumes))
            group.create_task(self._sandbox(network, host, volumes))
            ready = asyncio.Event()
            group.create_task(self._init_steps(host, volumes, init_images, ready))
            started = [
                group.create_task(
                    self._container(container, host, volumes, images[container.name], ready)
                )
                for container in self._spec.containers
            ]
            group.create_task(self._mark_containers(started))

    # ------------------------------------------------------------------------------------------
    # before containers
    async def _host(self) -> Host:
        tools = self._context.volumes.tools(
            lambda detail: self._progress.begin(StageName.CONTAINERS, detail)
        )
        (image, volume), ca_volume = await asyncio.gather(tools, self._ca_volume())
        return Host(
            identity=self._context.identity,
            settings=self._context.settings,
            tools_image=image,
            tools_volume=volume,
            ca_volume=ca_volume,
            versioned=self._versioned,
            machine=self._described.machine,
            rescue=self._rescue,
        )

    async def _ca_volume(self) -> str:
        """A run that goes on keeps its own; containers that use it keep it from being removed."""
        labels = [labels_of(container) for container in self._existing.values()]
        kept = next((found[objects.CA] for found in labels if objects.CA in found), None)
        return (
            kept
            if kept is not None
            else await self._context.volumes.ca(self._versioned.settings.ca_bundle)
        )

    async def _make_volumes(self) -> None:
        bodies = objects.volume_bodies(self._desired, self._context.identity)
        async with asyncio.TaskGroup() as group:
            for body in bodies:
                group.create_task(
                    self._engine.request("POST", "volumes/create", body, doing="making the volume")
                )

    async def _image(self, container: Container) -> ImageConfig:
        image = await self._context.images.ensure(
            container.image, lambda detail: self._progress.begin(StageName.IMAGE, detail)
        )
        ours = self._described.architecture
        # The editor's own programs are of this machine's kind; a sidecar may have an emulator to
        # run in.
        edited = container.name == self._spec.main_container and self._spec.editor is not None
        if edited and ours and image.architecture and image.architecture != ours:
            verdict = causes.wrong_architecture(container.image, ours, has=image.architecture)
            raise RuntimeFault(verdict.cause, final=True)
        return image

    async def _image_of(self, container: Container) -> ImageConfig | None:
        """None: it is a side container's and not to be had, and the workspace goes on without."""
        image: ImageConfig | None = None
        with self._by_itself(container):
            image = await self._image(container)
        return image  # noqa: RET504 - None after a fault that concerns nobody else

    @contextmanager
    def _by_itself(self, container: Container) -> Iterator[None]:
        """A side container's fault is told, and is nobody else's."""
        if container.name == self._spec.main_container:
            yield
            return
        try:
            yield
        except EngineError as error:
            self._progress.side_fault(container.name, error.fault().cause)
        except RuntimeFault as fault:
            self._progress.side_fault(container.name, fault.cause)

    async def _mark_images(self, images: list[asyncio.Task[Any]]) -> None:
        await asyncio.gather(*images)
        self._progress.end_now(StageName.IMAGE)

    async def _mark_volume(self, network: asyncio.Task[None], volumes: asyncio.Task[None]) -> None:
        self._progress.begin(StageName.VOLUME, "Making the workspace's network and volume.")
        await asyncio.gather(network, volumes)
        self._progress.end_now(StageName.VOLUME)

    async def _mark_containers(self, started: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*started)
        self._progress.end_now(StageName.CONTAINERS)

    # ------------------------------------------------------------------------------------------
    # containers
    async def _sandbox(
        self, network: asyncio.Task[None], host: asyncio.Task[Host], volumes: asyncio.Task[None]
    ) -> None:
        name = objects.sandbox_name(self._desired.name)
        body = objects.sandbox_body(self._desired, await host, self._received)
        await volumes
        self._progress.begin(StageName.CONTAINERS)
        created = await self._create(name, body, network)
        await network
        if extra := [volume.name for volume in self._spec.volumes]:
            # Fresh volumes belong to root; unpacked over them, empty folders give them to the
            # workspace's user.
            archive = tar_of_folders(extra, mode=0o2775, uid=RUN_AS_USER, gid=RUN_AS_GROUP)
            await self._engine.upload(
                created, objects.VOLUMES_FOLDER, archive, doing="preparing the volumes"
            )
        if not self._is_running(name):
            await self._engine.request(
                "POST", f"containers/{created}/start", doing="starting the workspace's network"
            )
        inspected = await self._engine.request("GET", f"containers/{created}/json")
        started = seconds(inspected["State"]["StartedAt"]) or self._received
        self._sandbox_started.set_result(started)
        self._context.monitor.follow_clone(self._desired, self._progress, inspected)

    async def _init_steps(
        self,
        host: asyncio.Task[Host],
        volumes: asyncio.Task[None],
        images: Mapping[str, asyncio.Task[ImageConfig]],
        ready: asyncio.Event,
    ) -> None:
        """PreStart steps: one after the other, each to its end.

        They may work on the projects: the clone comes first. So it does where a volume is mounted
        in a project's folder: the engine would make that folder root's.
        """
        steps = self._spec.init_containers
        if steps or objects.mounts_in_projects(self._spec):
            await self._sandbox_started
            await self._cloned()
        for container in steps:
            self._progress.begin(StageName.CONTAINERS, f"PreStart step {container.name} runs.")
            await self._init_step(container, await host, await images[container.name], volumes)
        ready.set()

    async def _cloned(self) -> None:
        await self._progress.settled.wait()
        if self._progress.fault is not None:
            raise RuntimeFault(self._progress.fault, final=True)

    async def _init_step(
        self, container: Container, host: Host, image: ImageConfig, volumes: asyncio.Task[None]
    ) -> None:
        name = objects.container_name(self._desired.name, container.name, "init")
        existing = self._existing.get(name)
        if (
            existing is not None
            and existing["State"].get("Status") == "exited"
            and not existing["State"]["ExitCode"]
        ):
            return
        body = objects.container_body(
            self._desired, host, container, image=image, role="init", received=self._received
        )
        await volumes
        created = await self._create(name, body, None)
        await self._name_user(name, created, image, body)
        await self._engine.request(
            "POST", f"containers/{created}/start", doing=f"starting {container.name}"
        )
        limit = self._context.settings.init_timeout
        try:
            async with asyncio.timeout(limit):
                ended = await self._engine.request(
                    "POST",
                    f"containers/{created}/wait",
                    timeout=limit + 60,
                    doing=f"waiting for {container.name}",
                )
        except TimeoutError as error:
            lines = await last_lines(self._engine, created)
            verdict = causes.init_timeout(container.name, limit, lines)
            raise RuntimeFault(verdict.cause, final=True) from error
        if ended["StatusCode"] != 0:
            lines = await last_lines(self._engine, created)
            verdict = causes.init_failed(container.name, ended["StatusCode"], lines)
            raise RuntimeFault(verdict.cause, final=True)

    async def _container(
        self,
        container: Container,
        host: asyncio.Task[Host],
        volumes: asyncio.Task[None],
        image: asyncio.Task[ImageConfig | None],
        ready: asyncio.Event,
    ) -> None:
        if (config := await image) is None:
            return
        with self._by_itself(container):
            await self._make_and_start(container, await host, volumes, config, ready)
            self._progress.side_fault(container.name, None)

    async def _make_and_start(
        self,
        container: Container,
        host: Host,
        volumes: asyncio.Task[None],
        image: ImageConfig,
        ready: asyncio.Event,
    ) -> None:
        role: Role = "main" if container.name == self._spec.main_container else "sidecar"
        name = objects.container_name(self._desired.name, container.name, role)
        body = objects.container_body(
            self._desired,
            host,
            container,
            image=image,
            role=role,
            received=self._received,
        )
        await volumes
        created = await self._create(name, body, self._sandbox_started)
        await ready.wait()
        # For this, too, the engine makes the folders that volumes are mounted on.
        await self._name_user(name, created, image, body)
        network_since = await self._sandbox_started
        await self._bring_up(name, created, container, network_since)

    async def _bring_up(
        self, name: str, container_id: str, container: Container, network_since: float
    ) -> None:
        doing = f"starting container {container.name}"
        if not self._is_running(name):
            await self._engine.request("POST", f"containers/{container_id}/start", doing=doing)
            return
        started = seconds(self._existing[name]["State"].get("StartedAt"))
        # its network went with the former sandbox
        if started is not None and started < network_since:
            grace = self._context.settings.stop_timeout
            await self._engine.request(
                "POST", f"containers/{container_id}/restart", doing=doing, t=grace
            )

    async def _name_user(
        self, name: str, container_id: str, image: ImageConfig, body: Body
    ) -> None:
        existing = self._existing.get(name)
        # One that has run may have users of its own since.
        if existing is None or state_of(existing) is ContainerState.WAITING:
            pairs = (line.partition("=") for line in body["Env"])
            env = {variable: value for variable, _, value in pairs}
            await self._context.users.name(container_id, image, env)

    def _is_running(self, name: str) -> bool:
        existing = self._existing.get(name)
        return existing is not None and state_of(existing) is ContainerState.RUNNING

    async def _create(self, name: str, body: Body, needed: asyncio.Future[Any] | None) -> str:
        """The id of a container of that name and spec.

        `needed`: what it refers to and an engine may want to see first; most do not, which saves
        its time.
        """
        if existing := self._existing.get(name):
            return str(existing["Id"])
        try:
            return await self._create_once(name, body)
        except EngineError:
            if needed is None:
                raise
        await asyncio.shield(needed)
        return await self._create_once(name, body)

    async def _create_once(self, name: str, body: Body) -> str:
        doing = f"making container {body['Labels'][objects.CONTAINER]}"
        try:
            created = await self._engine.request(
                "POST", "containers/create", body, doing=doing, name=name
            )
        except EngineError as error:
            if error.status != 409:
                raise
            # The name is taken: by an earlier try of this start whose answer was lost, or by one
            # that is going.
            await remove_container(self._engine, name)
            created = await self._engine.request(
                "POST", "containers/create", body, doing=doing, name=name
            )
        return str(created["Id"])


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that says most: a fault that is final, any fault, an engine's refusal, whatever
    there is."""
    found = [error.fault() if isinstance(error, EngineError) else error for error in leaves(group)]
    faults = [leaf for leaf in found if isinstance(leaf, RuntimeFault)]
    return next((f for f in faults if f.final), faults[0] if faults else found[0])
