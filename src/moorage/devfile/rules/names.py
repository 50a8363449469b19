"""Names and kinds of the elements of a devfile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moorage.documents.problems import short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, maps_in

_LISTS = (
    ("components", "name"),
    ("commands", "id"),
    ("projects", "name"),
    ("starterProjects", "name"),
    ("dependentProjects", "name"),
)


def unique(tree: Map, report: Report) -> None:
    """Adds a problem for each element that is called like another of its list."""
    for key, identity in _LISTS:
        _unique(tree, key, identity, report)


def kind_of(element: dict[str, Any], kinds: Iterable[str]) -> tuple[str, dict[str, Any]]:
    """Which of `kinds` an element is, and what stands there; ("", {}) when none."""
    for kind in kinds:
        if kind in element:
            body = element[kind]
            return kind, body if isinstance(body, dict) else {}
    return "", {}


def _unique(tree: Map, key: str, identity: str, report: Report) -> None:
    seen: set[str] = set()
    for path, element in maps_in(tree, key):
        name = element.get(identity)
        if isinstance(name, str):
            if name in seen:
                report.add(
                    "duplicate-name",
                    f"There is another element of {key} whose {identity} is {short(name)!r}.",
                    (*path, identity),
                    hint=f"Give each its own {identity}.",
                )
            seen.add(name)
