"""Keeps the engine's prunes off the volumes of workspaces that do not run.

To an engine, a volume that no container has is waste (`docker volume prune -a`, `docker system
prune --volumes`), and so is a container that does not run (`docker container prune`). So one small
container of the agent runs for as long as there are workspaces, with all their volumes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.inventory import Inventory
from moorage.agent.runtimes.docker.observe import labels_of
from moorage.agent.runtimes.docker.records import is_record
from moorage.agent.runtimes.docker.removal import remove_container
from moorage.agent.runtimes.docker.shared_volumes import SharedVolumes
from moorage.agent.runtimes.port import Identity
from moorage.contract.spec import TOOLS_ROOT
from moorage.kernel import log
from moorage.kernel.errors import MoorageError
from moorage.kernel.ids import short_id
from moorage.kernel.tasks import Backoff

_log = log.get(part="agent.docker.keeper")
KEEPER = f"{ownership.PREFIX}keeper"
"""Label of the container."""
GATHER_SECONDS = 2.0
"""How long a change waits for others: workspaces that run hold their volumes by themselves."""


class Keeper:
    """The container that holds the volumes of an agent's workspaces.

    An engine adds no volume to a container that is there: for each change, another takes its place
    before it goes.
    """

    def __init__(
        self, engine: Engine, inventory: Inventory, identity: Identity, tools: SharedVolumes
    ) -> None:
        self._engine = engine
        self._inventory = inventory
        self._identity = identity
        self._tools = tools
        self._lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._leaving: set[str] = set()
        """Volumes that are to be removed."""

    def changed(self) -> None:
        """There may be other volumes, or the container may have gone."""
        self._changed.set()

    async def run(self) -> None:
        """Holds what there is, until cancelled."""
        backoff = Backoff(1.0, 60.0)
        self._changed.set()
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            try:
                await self.hold()
                backoff.reset()
            except (MoorageError, EngineError) as error:
                _log.warning("volumes are not held against prunes", error=str(error))
                self._changed.set()
                await asyncio.sleep(backoff.delay())

    async def hold(self) -> None:
        """Holds all volumes that there are. Raises `EngineError`, `RuntimeFault`."""
        async with self._lock:
            await self._replace()

    async def secure(self) -> None:
        """As `hold`; a failure is logged, and tried again later."""
        try:
            await self.hold()
        except (MoorageError, EngineError) as error:
            _log.warning("volumes are not held against prunes", error=str(error))
            self.changed()

    @asynccontextmanager
    async def without(self, volumes: Collection[str]) -> AsyncIterator[None]:
        """Lets go of these, which are removed meanwhile. Raises as `hold`."""
        self._leaving.update(volumes)
        try:
            async with self._lock:
                found = await self._found()
                if any(self._leaving & held_by(container) for container in found):
                    await self._replace()
            yield
        finally:
            self._leaving.difference_update(volumes)
            self.changed()

    async def _replace(self) -> None:
        # One whose removal ends while the engine lists may still be in its answer, and a container
        # that names it would make it anew.
        leaving = set(self._leaving)
        listed = await self._inventory.listed("volumes")
        leaving |= self._leaving
        wanted = {
            volume["Name"]
            for volume in listed
            if not is_record(volume) and objects.EPHEMERAL not in labels_of(volume)
        } - leaving
        found = await self._found()
        right = [c for c in found if c["State"] == "running" and held_by(c) == wanted]
        if wanted and not right:
            await self._start(wanted)
        outdated = [container for container in found if container not in right[:1] or not wanted]
        for container in outdated:
            await remove_container(self._engine, container["Id"])

    async def _found(self) -> list[Any]:
        """The containers of earlier, as the engine lists them."""
        answer = await self._engine.request(
            "GET", "containers/json", filters={"label": [KEEPER]}, all_=True
        )
        return [item for item in answer if ownership.is_ours(labels_of(item), self._identity)]

    async def _start(self, volumes: Collection[str]) -> None:
        image, _ = await self._tools.tools()
        name = f"moorage-volumes-{self._identity.agent}-{short_id(8)}"
        created = await self._engine.request(
            "POST",
            "containers/create",
            keeper_body(image, self._identity, volumes),
            doing="holding the workspaces' volumes",
            name=name,
        )
        await self._engine.request(
            "POST", f"containers/{created['Id']}/start", doing="holding the workspaces' volumes"
        )


def held_by(container: Any) -> set[str]:
    """The volumes of a container, as the engine lists it. Pure."""
    return {mount["Name"] for mount in container.get("Mounts") or () if mount.get("Name")}


def keeper_body(image: str, identity: Identity, volumes: Collection[str]) -> objects.Body:
    """A container that does nothing and may do nothing. The engine starts it again. Pure."""
    return {
        "Image": image,
        "User": objects.USER,
        "WorkingDir": "/",
        "Entrypoint": [f"{TOOLS_ROOT}/bin/tini", "--"],
        "Cmd": [f"{TOOLS_ROOT}/bin/busybox", "sleep", "infinity"],
        "Labels": {**ownership.labels_for(identity), KEEPER: "true"},
        "HostConfig": {
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "ReadonlyRootfs": True,
            "PidsLimit": 8,
            "Memory": 32 << 20,
            "MemorySwap": 32 << 20,
            "LogConfig": {"Type": "none"},
            "RestartPolicy": {"Name": "always"},
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": volume,
                    "Target": f"/held/{volume}",
                    "ReadOnly": True,
                    "VolumeOptions": {"NoCopy": True},
                }
                for volume in sorted(volumes)
            ],
        },
    }
