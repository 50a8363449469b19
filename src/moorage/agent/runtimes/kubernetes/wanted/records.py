"""The server's newest word about a workspace, kept in a Secret beside its volumes: its environment
may hold secrets. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.model import (
    ClusterObject,
    Namespace,
    Secret,
    VolumeClaim,
)
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import Identity, Known, known_of, read_known
from moorage.contract import DesiredWorkspace

FIELD = "known"
KEPT = frozenset({"Namespace", "PersistentVolumeClaim"})
"""Kinds that a stop leaves, beside the record."""


def is_record(item: ClusterObject) -> bool:
    return isinstance(item, Secret) and ownership.RECORD in item.metadata.labels


def is_kept(item: ClusterObject) -> bool:
    """Whether a stop leaves it."""
    return item.kind in KEPT or is_record(item)


def record(name: str, known: Known, identity: Identity, namespace: str) -> Object:
    meta: Object = {
        "name": names.record_name(name),
        "namespace": namespace,
        "labels": ownership.labels_for(identity, name) | {ownership.RECORD: "true"},
        "annotations": {
            ownership.GENERATION: str(known.generation),
            ownership.OWNER: str(known.owner),
        },
    }
    text = base64.b64encode(msgspec.json.encode(known)).decode()
    return resources.SECRET.new(meta, type="Opaque", data={FIELD: text})


def newer(
    desired: DesiredWorkspace, identity: Identity, namespace: str, found: Sequence[ClusterObject]
) -> list[Object]:
    """The record of that word, unless it is there, or that of a newer one."""
    before, known = known_in(found), known_of(desired, identity.place)
    if before is not None and (before == known or before.generation > known.generation):
        return []
    return [record(desired.name, known, identity, namespace)]


def known_in(found: Sequence[ClusterObject]) -> Known | None:
    """The word that is kept among all of a workspace's objects; None: there is none that can be
    read."""
    for item in found:
        if isinstance(item, Secret) and is_record(item):
            try:
                text = base64.b64decode(item.data.get(FIELD, ""))
            except ValueError:
                continue
            if (known := read_known(text)) is not None:
                return known
    return None


def namespace_in(found: Sequence[ClusterObject]) -> str:
    """The namespace of the workspace's data; "" when it has none."""
    for item in found:
        if isinstance(item, VolumeClaim):
            return item.namespace
    return next((item.name for item in found if isinstance(item, Namespace)), "")
