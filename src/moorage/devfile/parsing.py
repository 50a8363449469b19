"""Text → Devfile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from moorage.devfile import rules
from moorage.devfile.conversion import to_model
from moorage.devfile.errors import DevfileError
from moorage.devfile.flattening import flatten_own
from moorage.devfile.loading import Source, examine
from moorage.devfile.model import Devfile
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, maps_in

LARGE = 256 * 1024
"""Bytes from which on a document is large: it is worth keeping the garbage collector off its
tree."""
FILE_NAMES = (".devfile.yaml", ".devfile.yml", "devfile.yaml", "devfile.yml")
"""The names that a repository's devfile may have, in the order in which they are looked for."""
FOLDER = ".devfile"
"""Then `<name>.yaml` or `<name>.yml` in this folder, in the order of their names."""


def parse(text: str | bytes) -> Devfile:
    """Reads a devfile of any version (also a DevWorkspace's template) and checks all that can be
    told from it alone.

    What refers to a parent or plugin is checked by `flatten`. Raises `DevfileError`, with every
    violation at once.
    """
    with _without_collector(len(text)):
        return _parsed(text)


def _parsed(text: str | bytes) -> Devfile:
    document, report = examine(text)
    tree = document.tree
    if _imports(tree):
        rules.check(tree, report, complete=False)
        report.raise_if_any()
        own = Source(tree, document.schema, warnings=tuple(report.warnings))
        return to_model(tree, source=own)
    flat_report = Report(tree, DevfileError)
    flat = flatten_own(document, flat_report)
    report.problems += flat_report.problems
    report.raise_if_any()
    warnings = (*report.warnings, *flat_report.warnings)
    return to_model(tree, source=Source(tree, document.schema, (flat, warnings), warnings))


@contextmanager
def _without_collector(size: int) -> Iterator[None]:
    """Keeps the garbage collector off the tree of a large document, where it would look again and
    again for nothing: a fifth of the time."""
    if size < LARGE or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _imports(tree: Map) -> bool:
    return "parent" in tree or any(
        "plugin" in component for _, component in maps_in(tree, "components")
    )
