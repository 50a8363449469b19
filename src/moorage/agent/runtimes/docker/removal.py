"""Ends containers, and removes what a workspace has on the engine.

Raises `EngineError`, `RuntimeFault`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.inventory import Inventory
from moorage.agent.runtimes.docker.observe import labels_of, role_of, state_of
from moorage.contract import ContainerState

GONE_SECONDS = 20.0
"""How long a container that is being removed may take to go."""


class Removal:
    """The end of workspaces' containers, networks and volumes."""

    def __init__(self, engine: Engine, inventory: Inventory, grace: int) -> None:
        """`grace`: seconds between SIGTERM and SIGKILL."""
        self._engine = engine
        self._inventory = inventory
        self._grace = grace

    async def remove_run(self, name: str, *, gently: bool) -> None:
        """Removes a workspace's containers and network."""
        containers = await self._inventory.containers(name)
        await self.remove_containers(list(containers.values()), gently=gently)
        for network in await self._inventory.listed("networks", name):
            await self._engine.request(
                "DELETE", f"networks/{network['Id']}", doing="removing the network", missing_ok=True
            )

    async def remove_volumes(self, name: str, *, ephemeral_only: bool) -> None:
        for volume in await self._inventory.listed("volumes", name):
            if ephemeral_only and objects.EPHEMERAL not in labels_of(volume):
                continue
            await self._engine.request(
                "DELETE", f"volumes/{volume['Name']}", doing="removing a volume", missing_ok=True
            )

    async def remove_outlived(self, name: str, lasting: Collection[str]) -> None:
        """Removes volumes that were made for one run only, where `lasting`, by their names in the
        engine, are to stay from now on: no label can be changed, and the next stop would take what
        is in them. Of those that a container still has, nothing is removed."""
        for volume in await self._inventory.listed("volumes", name):
            if volume["Name"] in lasting and objects.EPHEMERAL in labels_of(volume):
                path = f"volumes/{volume['Name']}"
                await self._engine.request(
                    "DELETE", path, doing="making a volume last", missing_ok=True
                )

    async def end_processes(self, containers: Sequence[Any]) -> None:
        """Ends the devfile's containers first, each with its grace, then what holds the network."""
        sandboxes, others = _apart(containers)
        await asyncio.gather(*(self._end(container, self._grace) for container in others))
        await asyncio.gather(*(self._end(container, 1) for container in sandboxes))

    async def remove_containers(self, containers: Sequence[Any], *, gently: bool) -> None:
        """Removes the sandbox last: Podman does not remove what others depend on."""
        sandboxes, others = _apart(containers)
        if gently:
            await self.end_processes(others)
        for group in (others, sandboxes):
            await asyncio.gather(
                *(remove_container(self._engine, container["Id"]) for container in group)
            )

    async def _end(self, container: Any, grace: int) -> None:
        if state_of(container) is ContainerState.RUNNING:
            path = f"containers/{container['Id']}/stop"
            await self._engine.request(
                "POST", path, doing="stopping a container", missing_ok=True, t=grace
            )


def _apart(containers: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Sandboxes, and all others."""
    sandboxes = [container for container in containers if role_of(container) == "sandbox"]
    return sandboxes, [container for container in containers if role_of(container) != "sandbox"]


async def remove_container(engine: Engine, name: str) -> None:
    """Ends and removes a container, and waits until it has gone."""
    try:
        async with asyncio.timeout(GONE_SECONDS):
            while True:
                try:
                    await engine.request(
                        "DELETE",
                        f"containers/{name}",
                        doing="removing a container",
                        force=True,
                        v=True,
                        missing_ok=True,
                    )
                except EngineError as error:
                    if error.status != 409:  # 409: somebody is removing it already
                        raise
                else:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise EngineError(
            "removing a container", 500, f"{name} did not go within {GONE_SECONDS:.0f} s"
        ) from error
