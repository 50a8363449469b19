"""Compares an object as it should be with the same object in the cluster. Pure.

The API server fills in defaults, so what is there has more fields than what was applied: a difference is a field of ours
that has another value, or is missing; a list that is longer; or a field that somebody else added to the spec. Quantities are
compared as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from moorage.agent.runtimes.kubernetes.client import FIELD_MANAGER
from moorage.agent.runtimes.kubernetes.resources import Object
from moorage.kernel import quantities

TRUSTED_MANAGERS = frozenset(
    {FIELD_MANAGER, "kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver"}
)
"""Who may add to a spec of ours."""

_QUANTITY_PARENTS = frozenset({"requests", "limits", "hard", "max", "min", "default", "defaultRequest"})
_KEYS = ("name", "mountPath", "containerPort", "port", "key", "uid")
"""What lists of tables are keyed by, as server-side apply merges them."""


def differences(wanted: Object, found: Object) -> list[str]:
    """Paths of what has to be applied anew; none: the object is as it should be."""
    paths = list(_compare(wanted, found, ""))
    return [path for path in paths if not path.startswith((".apiVersion", ".kind"))]


def foreign_fields(found: Object) -> list[str]:
    """JSON Pointers (RFC 6901) of spec and data fields that others added, from `metadata.managedFields`; deepest lists
    last first, so that they can be removed one after the other."""
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


def _compare(wanted: Any, found: Any, path: str) -> Iterator[str]:
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            # The API server leaves empty tables out.
            if wanted or found is not None:
                yield path
            return
        for key, value in wanted.items():
            yield from _compare(value, found.get(key), f"{path}.{key}")
    elif isinstance(wanted, list):
        yield from _compare_lists(wanted, found or [], path)
    elif wanted != found and not _equal_quantities(wanted, found, path) and not _both_empty(wanted, found):
        yield path


def _compare_lists(wanted: list[Any], found: Any, path: str) -> Iterator[str]:
    if not isinstance(found, list) or len(wanted) != len(found):
        yield path
        return
    keyed = _by_key(wanted, found)
    for index, value in enumerate(wanted):
        yield from _compare(value, keyed[index], f"{path}[{index}]")


def _by_key(wanted: Sequence[Any], found: Sequence[Any]) -> list[Any]:
    """The found items in the order of the wanted ones, when both are tables with a common key; else as they are."""
    for key in _KEYS:
        if all(isinstance(item, dict) and key in item for item in (*wanted, *found)):
            by = {item[key]: item for item in found}
            if len(by) == len(found):
                return [by.get(item[key]) for item in wanted]
    return list(found)


def _equal_quantities(wanted: Any, found: Any, path: str) -> bool:
    parts = path.rsplit(".", 2)
    return len(parts) == 3 and parts[1] in _QUANTITY_PARENTS and quantities.same(wanted, found)


def _both_empty(wanted: Any, found: Any) -> bool:
    return found is None and wanted in ("", 0, False, None)


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
