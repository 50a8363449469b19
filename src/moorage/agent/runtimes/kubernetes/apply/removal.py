"""Ends a workspace: its processes alone, all but its data, or all of it. All raise `RuntimeFault`
and what the client raises."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Namespace, Pod
from moorage.agent.runtimes.kubernetes.api.resources import (
    DEPLOYMENT,
    NAMESPACE,
    POD,
    VOLUME_CLAIM,
)
from moorage.agent.runtimes.kubernetes.apply import scale_down
from moorage.agent.runtimes.kubernetes.apply.connection import Connection
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.wanted import records

SURPLUS_SECONDS = 10.0
"""Beyond what a workspace's containers may take to end, until its volumes are gone."""


async def halt(connection: Connection, name: str) -> None:
    """See `Runtime.halt`."""
    store = connection.store
    deployment = next(iter(store.of(name, DEPLOYMENT)), None)
    pods = store.of(name, POD)
    if deployment is None:
        await connection.delete(pods)
    elif states.halted_of(deployment) is None:
        halted = await scale_down.halted_of(
            connection.monitor, connection.options, name, deployment, pods
        )
        store.put(await scale_down.scale_down(connection.client, deployment, halted))
    await connection.until(name, lambda: not states.living(store.of(name, POD)))


async def stop(connection: Connection, name: str) -> None:
    """See `Runtime.stop`."""
    store = connection.store

    def left() -> list[ClusterObject]:
        return [item for item in states.present(store.of(name)) if not records.is_kept(item)]

    await connection.delete([item for item in left() if not isinstance(item, Pod)])
    await connection.delete(
        [pod for pod in store.of(name, POD) if not pod.metadata.owner_references]
    )
    await connection.until(name, lambda: not left())
    connection.forget(name)


async def remove(connection: Connection, name: str) -> None:
    """See `Runtime.remove`. A namespace that is not the workspace's own is left, without the
    agent's labels."""
    store = connection.store
    spaces = store.of(name, NAMESPACE)
    found = [item for item in store.of(name) if not isinstance(item, Namespace)]
    own = [space for space in spaces if space.name == name]
    for space in spaces:
        if space not in own:
            await connection.writer.release(space)
    await _empty(connection, name, {space.name for space in own})
    await connection.delete(own)
    await connection.delete(
        [item for item in found if item.namespace not in {space.name for space in own}]
    )
    await connection.until(name, lambda: not states.living(store.of(name, POD)))
    await connection.drop_pods(store.of(name, POD))
    await connection.until(name, lambda: not store.of(name))
    connection.forget(name)


async def _empty(connection: Connection, name: str, namespaces: Collection[str]) -> None:
    """Ends what runs in namespaces, and removes their volumes.

    A namespace that is removed while it has claims is looked at again only eight seconds later, and
    while it has pods, after half of the time that they may take to end, however long they do take.
    What does not go by itself in time, as a claim that somebody else's pod uses, goes with its
    namespace.
    """
    store = connection.store

    def claims() -> list[ClusterObject]:
        return [item for item in store.of(name, VOLUME_CLAIM) if item.namespace in namespaces]

    def pods() -> list[Pod]:
        return [pod for pod in store.of(name, POD) if pod.namespace in namespaces]

    await connection.delete(
        [item for item in store.of(name, DEPLOYMENT) if item.namespace in namespaces]
    )
    await connection.delete(
        [*claims(), *(pod for pod in pods() if not pod.metadata.owner_references)]
    )
    with suppress(TimeoutError):
        async with asyncio.timeout(connection.options.stop_timeout + SURPLUS_SECONDS):
            await connection.until(name, lambda: not states.living(pods()))
            await connection.drop_pods(pods())
            await connection.until(name, lambda: not pods() and not claims())
