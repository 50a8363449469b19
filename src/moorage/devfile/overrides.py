"""Overrides: a strategic merge of the elements in a parent's or plugin's section onto those that it
brings.

The rules are the specification's: elements are found by name or id and must exist; lists of named
things merge by name, `command`, `args` and a composite's `commands` replace; attributes replace per
key; of two members of a union the override's stays.
"""

from __future__ import annotations

from typing import Any

from moorage.devfile.model import COMPONENT_KINDS
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, Seq, copy_map, marks_of

ELEMENTS = {
    "components": "name",
    "commands": "id",
    "projects": "name",
    "starterProjects": "name",
    "dependentProjects": "name",
}
"""The lists of a devfile, and what tells their elements apart."""

_NAMED_LISTS = {"env": "name", "endpoints": "name", "volumeMounts": "name", **ELEMENTS}
_UNIONS = (
    COMPONENT_KINDS,
    ("exec", "apply", "composite", "vscodeTask", "vscodeLaunch", "custom"),
    ("git", "github", "zip", "custom"),
    ("uri", "inlined"),
    ("uri", "git", "devfileRegistry"),
    ("uri", "id", "kubernetes"),
)
"""Keys of which one mapping holds at most one."""
_LEVEL_UNIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "components": (_UNIONS[0],),
    "commands": (_UNIONS[1],),
    "projects": (_UNIONS[2],),
    "starterProjects": (_UNIONS[2],),
    "dependentProjects": (_UNIONS[2],),
    "kubernetes": (_UNIONS[3],),
    "openshift": (_UNIONS[3],),
    "vscodeTask": (_UNIONS[3],),
    "vscodeLaunch": (_UNIONS[3],),
    "dockerfile": (_UNIONS[4],),
    "plugin": (_UNIONS[5],),
}


def override(base: Map, section: dict[str, Any], report: Report, path: Path) -> Map:
    """`base` with `section` laid over it. Adds a problem for each element that overrides nothing.

    `path` is where `section` stands in the report's tree.
    """
    result = copy_map(base)
    for key, identity in ELEMENTS.items():
        patch = section.get(key)
        if not isinstance(patch, list) or not patch:
            continue
        original = base.get(key) or Seq()
        known = {element.get(identity) for element in original}
        for index, element in enumerate(patch):
            if element.get(identity) not in known:
                _adds(
                    report,
                    (*path, key, index),
                    key,
                    element.get(identity),
                    [name for name in known if name],
                )
        result[key] = _merge_lists(original, patch, identity, key)
        _mark(result, key, section)
    for key in ("variables", "attributes"):
        patch = section.get(key)
        if not isinstance(patch, dict) or not patch:
            continue
        original = base.get(key) or {}
        for name in patch:
            if name not in original:
                _adds(report, (*path, key, name), key, name, list(original))
        result[key] = _merge_shallow(original, patch)
        _mark(result, key, section)
    return result


def _adds(report: Report, path: Path, key: str, name: Any, known: list[str]) -> None:
    report.add(
        "overrides-nothing",
        f"Nothing in {key} of what is imported is named {short(str(name))!r}: an override changes what is there, it adds nothing.",
        path,
        of_key=True,
        hint=report.suggest(str(name), known) or "Define new elements in the devfile's own part.",
    )


def _merge(base: dict[str, Any], patch: dict[str, Any], level: str) -> Map:
    result = copy_map(base)
    for union in _LEVEL_UNIONS.get(level, ()):
        chosen = [key for key in union if key in patch]
        for key in union:
            if chosen and key not in chosen and key in result:
                del result[key]
                result.marks.pop(key, None)
    for key, value in patch.items():
        current = result.get(key)
        if (
            key in _NAMED_LISTS
            and isinstance(current, list)
            and isinstance(value, list)
            and level != "composite"
        ):
            result[key] = _merge_lists(current, value, _NAMED_LISTS[key], key)
        elif key == "attributes" and isinstance(current, dict) and isinstance(value, dict):
            result[key] = _merge_shallow(current, value)
        elif isinstance(current, dict) and isinstance(value, dict):
            result[key] = _merge(current, value, key)
        else:
            result[key] = value
        _mark(result, key, patch)
    return result


def _merge_shallow(base: dict[str, Any], patch: dict[str, Any]) -> Map:
    result = copy_map(base)
    for key, value in patch.items():
        result[key] = value
        _mark(result, key, patch)
    return result


def _mark(result: Map, key: str, origin: dict[str, Any]) -> None:
    if isinstance(origin, Map) and key in origin.marks:
        result.marks[key] = origin.marks[key]


def _merge_lists(base: list[Any], patch: list[Any], identity: str, level: str) -> Seq:
    """By name, in the order of Kubernetes' strategic merge: what the patch leaves alone keeps its
    place before the patched elements that followed it, and a new element comes as early as it
    can."""
    where = {element.get(identity): index for index, element in enumerate(base)}
    patched: dict[Any, tuple[Any, int]] = {}
    patch_marks, base_marks = marks_of(patch), marks_of(base)
    for element, place in zip(patch, patch_marks, strict=True):
        name = element.get(identity)
        if name in patched:
            patched[name] = (_merge(patched[name][0], element, level), place)
        elif name in where:
            patched[name] = (_merge(base[where[name]], element, level), base_marks[where[name]])
        else:
            patched[name] = (element, place)
    result = Seq()
    alone = [index for index, element in enumerate(base) if element.get(identity) not in patched]
    next_alone = 0
    for name, (element, place) in patched.items():
        while name in where and next_alone < len(alone) and alone[next_alone] < where[name]:
            result.append(base[alone[next_alone]])
            result.marks.append(base_marks[alone[next_alone]])
            next_alone += 1
        result.append(element)
        result.marks.append(place)
    for index in alone[next_alone:]:
        result.append(base[index])
        result.marks.append(base_marks[index])
    return result
