"""One document: text → tree that its version's schema accepts. Also a DevWorkspace resource's
template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from moorage.devfile import schema
from moorage.devfile.errors import DevfileError
from moorage.documents.problems import Problem, short
from moorage.documents.reading import read
from moorage.documents.reporting import Report
from moorage.documents.tree import Map

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9a-z-]+(?:\.[0-9a-z-]+)*)?")
_KINDS = ("DevWorkspace", "DevWorkspaceTemplate")


@dataclass(frozen=True, slots=True)
class Document:
    tree: Map
    schema: str
    """One of `schema.VERSIONS`, or `schema.DEVWORKSPACE`."""
    may_have_variables: bool = True
    """False: nothing in it can be a `{{ name }}`."""

    def is_older_than(self, other: Document) -> bool:
        if schema.DEVWORKSPACE in (self.schema, other.schema):
            return False
        return schema.VERSIONS.index(self.schema) < schema.VERSIONS.index(other.schema)


@dataclass(frozen=True, slots=True)
class Source:
    """The documents that a Devfile was read from."""

    tree: Map
    schema: str
    flattened: tuple[Map, tuple[Problem, ...]] | None = None
    """Its flat tree and the warnings, when it needs nothing else."""
    names: tuple[str, ...] = ("",)
    """The documents that the tree was made of; the first is the devfile itself."""

    def report(self) -> Report:
        """For further problems, whose places the tree knows."""
        return Report(self.tree, DevfileError, self.names)


def load(text: str | bytes, *, source: int = 0, source_name: str = "") -> Document:
    """Raises `DevfileError` with all that the schema refuses."""
    document, report = examine(text, source=source, source_name=source_name)
    report.raise_if_any()
    return document


def examine(
    text: str | bytes, *, source: int = 0, source_name: str = ""
) -> tuple[Document, Report]:
    """The document, and what the schema refuses in it. Raises `DevfileError` when nothing further
    can be said."""
    tree = read(text, DevfileError, source=source, source_name=source_name)
    report = Report(tree, DevfileError, [""] * source + [source_name], source)
    if tree.get("kind") in _KINDS and str(tree.get("apiVersion", "")).startswith(
        "workspace.devfile.io/"
    ):
        tree = report.tree = _template(tree, report)
        schema.check(tree, schema.DEVWORKSPACE, report)
        return Document(tree, schema.DEVWORKSPACE), report
    version = _version(tree, report)
    schema.check(tree, version, report)
    return Document(tree, version, _may_have_variables(text)), report


def _may_have_variables(text: str | bytes) -> bool:
    """An escape may stand for a brace."""
    if isinstance(text, str):
        return "{{" in text or "\\" in text
    return b"{{" in text or b"\\" in text


def of_tree(tree: dict[str, Any]) -> Document:
    """The document of a plain tree that is known to be valid."""
    marked = Map()
    marked.update(tree)
    version = str(tree.get("schemaVersion", "")).partition("-")[0]
    return Document(marked, version if version in schema.VERSIONS else schema.DEVWORKSPACE)


def _template(tree: Map, report: Report) -> Map:
    spec = tree.get("spec")
    template = (
        spec.get("template") if isinstance(spec, dict) and tree["kind"] == "DevWorkspace" else spec
    )
    if not isinstance(template, Map):
        report.add("missing-key", f"The {tree['kind']} has no template under 'spec'.")
        report.raise_if_any()
    assert isinstance(template, Map)
    template.setdefault("schemaVersion", schema.NEWEST)
    return template


def _version(tree: Map, report: Report) -> str:
    """The version to check by. Raises `DevfileError` when its schema is not known."""
    given = tree.get("schemaVersion")
    if not isinstance(given, str):
        return schema.NEWEST
    version = given.partition("-")[0]
    if (
        version in schema.VERSIONS
        and len(given) <= schema.LONGEST_PATTERNED
        and _VERSION.fullmatch(given)
    ):
        return version
    if given.startswith("1.") or "apiVersion" in tree:
        hint = "Devfiles of version 1 are no longer used: write it anew, with schemaVersion 2.2.0."
    else:
        hint = f"Known are {', '.join(schema.VERSIONS)}."
    report.add(
        "unsupported-version",
        f"The schemaVersion {short(given)!r} is not known.",
        ("schemaVersion",),
        hint=hint,
    )
    report.raise_if_any()
    return schema.NEWEST
