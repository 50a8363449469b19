"""Asks a cluster what it is and what it can do. See `abilities`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.errors import ApiError
from moorage.agent.runtimes.kubernetes.api.model import Deployment, Node
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, NODE
from moorage.agent.runtimes.kubernetes.cluster import abilities
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.port import RuntimeInfo
from moorage.kernel import log, quantities
from moorage.kernel.errors import Forbidden, MoorageError

_log = log.get(part="agent.kubernetes.discovery")
ASK_EVERY = 300.0
"""Seconds between two looks at what the cluster can do."""


async def abilities_of(client: Client, *, namespace: str = "", again: bool = False) -> Abilities:
    """`namespace`: where a Deployment may be made; "": where the agent is. Raises when the API
    server does not answer. Whatever it refuses to tell counts as not there; `again`: but for what
    it may tell a little later (a webhook that is away), for which this raises, too."""
    version, groups, nodes, answer = await asyncio.gather(
        client.version(),
        client.api_groups(),
        _nodes(client, again),
        _dry_run(client, namespace, again),
    )
    return abilities.read(version, answer, nodes, groups)


async def follow(
    client: Client, known: Abilities, learned: Callable[[Abilities], None], *, namespace: str = ""
) -> None:
    """Asks again and again, until cancelled: clusters are upgraded, and nodes come and go.
    `learned` with what is new."""
    while True:
        await asyncio.sleep(ASK_EVERY)
        try:
            now = await abilities_of(client, namespace=namespace, again=True)
        except MoorageError as error:
            _log.info("what the cluster can do is not known anew", error=str(error))
            continue
        if now != known:
            _log.info("the cluster has changed", abilities=msgspec.to_builtins(now))
            known = now
            learned(now)


async def describe(client: Client) -> RuntimeInfo:
    """The version of the cluster, and what the nodes that take pods have in all."""
    version, nodes = await asyncio.gather(client.version(), _nodes(client))
    amounts = [node.status.allocatable for node in nodes if not node.spec.unschedulable]
    return RuntimeInfo(
        kind="kubernetes",
        version=version,
        cpu=sum(int(quantities.parse(amount.get("cpu", "0")) * 1000) for amount in amounts),
        memory=sum(int(quantities.parse(amount.get("memory", "0"))) for amount in amounts),
    )


async def _nodes(client: Client, again: bool = False) -> list[Node]:
    try:
        return await client.list_all(NODE)
    except (ApiError, Forbidden) as error:
        if again and _passing(error):
            raise
        _log.warning(
            "the nodes cannot be listed: capacity and image volumes are unknown", error=str(error)
        )
        return []


async def _dry_run(client: Client, namespace: str, again: bool) -> Deployment | None:
    namespace = namespace or client.access.namespace
    for image_volume in (True, False):
        try:
            probe = abilities.probe(namespace, image_volume=image_volume)
            return DEPLOYMENT.read(await client.create(probe, dry_run=True))
        except (ApiError, Forbidden) as error:
            if again and _passing(error):
                raise
            _log.info("a dry run was refused", image_volume=image_volume, error=str(error))
    return None


def _passing(error: MoorageError) -> bool:
    return isinstance(error, ApiError) and (error.http_status >= 500 or error.http_status == 429)
