"""One document: text → tree that its version's schema accepts. Also a DevWorkspace resource's
template."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
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
    warnings: tuple[Problem, ...] = ()
    """What the schema does not know, and was read all the same."""

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
    warnings: tuple[Problem, ...] = ()
    """Of the document by itself."""
    names: tuple[str, ...] = ("",)
    """The documents that the tree was made of; the first is the devfile itself."""

    def report(self) -> Report:
        """For further problems, whose places the tree knows."""
        return Report(self.tree, DevfileError, self.names)


def load(text: str | bytes, *, source: int = 0, source_name: str = "") -> Document:
    """Raises `DevfileError` with all that the schema refuses."""
    document, report = examine(text, source=source, source_name=source_name)
    report.raise_if_any()
    return replace(document, warnings=tuple(report.warnings))


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
    """The version to check by; of one that came later than these, the newest. Raises `DevfileError`
    when there is no schema for it."""
    given = tree.get("schemaVersion")
    if isinstance(given, str) and len(given) <= schema.LONGEST_PATTERNED:
        version = given.partition("-")[0]
        if _VERSION.fullmatch(given):
            if version in schema.VERSIONS:
                return version
            if given.startswith("2.") and _numbers(version) > _numbers(schema.NEWEST):
                report.warn(
                    "newer-version",
                    f"The schemaVersion {short(given)!r} is newer than {schema.NEWEST}, the newest"
                    " that is known here: what it adds is not.",
                    ("schemaVersion",),
                )
                return schema.NEWEST
    elif given is None and not _is_first_version(tree):
        return schema.NEWEST
    message, hint = _refused_version(given, tree)
    place = "schemaVersion" if given is not None else next(iter(tree), "")
    report.add("unsupported-version", message, (place,), hint=hint, of_key=given is None)
    report.raise_if_any()
    return schema.NEWEST


def _refused_version(given: Any, tree: Map) -> tuple[str, str]:
    """What is wrong with a version, and what to do."""
    text = str(given)
    if _is_first_version(tree):
        return (
            "This is a devfile of version 1, which nobody reads any more.",
            "Write it anew: 'schemaVersion: 2.2.0', and for each component its name and a"
            " 'container' with its image. 'moor devfile init' makes a first one.",
        )
    if short_form := re.fullmatch(r"v?2\.([0-9])(?:\.0)?", text):
        version = f"2.{short_form[1]}.0"
        if version in schema.VERSIONS:
            return f"A schemaVersion is three numbers, not {short(text)}.", f"Write {version}."
    if not isinstance(given, str):
        return "The schemaVersion is no version.", "Write for instance 2.2.0."
    known = f"Known are {', '.join(schema.VERSIONS)}."
    return f"The schemaVersion {short(text)!r} is not known.", known


def _is_first_version(tree: Map) -> bool:
    """Whether it says so, or is made of what only the first version had."""
    version = str(tree.get("schemaVersion") or tree.get("apiVersion") or tree.get("specVersion"))
    if version.startswith(("1.", "0.")) or version == "1":
        return True
    if "schemaVersion" in tree:
        return False
    components = tree.get("components")
    return "specVersion" in tree or any(
        isinstance(item, dict) and "type" in item and not item.keys() & {"container", "volume"}
        for item in (components if isinstance(components, list) else ())
    )


def _numbers(version: str) -> list[int]:
    return [int(number[:9]) for number in version.split(".")]
