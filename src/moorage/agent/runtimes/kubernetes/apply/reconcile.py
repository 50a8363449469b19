"""What has to be written so that a workspace's objects are as they should be, and nothing else. The plan is pure; `Writer`
does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.client import ApiError, Client
from moorage.agent.runtimes.kubernetes.api.resources import BY_NAME, NAMESPACE, Object, key_of
from moorage.agent.runtimes.kubernetes.apply import drift
from moorage.agent.runtimes.kubernetes.observed.managed_fields import foreign_fields
from moorage.agent.runtimes.kubernetes.observed.states import annotations_of, seconds
from moorage.agent.runtimes.kubernetes.observed.store import FOREIGN, REPAIRED, Store
from moorage.agent.runtimes.kubernetes.wanted import names, records
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Cause

IMMUTABLE = frozenset({"PersistentVolumeClaim"})
"""What is made once and never changed: its spec may not be, and a setting that changed since is for new workspaces."""
YOUNG_CLAIM = 60.0
"""Seconds for which a claim of the default class is given time to get its volume, however often a start begins anew."""
_WORDS = {
    "Namespace": "its namespace",
    "ServiceAccount": "its service account",
    "Secret": "a secret",
    "ResourceQuota": "its quota",
    "LimitRange": "its limits",
    "NetworkPolicy": "its network policy",
    "PersistentVolumeClaim": "a volume",
    "Service": "its service",
    "Deployment": "its deployment",
}
_BOOKKEEPING = (f".metadata.annotations.{names.GENERATION}", f".metadata.annotations.{names.OWNER}")
"""Differences that alone are not worth a write."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    apply: tuple[Object, ...] = ()
    clean: tuple[tuple[Object, tuple[str, ...]], ...] = ()
    """Objects to which others added something, and where."""
    prune: tuple[Object, ...] = ()

    @property
    def none(self) -> bool:
        return not (self.apply or self.clean or self.prune)

    def in_words(self) -> tuple[str, ...]:
        words = [_WORDS[item["kind"]] for item in self.apply]
        words += [
            f"what somebody added to {_WORDS[item['kind']].removeprefix('its ')}" for item, _ in self.clean
        ]
        words += [f"a {item['kind']} too many" for item in self.prune]
        return tuple(dict.fromkeys(words))


def changes(wanted: Sequence[Object], found: Sequence[Object]) -> Changes:
    """`found`: all objects that carry the workspace's labels."""
    by_key = {key_of(item): item for item in found}
    apply, clean = [], []
    for item in wanted:
        there = by_key.get(key_of(item))
        if there is None:
            apply.append(item)
        elif item["kind"] not in IMMUTABLE:
            if needs_apply(item, there):
                apply.append(item)
            elif foreign := there["metadata"].get(FOREIGN):
                clean.append((there, tuple(foreign)))
    keys = {key_of(item) for item in wanted}
    kinds = {kind.name for kind in resources.GENERATED}
    prune = [
        item
        for key, item in by_key.items()
        if item["kind"] in kinds and not records.is_kept(item) and key not in keys
    ]
    return Changes(apply=tuple(apply), clean=tuple(clean), prune=tuple(prune))


def stale_claims(wanted: Sequence[Object], found: Sequence[Object], before: float) -> list[Object]:
    """Claims for which no volume was made, and that ask for another storage class than a start asks for now. No claim can be
    changed, and the default class may be another one by now: only a new one helps. For one of the default class that was not made
    `before`, a volume may be under way."""
    by_key = {key_of(item): item for item in found}
    stale = []
    for item in wanted:
        there = by_key.get(key_of(item))
        if item["kind"] != "PersistentVolumeClaim" or there is None or not _is_unbound(there):
            continue
        name = item["spec"].get("storageClassName")
        if name:
            helps = name != there["spec"].get("storageClassName")
        else:
            helps = (seconds(there["metadata"].get("creationTimestamp")) or 0.0) < before
        if helps:
            stale.append(there)
    return stale


def _is_unbound(claim: Object) -> bool:
    return (claim.get("status") or {}).get("phase") == "Pending" and not claim["spec"].get("volumeName")


def needs_apply(wanted: Object, there: Object) -> bool:
    paths = [path for path in drift.differences(wanted, there) if path not in _BOOKKEEPING]
    if wanted["kind"] == "Deployment" and _same_run(wanted, there) and _other_writer(wanted, there):
        paths = [path for path in paths if path == ".spec.replicas"]
    return bool(paths)


def _same_run(wanted: Object, there: Object) -> bool:
    def run(item: Object) -> object:
        return (item["spec"]["template"]["metadata"].get("annotations") or {}).get(names.RUN)

    return run(wanted) == run(there)


def _other_writer(wanted: Object, there: Object) -> bool:
    """Whether the template there was written by an agent of another version: it is right as it is, until a restart."""
    return annotations_of(wanted).get(names.TEMPLATE) != annotations_of(there).get(names.TEMPLATE)


class Writer:
    """Writes to the API server, and tells the store at once what came of it."""

    def __init__(self, client: Client, store: Store) -> None:
        self._client = client
        self._store = store
        self._accepted: dict[str, dict[tuple[str, str, str], tuple[bytes, tuple[str, ...]]]] = {}
        """By workspace, of what was changed on the way in: what was applied, and what came of it."""

    def forget(self, workspace: str) -> None:
        """Of a workspace that has no run any more."""
        self._accepted.pop(workspace, None)

    def settled(self, found: Changes) -> Changes:
        """Without what has been applied already and was changed on the way in (a webhook's doing): writing it again would
        change nothing."""
        apply = tuple(item for item in found.apply if not self._is_accepted(item))
        return msgspec.structs.replace(found, apply=apply)

    async def write(self, found: Changes) -> None:
        """The namespace first, the Deployment last, everything else at the same time. Raises what the client raises."""
        first = [item for item in found.apply if item["kind"] == "Namespace"]
        last = [item for item in found.apply if item["kind"] == "Deployment"]
        rest = [item for item in found.apply if item not in first and item not in last]
        for item in first:
            await self._refuse_foreign(item)
            await self._apply(item)
        async with asyncio.TaskGroup() as tasks:
            for item in rest:
                tasks.create_task(self._apply(item))
            for item, pointers in found.clean:
                tasks.create_task(self._clean(item, pointers))
            for item in found.prune:
                tasks.create_task(self.delete(item))
        for item in last:
            await self._apply(item)

    async def keep(self, item: Object) -> None:
        """Applies one object alone. Raises what the client raises."""
        self._store.put(await self._client.apply(item))

    async def delete(self, item: Object, *, exact: bool = False) -> bool:
        """False when it was gone already, or is another one by now. `exact`: also when it is not just as it is in `item`."""
        metadata = item["metadata"]
        try:
            return await self._client.delete(
                BY_NAME[item["kind"]],
                metadata.get("namespace", ""),
                metadata["name"],
                uid=metadata.get("uid", ""),
                version=metadata["resourceVersion"] if exact else "",
            )
        except ApiError as error:
            if error.http_status != 409:
                raise
            return False

    async def release(self, item: Object) -> None:
        """Takes back whatever the agent has set of an object that it is not to delete, its labels among it. The watch then
        tells that it is gone."""
        meta = {key: item["metadata"][key] for key in ("name", "namespace") if key in item["metadata"]}
        await self._client.apply({"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": meta})

    async def _refuse_foreign(self, space: Object) -> None:
        """Applying would make a namespace that is somebody else's the workspace's, and deleting the workspace would delete
        it. One that somebody took the labels from is known by what lies in it. Raises `RuntimeFault`, final."""
        name, labels = space["metadata"]["name"], space["metadata"]["labels"]
        known = self._store.of(labels[names.WORKSPACE])
        if any(name == item["metadata"].get("namespace", item["metadata"]["name"]) for item in known):
            return
        for there in await self._client.list_all(NAMESPACE, fields=f"metadata.name={name}"):
            theirs = there["metadata"].get("labels") or {}
            if any(theirs.get(label) != labels[label] for label in names.OWN_LABELS):
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
            await self._clean(answer, tuple(pointers))

    async def _clean(self, item: Object, pointers: tuple[str, ...]) -> None:
        metadata = item["metadata"]
        operations = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            *({"op": "remove", "path": pointer} for pointer in pointers),
        ]
        kind = BY_NAME[item["kind"]]
        try:
            answer = await self._client.patch(
                kind, metadata.get("namespace", ""), metadata["name"], operations
            )
        except ApiError as error:
            if error.http_status not in (404, 409, 422):
                raise
            return  # somebody was faster, or it cannot be removed alone: what comes next is looked at anew
        self._store.put(answer)

    def _is_accepted(self, item: Object) -> bool:
        known = self._accepted.get(_workspace_of(item), {}).get(key_of(item))
        if known is None or known[0] != _digest(item):
            return False
        there = self._store.get(
            BY_NAME[item["kind"]], item["metadata"].get("namespace", ""), item["metadata"]["name"]
        )
        return there is not None and tuple(drift.differences(item, there)) == known[1]


def namespace_taken(name: str) -> Cause:
    return Cause(
        code="namespace-taken",
        message=f"The cluster has a namespace {name} already, which is not this workspace's.",
        hint="The agent leaves it alone. Remove it if nobody needs it; else delete this workspace and create another.",
    )


def _workspace_of(item: Object) -> str:
    return str(item["metadata"]["labels"][names.WORKSPACE])


def _digest(item: Object) -> bytes:
    import hashlib

    return hashlib.sha256(msgspec.json.encode(item, order="deterministic")).digest()
