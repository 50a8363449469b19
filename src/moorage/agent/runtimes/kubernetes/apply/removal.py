"""Ends a workspace: its processes alone, all but its data, or all of it. All raise `RuntimeFault`
and what the client raises."""

from __future__ import annotations

from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Namespace, Pod
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, NAMESPACE, POD
from moorage.agent.runtimes.kubernetes.apply import scale_down
from moorage.agent.runtimes.kubernetes.apply.connection import Connection
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.wanted import records


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
    await connection.delete(own)
    await connection.delete(
        [item for item in found if item.namespace not in {space.name for space in own}]
    )
    await connection.until(name, lambda: not states.living(store.of(name, POD)))
    await connection.drop_pods(store.of(name, POD))
    await connection.until(name, lambda: not store.of(name))
    connection.forget(name)
