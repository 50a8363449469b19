"""Collects problems and warnings about a tree, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from moorage.documents.limits import COMPARISONS, MOST_PROBLEMS, SUGGESTIONS
from moorage.documents.problems import DocumentError, Path, Problem, did_you_mean, path_text
from moorage.documents.tree import locate


class Report:
    """`error` is what is raised with the problems.

    `sources` names the documents that the tree was made of; the first is the document itself, "" by
    name. `own` is the number of the one that a problem without a place belongs to.
    """

    def __init__(
        self, tree: Any, error: type[DocumentError], sources: Sequence[str] = ("",), own: int = 0
    ) -> None:
        self.tree = tree
        self.error = error
        self.sources = sources
        self.own = own
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.comparisons = COMPARISONS

    @property
    def is_full(self) -> bool:
        """Whether it has as many problems as it keeps."""
        return len(self.problems) >= MOST_PROBLEMS

    @property
    def has_warned_enough(self) -> bool:
        """Whether it has as many warnings as it keeps."""
        return len(self.warnings) >= MOST_PROBLEMS

    def add(
        self, code: str, message: str, path: Path = (), *, hint: str = "", of_key: bool = False
    ) -> None:
        """Adds a problem: something that makes the document unusable."""
        if not self.is_full:
            self.problems.append(self._problem(code, message, path, hint, of_key))

    def warn(
        self, code: str, message: str, path: Path = (), *, hint: str = "", of_key: bool = False
    ) -> None:
        """Adds a warning: something that the person should know."""
        if not self.has_warned_enough:
            self.warnings.append(self._problem(code, message, path, hint, of_key))

    def suggest(self, word: str, known: Iterable[str]) -> str:
        """A hint that names what was meant, or all that could be; "" when nothing can be said."""
        if len(self.problems) + len(self.warnings) >= SUGGESTIONS:
            return ""
        names = list(islice(known, COMPARISONS + 1))
        if len(names) > COMPARISONS:
            return ""
        compare = len(names) <= self.comparisons
        if compare:
            self.comparisons -= len(names)
        return did_you_mean(word, names, compare=compare)

    def raise_if_any(self) -> None:
        """Raises the report's error with all problems."""
        if self.problems:
            raise self.error(self.problems)

    def _problem(self, code: str, message: str, path: Path, hint: str, of_key: bool) -> Problem:
        place = locate(self.tree, path, of_key=of_key)
        if place is None:
            first = 1 if self.tree else 0
            return Problem(
                code, message, path_text(path), first, first, hint, self.sources[self.own]
            )
        source = self.sources[place.source] if place.source < len(self.sources) else ""
        return Problem(code, message, path_text(path), place.line, place.column, hint, source)
