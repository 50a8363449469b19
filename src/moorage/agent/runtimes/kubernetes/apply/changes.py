"""The writes that make a workspace's objects as they are wanted, and no others. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, VolumeClaim
from moorage.agent.runtimes.kubernetes.api.resources import GENERATED, Object, key_of
from moorage.agent.runtimes.kubernetes.apply import drift
from moorage.agent.runtimes.kubernetes.observed.store import Held
from moorage.agent.runtimes.kubernetes.wanted import names, records

IMMUTABLE = frozenset({"PersistentVolumeClaim"})
"""Kinds that are made once and never changed: their spec may not be, and a setting that changed
since is for new workspaces."""
YOUNG_CLAIM = 60.0
"""Seconds for which a claim of the default class is given time to get its volume, however often a
start begins anew."""
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
_BOOKKEEPING = (
    f".metadata.annotations.{ownership.GENERATION}",
    f".metadata.annotations.{ownership.OWNER}",
)
"""Differences that alone are not worth a write."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    apply: tuple[Object, ...] = ()
    """Objects as they are wanted, which are not there or differ."""
    clean: tuple[tuple[ClusterObject, tuple[str, ...]], ...] = ()
    """Objects to which others added something, and where (RFC 6901)."""
    prune: tuple[ClusterObject, ...] = ()
    """Objects that are not wanted."""

    @property
    def none(self) -> bool:
        return not (self.apply or self.clean or self.prune)

    def in_words(self) -> tuple[str, ...]:
        words = [_WORDS[item["kind"]] for item in self.apply]
        words += [
            f"what somebody added to {_WORDS[item.kind].removeprefix('its ')}"
            for item, _ in self.clean
        ]
        words += [f"a {item.kind} too many" for item in self.prune]
        return tuple(dict.fromkeys(words))


def needed(wanted: Sequence[Object], found: Sequence[Held]) -> Changes:
    """The changes that make `found`, all objects that carry the workspace's labels, as they are
    wanted."""
    by_key = {held.key: held for held in found}
    apply, clean = [], []
    for item in wanted:
        held = by_key.pop(key_of(item), None)
        if held is None:
            apply.append(item)
        elif item["kind"] not in IMMUTABLE:
            if needs_apply(item, held.sent):
                apply.append(item)
            elif held.foreign:
                clean.append((held.read, held.foreign))
    unwanted = [held.read for held in by_key.values() if held.kind in GENERATED]
    prune = tuple(there for there in unwanted if not records.is_kept(there))
    return Changes(apply=tuple(apply), clean=tuple(clean), prune=prune)


def stale_claims(
    wanted: Sequence[Object], found: Sequence[VolumeClaim], before: float
) -> list[VolumeClaim]:
    """Claims that only a new one helps. One whose volume was deleted gets no other. One for which
    none was made may ask for another storage class than a start asks for now: no claim can be
    changed, and the default class may be another one by now. For one of the default class that was
    not made `before`, a volume may be under way.
    """
    by_key = {claim.key: claim for claim in found}
    stale = []
    for item in wanted:
        claim = by_key.get(key_of(item))
        if claim is not None and claim.status.phase == "Lost":
            stale.append(claim)
            continue
        if claim is None or claim.status.phase != "Pending" or claim.spec.volume_name:
            continue
        class_ = item["spec"].get("storageClassName")
        made = claim.metadata.created_at or 0.0
        helps = class_ != claim.spec.storage_class_name if class_ else made < before
        if helps:
            stale.append(claim)
    return stale


def needs_apply(wanted: Object, there: Object) -> bool:
    paths = [path for path in drift.differences(wanted, there) if path not in _BOOKKEEPING]
    if wanted["kind"] == "Deployment" and _same_run(wanted, there) and _other_writer(wanted, there):
        paths = [path for path in paths if path == ".spec.replicas"]
    return bool(paths)


def _same_run(wanted: Object, there: Object) -> bool:
    def run(item: Object) -> object:
        return _annotations_of(item["spec"]["template"]).get(names.RUN)

    return run(wanted) == run(there)


def _other_writer(wanted: Object, there: Object) -> bool:
    """Whether the template there was written by an agent of another version: it is right as it is,
    until a restart."""
    return _annotations_of(wanted).get(names.TEMPLATE) != _annotations_of(there).get(names.TEMPLATE)


def _annotations_of(item: Object) -> dict[str, str]:
    return item["metadata"].get("annotations") or {}
