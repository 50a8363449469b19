"""`{{ name }}` → the variable's value, in the fields where the specification allows it, once.

A value that holds `{{ … }}` itself is not looked at again, so that no devfile can grow without end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moorage.documents.limits import MAX_TEXT
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, copy_map, copy_seq

REFERENCE = 100
"""Characters that a `{{ name }}` counts for at least, so that replacing them takes its time from
`MAX_TEXT`, too."""
TEXT = "text"
"""A field whose text is looked at."""
REMOTES = "remotes"
"""A mapping whose keys and values are looked at."""

_ENV = [{"name": TEXT, "value": TEXT}]
_ENDPOINTS = [{"path": TEXT}]
_CHECKOUT = {"remote": TEXT, "revision": TEXT}
_GIT = {"remotes": REMOTES, "checkoutFrom": _CHECKOUT}
_INLINED = {"uri": TEXT, "inlined": TEXT, "endpoints": _ENDPOINTS}
_CONTAINER = {
    **dict.fromkeys(("image", "sourceMapping", "memoryLimit", "memoryRequest"), TEXT),
    "command": [TEXT],
    "args": [TEXT],
    "env": _ENV,
    "volumeMounts": [{"path": TEXT}],
    "endpoints": _ENDPOINTS,
}
_DOCKERFILE = {
    "uri": TEXT,
    "buildContext": TEXT,
    "args": [TEXT],
    "git": {**_GIT, "fileLocation": TEXT},
    "devfileRegistry": {"id": TEXT, "registryUrl": TEXT},
}
_PROJECT = {
    "clonePath": TEXT,
    "sparseCheckoutDirs": [TEXT],
    "git": _GIT,
    "github": _GIT,
    "zip": {"location": TEXT},
}
COMPONENT: dict[str, Any] = {
    "container": _CONTAINER,
    "volume": {"size": TEXT},
    "kubernetes": _INLINED,
    "openshift": _INLINED,
    "image": {"imageName": TEXT, "dockerfile": _DOCKERFILE},
}
COMMAND: dict[str, Any] = {
    "exec": {"commandLine": TEXT, "workingDir": TEXT, "label": TEXT, "env": _ENV},
    "apply": {"label": TEXT},
    "composite": {"label": TEXT},
}
FIELDS: dict[str, Any] = {
    "components": [COMPONENT],
    "commands": [COMMAND],
    "projects": [_PROJECT],
    "dependentProjects": [_PROJECT],
    "starterProjects": [
        {
            **{key: value for key, value in _PROJECT.items() if key != "clonePath"},
            "description": TEXT,
            "subDir": TEXT,
        }
    ],
}
"""Where variables are replaced. Not: names, ids, references to them, cpu amounts, annotations,
attributes."""


def substitute(
    tree: Map, report: Report, *, fields: Mapping[str, Any] = FIELDS, values: Any = None
) -> Map:
    """A tree with the variables' values in place; what holds none is shared with `tree`.

    An unknown variable stays as it is, with a warning. `values`: the variables; None for the tree's
    own.
    """
    known = tree.get("variables") if values is None else values
    walk = _Walk(known if isinstance(known, dict) else {}, report)
    changed = walk.node(tree, fields, ())
    assert isinstance(changed, Map)
    return changed


class _TooMuchError(Exception):
    """The variables' values come to more text than a devfile may have."""


class _Walk:
    def __init__(self, values: Mapping[str, Any], report: Report) -> None:
        self.values = values
        self.report = report
        self.budget = MAX_TEXT

    def node(self, node: Any, spec: Any, path: Path) -> Any:
        """The node with its texts replaced; the same object when nothing changed."""
        if spec is TEXT:
            return self.text(node, path) if isinstance(node, str) and "{{" in node else node
        if spec is REMOTES:
            return self.remotes(node, path) if isinstance(node, dict) else node
        if isinstance(spec, list):
            return self.items(node, spec[0], path) if isinstance(node, list) else node
        if not isinstance(node, dict):
            return node
        copied: Map | None = None
        for key, inner in spec.items():
            if key in node:
                value = node[key]
                changed = self.node(value, inner, (*path, key))
                if changed is not value:
                    copied = copied or copy_map(node)
                    copied[key] = changed
        return copied if copied is not None else node

    def items(self, node: list[Any], spec: Any, path: Path) -> Any:
        copied: list[Any] | None = None
        for index, item in enumerate(node):
            changed = self.node(item, spec, (*path, index))
            if changed is not item:
                copied = copied or copy_seq(node)
                copied[index] = changed
        return copied if copied is not None else node

    def remotes(self, node: dict[str, Any], path: Path) -> Any:
        if not any(
            "{{" in key or (isinstance(value, str) and "{{" in value) for key, value in node.items()
        ):
            return node
        copied = Map()
        marks = copy_map(node).marks
        for key, value in node.items():
            name = self.text(key, (*path, key))
            if name in copied:
                self.report.add(
                    "duplicate-key",
                    f"Two remotes are named {short(name)!r}.",
                    (*path, key),
                    of_key=True,
                )
            copied[name] = self.text(value, (*path, key)) if isinstance(value, str) else value
            copied.marks[name] = marks.get(key, 0)
        return copied if copied != node else node

    def text(self, text: str, path: Path) -> str:
        def replacement(name: str) -> str | None:
            value = self.values.get(name)
            self.budget -= max(REFERENCE, len(value) if isinstance(value, str) else 0)
            if self.budget < 0:
                raise _TooMuchError
            if isinstance(value, str):
                return value
            if not self.report.has_warned_enough:
                self._unknown(name, path)
            return None

        if self.budget < 0:
            return text
        try:
            changed = replace(text, replacement)
        except _TooMuchError:
            self.report.add(
                "too-much-text",
                "The variables make this devfile too large.",
                path,
                hint=f"Use fewer or shorter ones: {MAX_TEXT:,} characters are the most, and each use counts"
                f" for {REFERENCE} at least.",
            )
            return text
        # The very same object says that nothing changed.
        return changed if changed != text else text

    def _unknown(self, name: str, path: Path) -> None:
        self.report.warn(
            "unknown-variable",
            f"The variable {short(name)!r} is not defined; the text stays as it is.",
            path,
            hint=self.report.suggest(name, self.values) or "Define it under 'variables'.",
        )


def replace(text: str, value_of: Callable[[str], str | None]) -> str:
    r"""Replaces what `\{\{\s*(.*?)\s*\}\}` matches, in time linear in the text; None leaves a match
    as it is.

    The regular expression itself takes quadratic time on text such as `{{{{{{…`.
    """
    parts: list[str] = []
    done = low = 0
    while (start := text.find("{{", low)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        name = text[start + 2 : end]
        if "\n" in name:
            start = _start(text, start, end)
            name = text[start + 2 : end]
        # Where this `}}` ends no match, a later one ends none that starts before it: a line break
        # stands between.
        low = end + 2
        if start >= 0 and (value := value_of(name.strip())) is not None:
            parts += (text[done:start], value)
            done = low
    return "".join((*parts, text[done:]))


def _start(text: str, low: int, end: int) -> int:
    """Where the match that ends at `end` starts: the first `{{` after which only one line has
    anything but blanks."""
    inner = text[low:end]
    words = inner.rstrip()
    line = words.rfind("\n") + 1
    before = inner[:line].rstrip()
    if before.endswith("{{"):
        return low + len(before) - 2
    found = inner.find("{{", line)
    return low + found if found >= 0 else -1
