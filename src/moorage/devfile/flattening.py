"""Parent, plugins, overrides, merge, variables: one devfile that stands on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moorage.devfile import loading, rules, schema
from moorage.devfile.conversion import to_model, to_tree
from moorage.devfile.errors import DevfileError
from moorage.devfile.loading import Document, Source
from moorage.devfile.merging import Import, merge
from moorage.devfile.model import Devfile
from moorage.devfile.overrides import ELEMENTS, override
from moorage.devfile.references import NoResolver, Reference, ResolutionError, Resolver
from moorage.devfile.variables import substitute
from moorage.documents.limits import MAX_NODES
from moorage.documents.problems import Path, Problem, short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, Seq, copy_map, maps_in
from moorage.documents.tree import count as tree_count

IMPORTED_FROM = "api.devfile.io/imported-from"
"""Attribute of every element that a parent or plugin brought; says which."""
MAX_DEPTH = 10
MAX_IMPORTS = 50
MAX_IMPORTED_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Flattened:
    """`devfile` has no parent, no plugin and no variables left."""

    devfile: Devfile
    warnings: tuple[Problem, ...] = ()


def flatten(devfile: Devfile, resolver: Resolver | None = None, *, base: str = "") -> Flattened:
    """Joins `devfile` with its parent and plugins, replaces its variables, and checks the result by
    all rules.

    Flattening the result again changes nothing.

    `resolver`: None fetches nothing, so that a parent or a plugin is a problem. `base`: the
    devfile's own address, from which relative references start. Raises `DevfileError`.
    """
    source: Source | None = devfile.source if isinstance(devfile.source, Source) else None
    if source is not None and source.flattened is not None:
        tree, warnings = source.flattened
        return Flattened(
            to_model(tree, source=Source(tree, schema=source.schema, flattened=(tree, ()))),
            warnings,
        )
    document = (
        Document(source.tree, source.schema, warnings=source.warnings)
        if source is not None
        else loading.of_tree(to_tree(devfile))
    )
    tree, report = flatten_document(document, resolver or NoResolver(), base=base)
    report.raise_if_any()
    flat = Source(tree, schema=document.schema, flattened=(tree, ()), names=tuple(report.sources))
    return Flattened(to_model(tree, source=flat), tuple(report.warnings))


def flatten_document(
    document: Document,
    resolver: Resolver,
    *,
    base: str = "",
    load: Callable[..., Document] = loading.load,
    check: bool = True,
) -> tuple[Map, Report]:
    """The flat tree, and what is wrong with it or worth a warning.

    Raises `DevfileError` when an import fails, since nothing can be said then of what comes from
    it.
    """
    work = _Flattening(resolver, load)
    merged = work.flat(document, (base,))
    report = Report(merged, DevfileError, work.sources)
    report.warnings += work.warnings
    if check and len(work.sources) > 1:
        newest = work.schema_of(document)
        if newest != document.schema and newest != schema.DEVWORKSPACE:
            merged["schemaVersion"] = newest
        schema.check(merged, newest, report)
    return _finish(merged, report, check=check)


def flatten_own(document: Document, report: Report) -> Map:
    """The flat tree of a devfile that imports nothing."""
    return _finish(
        copy_map(document.tree), report, check=True, variables=document.may_have_variables
    )[0]


def _finish(
    merged: Map, report: Report, *, check: bool, variables: bool = True
) -> tuple[Map, Report]:
    tree = substitute(merged, report) if variables else merged
    if tree is merged:
        tree = copy_map(merged)
    report.tree = tree
    if check:
        rules.check(tree, report, complete=True)
    tree.pop("variables", None)
    return tree, report


class _Flattening:
    def __init__(self, resolver: Resolver, load: Callable[..., Document]) -> None:
        self.resolver = resolver
        self.load = load
        self.sources: list[str] = [""]
        self.imported_bytes = 0
        self.imported_values = 0
        self.schemas: set[str] = set()
        self.warnings: list[Problem] = []

    def schema_of(self, document: Document) -> str:
        """The schema of what is made of all documents: the newest of theirs."""
        order = (*schema.VERSIONS, schema.DEVWORKSPACE)
        return max({*self.schemas, document.schema}, key=order.index)

    def flat(self, document: Document, chain: tuple[str, ...]) -> Map:
        """The document with its parent and plugins merged in; variables stay.

        `chain`: the addresses on the way here, the document's own last.
        """
        tree = document.tree
        report = Report(tree, DevfileError, self.sources)
        self.warnings += document.warnings
        imports: list[Import] = []
        parent = tree.get("parent")
        if isinstance(parent, dict):
            imports.append(
                Import(
                    self._imported(document, ("parent",), chain, report), ("parent",), "the parent"
                )
            )
        for path, component in maps_in(tree, "components"):
            if isinstance(component.get("plugin"), dict):
                at = (*path, "plugin")
                name = f"the plugin {short(component['name'])!r}"
                imports.append(Import(self._imported(document, at, chain, report), at, name))
        merged = merge(tree, imports, report)
        report.raise_if_any()
        self.warnings += report.warnings
        return merged

    def _imported(
        self, document: Document, path: Path, chain: tuple[str, ...], report: Report
    ) -> Map:
        """The flat tree of the parent or plugin at `path`, with the overrides that stand there."""
        node: Any = document.tree
        for step in path:
            node = node[step]
        reference = Reference.of(node, chain[-1])
        found, address = self._fetch(reference, path, chain, report)
        if path == ("parent",) and document.is_older_than(found):
            report.warn(
                "parent-newer",
                f"The parent has schemaVersion {found.tree.get('schemaVersion')}, newer than this devfile's"
                f" {document.tree.get('schemaVersion')}.",
                path,
                hint=f"Raise this devfile's schemaVersion to {found.schema}.",
            )
        flat = self.flat(found, (*chain, address))
        return override(_annotated(flat, str(reference)), node, report, path)

    def _fetch(
        self, reference: Reference, path: Path, chain: tuple[str, ...], report: Report
    ) -> tuple[Document, str]:
        if len(chain) > MAX_DEPTH:
            raise self._failed(
                report,
                path,
                "imports-too-deep",
                f"Parents and plugins reach deeper than {MAX_DEPTH}.",
            )
        if len(self.sources) > MAX_IMPORTS:
            raise self._failed(
                report, path, "too-many-imports", f"More than {MAX_IMPORTS} devfiles are imported."
            )
        try:
            resolved = self.resolver.resolve(reference)
        except ResolutionError as error:
            report.add(error.code, error.message, path, hint=error.hint)
            raise DevfileError(report.problems) from error
        if resolved.address in chain:
            way = " → ".join((*chain[chain.index(resolved.address) :], resolved.address))
            raise self._failed(
                report, path, "import-cycle", f"The devfiles import each other in a circle: {way}."
            )
        self.imported_bytes += len(resolved.text)
        if self.imported_bytes > MAX_IMPORTED_BYTES:
            raise self._failed(
                report, path, "too-large", "What is imported comes to more than 6 MB."
            )
        self.sources.append(resolved.address)
        document = self.load(
            resolved.text, source=len(self.sources) - 1, source_name=resolved.address
        )
        self.imported_values += tree_count(document.tree)
        if self.imported_values > MAX_NODES:
            raise self._failed(
                report,
                path,
                "too-many-values",
                f"What is imported comes to more than {MAX_NODES:,} values.",
            )
        self.schemas.add(document.schema)
        return document, resolved.address

    @staticmethod
    def _failed(report: Report, path: Path, code: str, message: str) -> DevfileError:
        report.add(code, message, path)
        return DevfileError(report.problems)


def _annotated(tree: Map, origin: str) -> Map:
    """Every element says where it came from; the outermost import counts."""
    result = copy_map(tree)
    for key in ELEMENTS:
        elements = tree.get(key)
        if not elements:
            continue
        marked = Seq()
        marked.marks = list(elements.marks) if isinstance(elements, Seq) else [0] * len(elements)
        for element in elements:
            copied = copy_map(element)
            copied["attributes"] = {**(element.get("attributes") or {}), IMPORTED_FROM: origin}
            marked.append(copied)
        result[key] = marked
    return result
