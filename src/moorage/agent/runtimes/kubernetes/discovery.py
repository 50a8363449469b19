"""Asks a cluster what it is and what it can do. See `abilities`."""

from __future__ import annotations

import asyncio

from moorage.agent.runtimes.kubernetes import abilities
from moorage.agent.runtimes.kubernetes.abilities import Abilities
from moorage.agent.runtimes.kubernetes.client import ApiError, Client
from moorage.agent.runtimes.kubernetes.resources import NODE, Object
from moorage.agent.runtimes.port import RuntimeInfo
from moorage.kernel import log, quantities
from moorage.kernel.errors import Forbidden

_log = log.get(part="agent.kubernetes.discovery")


async def abilities_of(client: Client) -> Abilities:
    """Raises when the API server does not answer. Whatever it refuses to tell counts as not there."""
    version, groups, nodes, answer = await asyncio.gather(
        client.read("/version"), client.read("/apis"), _nodes(client), _dry_run(client)
    )
    names = [group["name"] for group in groups.get("groups") or ()]
    return abilities.read(version, answer, nodes, names)


async def describe(client: Client) -> RuntimeInfo:
    """What the nodes that take pods have in all."""
    version, nodes = await asyncio.gather(client.read("/version"), _nodes(client))
    taking = [node for node in nodes if not node.get("spec", {}).get("unschedulable")]
    amounts = [node.get("status", {}).get("allocatable") or {} for node in taking]
    return RuntimeInfo(
        kind="kubernetes",
        version=str(version.get("gitVersion") or ""),
        cpu=sum(int(quantities.parse(amount.get("cpu", "0")) * 1000) for amount in amounts),
        memory=sum(int(quantities.parse(amount.get("memory", "0"))) for amount in amounts),
    )


async def _nodes(client: Client) -> list[Object]:
    try:
        return await client.list_all(NODE)
    except (ApiError, Forbidden) as error:
        _log.warning("the nodes cannot be listed: capacity and image volumes are unknown", error=str(error))
        return []


async def _dry_run(client: Client) -> Object | None:
    namespace = client.access.namespace
    for image_volume in (True, False):
        try:
            return await client.create(abilities.probe(namespace, image_volume=image_volume), dry_run=True)
        except (ApiError, Forbidden) as error:
            _log.info("a dry run was refused", image_volume=image_volume, error=str(error))
    return None
