"""Problems of a document, said so that a person can act on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from moorage.documents.kinds import Kind
from moorage.documents.limits import SHOWN
from moorage.kernel.errors import InvalidInput

_LONGEST_COMPARED = 80
_FEW = 12
Path = tuple[str | int, ...]
"""A place in a document: `("components", 2, "container", "image")`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One violation or warning. `line` and `column` count from 1; 0 when the place is not known."""

    code: str
    """Stable, lower-case words joined by `-`."""
    message: str
    """One sentence."""
    path: str = ""
    """`components[2].container.endpoints[0].name`; "" for the whole document."""
    line: int = 0
    column: int = 0
    hint: str = ""
    """A sentence that says what to do."""
    source: str = ""
    """"" for the document itself; else the address of one that it imports, such as a devfile's
    parent."""

    def __str__(self) -> str:
        where = f"{self.source}:" if self.source else ""
        place = (
            f"{where}{self.line}:{self.column}: " if self.line else (f"{where} " if where else "")
        )
        at = f" (at {self.path})" if self.path else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{place}{self.message}{at}{hint}"

    def to_json(self) -> dict[str, Any]:
        """All fields, as they are named here."""
        return {name: getattr(self, name) for name in self.__slots__}


class DocumentError(InvalidInput):
    """A document that cannot be used. `problems` holds all that is wrong, in the order of the
    document.

    Each kind of document has a subclass, with its `kind` and `default_code`.
    """

    kind: ClassVar[Kind]
    text: str = ""
    """The document itself, where whoever read it has set this; for showing the lines, never part of
    `details`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = sorted(
            dict.fromkeys(problems),
            key=lambda problem: (problem.source, problem.line, problem.column),
        )
        self.problems: tuple[Problem, ...] = tuple(found[:SHOWN])
        self.left_out = len(found) - len(self.problems)
        first = self.problems[0]
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        where = f"line {first.line}, column {first.column}: " if first.line else ""
        super().__init__(
            f"The {self.kind.name} is not valid: {where}{first.message}{more}",
            hint=first.hint,
            field=self.kind.field,
            problems=[problem.to_json() for problem in self.problems],
            left_out=self.left_out,
        )


def short(text: str) -> str:
    """A name as messages hold it: a document may have names of a megabyte, and speak of one a
    thousand times."""
    return text if len(text) <= 60 else text[:57] + "..."


def path_text(path: Path) -> str:
    """`("components", 2, "name")` → `components[2].name`. A key that is no plain word stands in
    quotes, a long one is cut."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("-", "").replace("_", "").isalnum():
            text += f".{short(step)}" if text else short(step)
        else:
            text += f'["{short(step)}"]'
    return text


def did_you_mean(word: str, known: Collection[str], *, compare: bool = True) -> str:
    """A hint that names the nearest known word, or all of them when few; "" when nothing can be
    said.

    `compare` false: only what differs in case is found, for comparing words takes its time.
    """
    if len(word) <= _LONGEST_COMPARED:
        lowered = {candidate.lower(): candidate for candidate in known}
        near = [word.lower()] if word.lower() in lowered else []
        if compare and not near:
            from difflib import get_close_matches  # only a mistake pays for it

            near = get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
        if near:
            return f"Did you mean {short(lowered[near[0]])!r}?"
    if known and len(known) <= _FEW:
        return f"Known here: {', '.join(short(name) for name in sorted(known))}."
    return ""
