"""Compares an object as it should be with the same object in the cluster. Pure.

The API server fills in defaults, so what is there has more fields than what was applied: a
difference is a field of ours that has another value, or is missing, or a list that is longer.
Quantities are compared as numbers. What somebody else added to an object is found in its
`managed_fields`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.kernel import quantities

_QUANTITY_PARENTS = frozenset(
    {"requests", "limits", "hard", "max", "min", "default", "defaultRequest"}
)
_KEYS = ("name", "mountPath", "containerPort", "port", "key", "uid")
"""The keys of lists of tables, as server-side apply merges them."""


def differences(wanted: Object, found: Object) -> list[str]:
    """Paths of what has to be applied anew; none: the object is as it should be."""
    paths = list(_compare(wanted, found, ""))
    return [path for path in paths if not path.startswith((".apiVersion", ".kind"))]


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
    elif (
        wanted != found
        and not _equal_quantities(wanted, found, path)
        and not _both_empty(wanted, found)
    ):
        yield path


def _compare_lists(wanted: list[Any], found: Any, path: str) -> Iterator[str]:
    if not isinstance(found, list) or len(wanted) != len(found):
        yield path
        return
    keyed = _by_key(wanted, found)
    for index, value in enumerate(wanted):
        yield from _compare(value, keyed[index], f"{path}[{index}]")


def _by_key(wanted: Sequence[Any], found: Sequence[Any]) -> list[Any]:
    """The found items in the order of the wanted ones, when both are tables with a common key; else
    as they are."""
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
