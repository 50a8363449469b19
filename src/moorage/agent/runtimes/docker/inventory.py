"""Which objects the engine has of an agent's workspaces."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.logs import last_lines
from moorage.agent.runtimes.docker.observe import labels_of, state_of
from moorage.agent.runtimes.port import Identity
from moorage.contract import ContainerState

Kind = Literal["containers", "networks", "volumes"]
KINDS: tuple[Kind, ...] = ("containers", "networks", "volumes")
REMEMBERED = 500
"""Ends of containers whose last lines are kept."""


class Inventory:
    """Raises `EngineError`, `RuntimeFault`."""

    def __init__(self, engine: Engine, identity: Identity) -> None:
        self._engine = engine
        self._identity = identity
        self._last_lines: dict[tuple[str, str], str] = {}
        """By container and time of its end."""

    async def names(self) -> frozenset[str]:
        """Every workspace that has any object."""
        found = await asyncio.gather(*map(self.listed, KINDS))
        return frozenset(labels_of(item)[ownership.WORKSPACE] for items in found for item in items)

    async def listed(self, kind: Kind, name: str = "") -> list[Any]:
        """This agent's objects of that kind, of one workspace or of all, as the engine lists them.

        An engine is asked for one label only, and the rest is looked at here: to Podman, several
        mean any of them.
        """
        label = (
            f"{ownership.WORKSPACE}={name}"
            if name
            else f"{ownership.MANAGED_BY}={ownership.MOORAGE}"
        )
        options: dict[str, Any] = {"all_": True} if kind == "containers" else {}
        path = "containers/json" if kind == "containers" else kind
        answer = await self._engine.request("GET", path, filters={"label": [label]}, **options)
        items = (answer.get("Volumes") or ()) if kind == "volumes" else answer
        return [
            item
            for item in items
            if ownership.is_ours(labels := labels_of(item), self._identity)
            and ownership.WORKSPACE in labels
            and (not name or labels[ownership.WORKSPACE] == name)
        ]

    async def containers(self, name: str) -> dict[str, Any]:
        """The workspace's containers by name, as the engine describes them."""
        listed = await self.listed("containers", name)
        inspected = await asyncio.gather(
            *(
                self._engine.request("GET", f"containers/{item['Id']}/json", missing_ok=True)
                for item in listed
            )
        )
        return {item["Name"].lstrip("/"): item for item in inspected if item is not None}

    async def last_lines(self, containers: Mapping[str, Any]) -> dict[str, str]:
        """The last lines of those that have ended, by id. The engine is asked once per end."""
        found = {}
        for container in containers.values():
            if state_of(container) is not ContainerState.EXITED:
                continue
            key = (container["Id"], container["State"].get("FinishedAt", ""))
            if key not in self._last_lines:
                try:
                    self._last_lines[key] = await last_lines(self._engine, container["Id"])
                except EngineError as error:
                    self._last_lines[key] = f"(its log cannot be read: {error.message})"
                while len(self._last_lines) > REMEMBERED:
                    self._last_lines.pop(next(iter(self._last_lines)))
            found[container["Id"]] = self._last_lines[key]
        return found
