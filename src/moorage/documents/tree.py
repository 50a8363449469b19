"""The tree of a YAML document: dicts, lists and scalars that remember where they stood.

A mark is one integer: source number, position of the key, position of the value. It costs 36 bytes
where a tuple of tuples would cost 300, and a 3 MB document has a third of a million of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from moorage.documents.problems import Path

BITS = 22
"""Lines and columns are below 2**22: a document has at most 3 MB."""
POSITION = 2 * BITS
"""A mark is `(source << POSITION | key) << POSITION | value`."""
_LOW = (1 << BITS) - 1
_ONE = (1 << POSITION) - 1


class Place(NamedTuple):
    """Counted from 1. `source` is 0 for the document itself, else the number of an import."""

    source: int
    line: int
    column: int


class Map(dict[str, Any]):
    """A mapping that remembers where each key and value stood: `marks`, by key."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[str, int] = {}


class Seq(list[Any]):
    """A sequence that remembers where each item stood: `marks`, by index."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[int] = []


def position(line: int, column: int) -> int:
    """A position as one number. Both count from 0."""
    return line << BITS | column


def place_of(mark: int, *, of_key: bool) -> Place:
    """The place that `mark` stands for."""
    at = (mark >> POSITION if of_key else mark) & _ONE
    return Place(mark >> 2 * POSITION, (at >> BITS) + 1, (at & _LOW) + 1)


def locate(tree: Any, path: Path, *, of_key: bool = False) -> Place | None:
    """Where `path` stands, or the nearest thing around it that still has a place.

    A mapping or list begins, for a reader, at its key.
    """
    found: Place | None = None
    node = tree
    for step in path:
        try:
            inner = node[step]
        except (KeyError, IndexError, TypeError):
            break
        known = _mark_in(node, step)
        node = inner
        if known:
            found = place_of(known, of_key=of_key or isinstance(node, dict | list))
    return found


def _mark_in(node: Any, step: str | int) -> int:
    """0 for what has none: it was made here, and says nothing of its own."""
    if isinstance(node, Map) and isinstance(step, str):
        return node.marks.get(step, 0)
    if isinstance(node, Seq) and isinstance(step, int) and step < len(node.marks):
        return node.marks[step]
    return 0


def count(value: Any) -> int:
    """How many values there are in all, those that aliases repeat included; keys are not
    counted."""
    if isinstance(value, dict):
        return 1 + sum(count(item) for item in value.values())
    if isinstance(value, list):
        return 1 + sum(count(item) for item in value)
    return 1


def plain(value: Any) -> Any:
    """A copy in plain dicts and lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def copy_map(node: dict[str, Any]) -> Map:
    """A shallow copy that keeps the marks (none, when `node` is a plain dict)."""
    copied = Map()
    copied.update(node)
    copied.marks = dict(node.marks) if isinstance(node, Map) else {}
    return copied


def copy_seq(node: list[Any], keep: Callable[[int, Any], bool] | None = None) -> Seq:
    """A shallow copy that keeps the marks of the items that `keep(index, item)` wants."""
    copied = Seq()
    marks = marks_of(node)
    for index, item in enumerate(node):
        if keep is None or keep(index, item):
            copied.append(item)
            copied.marks.append(marks[index])
    return copied


def marks_of(node: list[Any]) -> list[int]:
    """The marks of a list's items; zeros when it has none."""
    if isinstance(node, Seq) and len(node.marks) == len(node):
        return node.marks
    return [0] * len(node)


def maps_in(tree: Any, *keys: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings in the list at `keys`, each with its path; nothing where the tree is not of that
    shape."""
    node = tree
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    if isinstance(node, list):
        for index, item in enumerate(node):
            if isinstance(item, dict):
                yield (*keys, index), item
