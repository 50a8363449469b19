"""Finds what others added to an object of the agent's, from its `metadata.managedFields`. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from moorage.agent.runtimes.kubernetes.api.client import FIELD_MANAGER
from moorage.agent.runtimes.kubernetes.api.resources import Object

TRUSTED_MANAGERS = frozenset(
    {FIELD_MANAGER, "kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver"}
)
"""Managers that may add to a spec of ours."""


def foreign_fields(found: Object) -> list[str]:
    """JSON Pointers (RFC 6901) of spec and data fields that others added, from
    `metadata.managedFields`; deepest lists last first, so that they can be removed one after the
    other."""
    ours: list[tuple[Any, ...]] = []
    theirs: list[tuple[Any, ...]] = []
    for entry in found.get("metadata", {}).get("managedFields") or ():
        if entry.get("fieldsType") != "FieldsV1" or entry.get("subresource"):
            continue
        leaves = [
            path
            for path in _leaves(entry.get("fieldsV1") or {}, ())
            if path[0] in ("f:spec", "f:data", "f:stringData")
        ]
        (ours if entry.get("manager") in TRUSTED_MANAGERS else theirs).extend(leaves)
    kept = set(ours)
    pointers = []
    for path in theirs:
        if path in kept or any(path[: len(mine)] == mine for mine in kept if mine[-1] == "."):
            continue
        top = _topmost_foreign(path, kept)
        pointer = _pointer(found, top)
        if pointer is not None and pointer not in pointers:
            pointers.append(pointer)
    return sorted(pointers, key=_order, reverse=True)


def _leaves(fields: dict[str, Any], prefix: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    for name, inner in fields.items():
        if inner:
            yield from _leaves(inner, (*prefix, name))
        else:
            yield (*prefix, name)


def _topmost_foreign(path: tuple[Any, ...], kept: set[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The shortest beginning of `path` below which nothing of ours lies."""
    for length in range(2, len(path) + 1):
        start = path[:length]
        if not any(mine[:length] == start for mine in kept):
            return start
    return path


def _pointer(found: Object, path: tuple[Any, ...]) -> str | None:
    """None when it is no longer there."""
    at: Any = found
    parts: list[str] = []
    for part in path:
        if part == ".":
            break
        kind, _, name = part.partition(":")
        if kind == "f" and isinstance(at, dict):
            if name not in at:
                return None
            at = at[name]
            parts.append(name.replace("~", "~0").replace("/", "~1"))
        elif kind in ("k", "v") and isinstance(at, list):
            index = _index(at, kind, name)
            if index is None:
                return None
            at = at[index]
            parts.append(str(index))
        else:
            return None
    return "/" + "/".join(parts)


def _index(items: list[Any], kind: str, text: str) -> int | None:
    key = msgspec.json.decode(text.encode())
    for index, item in enumerate(items):
        if kind == "v" and item == key:
            return index
        if (
            kind == "k"
            and isinstance(item, dict)
            and all(item.get(name) == value for name, value in key.items())
        ):
            return index
    return None


def _order(pointer: str) -> tuple[tuple[int, str | int], ...]:
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in pointer.split("/"))
