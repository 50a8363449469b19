"""The server's newest word about a workspace, in a Secret beside its volumes: its environment may hold secrets. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from moorage.agent.runtimes.kubernetes import resources, states
from moorage.agent.runtimes.kubernetes.objects import plan as names
from moorage.agent.runtimes.kubernetes.resources import Object
from moorage.agent.runtimes.port import Identity, Known, Observed, Run, known_of, read_known
from moorage.contract import DesiredWorkspace

FIELD = "known"
KEPT = frozenset({"Namespace", "PersistentVolumeClaim"})
"""Kinds that a stop leaves, beside the record."""


def is_record(item: Object) -> bool:
    labels = item["metadata"].get("labels") or {}
    return item["kind"] == resources.SECRET.name and names.RECORD in labels


def is_kept(item: Object) -> bool:
    """Whether a stop leaves it."""
    return item["kind"] in KEPT or is_record(item)


def record(name: str, known: Known, identity: Identity, namespace: str) -> Object:
    meta: Object = {
        "name": names.record_name(name),
        "namespace": namespace,
        "labels": names.labels(name, identity) | {names.RECORD: "true"},
        "annotations": {names.GENERATION: str(known.generation), names.OWNER: str(known.owner)},
    }
    text = base64.b64encode(msgspec.json.encode(known)).decode()
    return names.item(resources.SECRET, meta, type="Opaque", data={FIELD: text})


def newer(
    desired: DesiredWorkspace, identity: Identity, namespace: str, found: Sequence[Object]
) -> list[Object]:
    """The record of that word, unless it is there, or that of a newer one."""
    before, known = known_in(found), known_of(desired, identity.place)
    if before is not None and (before == known or before.generation > known.generation):
        return []
    return [record(desired.name, known, identity, namespace)]


def known_in(found: Sequence[Object]) -> Known | None:
    """Of all of a workspace's objects."""
    for item in found:
        if is_record(item):
            try:
                text = base64.b64decode((item.get("data") or {}).get(FIELD, ""))
            except ValueError:
                continue
            if (known := read_known(text)) is not None:
                return known
    return None


def observed(name: str, found: Sequence[Object], run: Run | None) -> Observed:
    """`found`: all of a workspace's objects that are present."""
    kinds = {item["kind"] for item in found if not is_record(item)}
    data = [item for item in found if item["kind"] in KEPT]
    known = known_in(found)
    times = [at for item in found if (at := states.seconds(item["metadata"].get("creationTimestamp")))]
    return Observed(
        name=name,
        data=bool(data),
        leftovers=bool(kinds - KEPT - {"Deployment", "Pod"}),
        run=run,
        known=known or _of_deployment(run, found),
        recorded=known is not None,
        since=min(times, default=0.0),
        objects=tuple(_words(item) for item in found if item["kind"] in KEPT | {"Deployment"}),
        ids=tuple(f"{item['kind']} {item['metadata'].get('uid', '')}" for item in data),
    )


def namespace_in(found: Sequence[Object]) -> str:
    """Where the workspace's data is; "" when it has none."""
    for item in found:
        if item["kind"] == "PersistentVolumeClaim":
            return str(item["metadata"]["namespace"])
    own = next((item for item in found if item["kind"] == "Namespace"), None)
    return str(own["metadata"]["name"]) if own is not None else ""


def _of_deployment(run: Run | None, found: Sequence[Object]) -> Known | None:
    """Of a run that an agent of an earlier version started."""
    deployment = next((item for item in found if item["kind"] == "Deployment"), None)
    if run is None or deployment is None:
        return None
    owner = states.number(states.annotations_of(deployment).get(names.OWNER))
    return Known(generation=run.generation, restarts=run.restarts, owner=owner)


def _words(item: Object) -> str:
    metadata = item["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    kind = {"PersistentVolumeClaim": "claim"}.get(item["kind"], item["kind"].lower())
    return f"{kind} {place}{metadata['name']}"
