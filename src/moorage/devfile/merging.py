"""Merges a devfile's own part with its flattened parent and plugins: in this order, each name
once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moorage.devfile.overrides import ELEMENTS
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, Seq, copy_map, copy_seq, marks_of
from moorage.kernel import quantities

EVENTS = ("preStart", "postStart", "preStop", "postStop")


@dataclass(frozen=True, slots=True)
class Import:
    """A flattened parent or plugin; `path` is its reference in the main devfile."""

    tree: Map
    path: Path
    name: str
    """"the parent", or "the plugin 'name'"."""


def merge(main: Map, imports: list[Import], report: Report) -> Map:
    """One tree of all. Adds a problem for each name that two of them define; volumes of one name
    become one.

    `main` is the report's tree; its parent and its plugin components are left out.
    """
    own = Import(_without_plugins(main), (), "")
    result = copy_map(own.tree)
    result.pop("parent", None)
    parts = [*imports, own]
    if imports:
        for key, identity in ELEMENTS.items():
            if any(part.tree.get(key) for part in parts):
                result[key] = _elements(key, identity, parts, report)
        for key in ("variables", "attributes"):
            if any(part.tree.get(key) for part in parts):
                result[key] = _keys(key, parts, report)
        if any(part.tree.get("events") for part in parts):
            result["events"] = _events(parts)
    return result


def _without_plugins(main: Map) -> Map:
    components = main.get("components")
    if not isinstance(components, list):
        return main
    own = copy_map(main)
    own["components"] = copy_seq(
        components, lambda _, item: not (isinstance(item, dict) and "plugin" in item)
    )
    return own


def _elements(key: str, identity: str, parts: list[Import], report: Report) -> Seq:
    result = Seq()
    places: dict[str, int] = {}
    owners: dict[str, Import] = {}
    for part in parts:
        elements = part.tree.get(key) or []
        for index, (element, place) in enumerate(zip(elements, marks_of(elements), strict=True)):
            name = element.get(identity)
            at = places.get(name)
            if at is None or owners[name] is part:
                # Twice in one document: the rules speak of that.
                places.setdefault(name, len(result))
                owners.setdefault(name, part)
                result.append(element)
                result.marks.append(place)
            elif key == "components" and "volume" in element and "volume" in result[at]:
                result[at] = _volume(result[at], element, name, part, report)
                result.marks[at] = place
            else:
                path = (
                    (key, _index_in(report.tree, key, index, element), identity)
                    if not part.path
                    else part.path
                )
                _twice(key, name, (owners[name], part), path, report)
    return result


def _index_in(tree: Any, key: str, index: int, element: Any) -> int:
    """Plugins were taken out, so that the place in the devfile may be later."""
    original = tree.get(key) or []
    while index < len(original) and original[index] is not element:
        index += 1
    return index


def _twice(key: str, name: Any, parts: tuple[Import, Import], path: Path, report: Report) -> None:
    owner, part = parts
    where = f"in {part.name} and " if part.path else ""
    report.add(
        "already-imported",
        f"{short(str(name))!r} is defined {where}in {owner.name} already, under {key}.",
        path,
        hint="To change it, write it under 'parent' (or in the plugin's part); else give it another name.",
    )


def _volume(
    first: dict[str, Any], second: dict[str, Any], name: str, part: Import, report: Report
) -> Map:
    """One volume of the larger size; ephemeral only when both are."""
    sizes: list[tuple[Any, str]] = []
    for volume in (first, second):
        size = volume["volume"].get("size")
        if size:
            amount = quantities.amount(size)
            if amount is None:
                report.add(
                    "bad-quantity",
                    f"The volume {short(name)!r} is defined twice, and its size {short(size)!r} is no amount.",
                    part.path or ("components",),
                )
            else:
                sizes.append((amount, size))
    merged = copy_map(second)
    volume = copy_map(second["volume"])
    volume.pop("size", None)
    volume.pop("ephemeral", None)
    if sizes:
        volume["size"] = max(sizes)[1]
    if first["volume"].get("ephemeral") and second["volume"].get("ephemeral"):
        volume["ephemeral"] = True
    merged["volume"] = volume
    return merged


def _keys(key: str, parts: list[Import], report: Report) -> Map:
    result = Map()
    owners: dict[str, Import] = {}
    for part in parts:
        node = part.tree.get(key) or {}
        for name, value in node.items():
            if name in owners:
                _twice(key, name, (owners[name], part), part.path or (key, name), report)
                continue
            owners[name] = part
            result[name] = value
            if isinstance(node, Map) and name in node.marks:
                result.marks[name] = node.marks[name]
    return result


def _events(parts: list[Import]) -> Map:
    result = Map()
    for event in EVENTS:
        union = Seq()
        seen: set[str] = set()
        for part in parts:
            bound = (part.tree.get("events") or {}).get(event) or []
            for name, place in zip(bound, marks_of(bound), strict=True):
                if name not in seen:
                    seen.add(name)
                    union.append(name)
                    union.marks.append(place)
        if union:
            result[event] = union
    return result
