"""Writes a workspace's objects to the API server."""

from __future__ import annotations

import asyncio
import hashlib

import msgspec

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.errors import ApiError
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject
from moorage.agent.runtimes.kubernetes.api.resources import NAMESPACE, Object, key_of, kind_of, read
from moorage.agent.runtimes.kubernetes.apply import drift
from moorage.agent.runtimes.kubernetes.apply.changes import Changes
from moorage.agent.runtimes.kubernetes.observed.managed_fields import foreign_fields
from moorage.agent.runtimes.kubernetes.observed.store import REPAIRED, Store
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Cause


class Writer:
    """Writes to the API server, and tells the store at once what came of it."""

    def __init__(self, client: Client, store: Store) -> None:
        self._client = client
        self._store = store
        self._accepted: dict[str, dict[tuple[str, str, str], tuple[bytes, tuple[str, ...]]]] = {}
        """By workspace, of what was changed on the way in: what was applied, and what came of it.
        """

    def forget(self, workspace: str) -> None:
        """Forgets a workspace that has no run any more."""
        self._accepted.pop(workspace, None)

    def settled(self, found: Changes) -> Changes:
        """The changes without what has been applied already and was changed on the way in (a
        webhook's doing): writing it again would change nothing."""
        apply = tuple(item for item in found.apply if not self._is_accepted(item))
        return msgspec.structs.replace(found, apply=apply)

    async def write(self, found: Changes) -> None:
        """The namespace first, the Deployment last, everything else at the same time. Raises what
        the client raises."""
        first = [item for item in found.apply if item["kind"] == "Namespace"]
        last = [item for item in found.apply if item["kind"] == "Deployment"]
        rest = [item for item in found.apply if item not in first and item not in last]
        for item in first:
            await self._refuse_foreign(item)
            await self._apply(item)
        async with asyncio.TaskGroup() as tasks:
            for item in rest:
                tasks.create_task(self._apply(item))
            for there, pointers in found.clean:
                tasks.create_task(self._clean(there, pointers))
            for there in found.prune:
                tasks.create_task(self.delete(there))
        for item in last:
            await self._apply(item)

    async def keep(self, item: Object) -> None:
        """Applies one object alone. Raises what the client raises."""
        self._store.put(await self._client.apply(item))

    async def delete(self, item: ClusterObject, *, exact: bool = False) -> bool:
        """False when it was gone already, or is another one by now. `exact`: also when it is not
        just as it is in `item`."""
        metadata = item.metadata
        try:
            return await self._client.delete(
                kind_of(item),
                metadata.namespace,
                metadata.name,
                uid=metadata.uid,
                version=metadata.resource_version if exact else "",
            )
        except ApiError as error:
            if error.http_status != 409:
                raise
            return False

    async def release(self, item: ClusterObject) -> None:
        """Takes back whatever the agent has set of an object that it is not to delete, its labels
        among it. The watch then tells that it is gone."""
        metadata = {"name": item.name} | ({"namespace": item.namespace} if item.namespace else {})
        await self._client.apply(kind_of(item).new(metadata))

    async def _refuse_foreign(self, space: Object) -> None:
        """Applying would make a namespace that is somebody else's the workspace's, and deleting the
        workspace would delete it. One that somebody took the labels from is known by what lies in
        it. Raises `RuntimeFault`, final."""
        name, labels = space["metadata"]["name"], space["metadata"]["labels"]
        known = self._store.of(labels[ownership.WORKSPACE])
        if any(name == (item.namespace or item.name) for item in known):
            return
        for there in await self._client.list_all(NAMESPACE, fields=f"metadata.name={name}"):
            if any(there.metadata.labels.get(label) != labels[label] for label in names.OWN_LABELS):
                raise RuntimeFault(namespace_taken(name), final=True)

    async def _apply(self, item: Object) -> None:
        answer = await self._client.apply(item)
        accepted = self._accepted.setdefault(_workspace_of(item), {})
        if changed := tuple(drift.differences(item, answer)):
            accepted[key_of(item)] = _digest(item), changed
        else:
            accepted.pop(key_of(item), None)
        self._store.put(answer)
        pointers = foreign_fields(answer) if item["kind"] in REPAIRED else []
        if pointers:
            await self._clean(read(answer), tuple(pointers))

    async def _clean(self, item: ClusterObject, pointers: tuple[str, ...]) -> None:
        operations = [
            {
                "op": "test",
                "path": "/metadata/resourceVersion",
                "value": item.metadata.resource_version,
            },
            *({"op": "remove", "path": pointer} for pointer in pointers),
        ]
        try:
            answer = await self._client.patch(kind_of(item), item.namespace, item.name, operations)
        except ApiError as error:
            if error.http_status not in (404, 409, 422):
                raise
            # somebody was faster, or it cannot be removed alone: what comes next is looked at anew
            return
        self._store.put(answer)

    def _is_accepted(self, item: Object) -> bool:
        known = self._accepted.get(_workspace_of(item), {}).get(key_of(item))
        if known is None or known[0] != _digest(item):
            return False
        there = self._store.get(key_of(item))
        return there is not None and tuple(drift.differences(item, there.sent)) == known[1]


def namespace_taken(name: str) -> Cause:
    return Cause(
        code="namespace-taken",
        message=f"The cluster has a namespace {name} already, which is not this workspace's.",
        hint="The agent leaves it alone. Remove it if nobody needs it; else delete this workspace and create another.",
    )


def _workspace_of(item: Object) -> str:
    return str(item["metadata"]["labels"][ownership.WORKSPACE])


def _digest(item: Object) -> bytes:
    return hashlib.sha256(msgspec.json.encode(item, order="deterministic")).digest()
