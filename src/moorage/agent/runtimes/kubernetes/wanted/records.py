"""The server's newest word about a workspace, kept in a Secret beside its volumes: its environment may hold secrets. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import Identity, Known, known_of, read_known
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


def namespace_in(found: Sequence[Object]) -> str:
    """Where the workspace's data is; "" when it has none."""
    for item in found:
        if item["kind"] == "PersistentVolumeClaim":
            return str(item["metadata"]["namespace"])
    own = next((item for item in found if item["kind"] == "Namespace"), None)
    return str(own["metadata"]["name"]) if own is not None else ""
