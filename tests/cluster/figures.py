"""What the tests measured, printed as a table at the end of the run."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    what: str
    amount: float
    unit: str


class Figures:
    def __init__(self) -> None:
        self._found: list[Figure] = []

    def note(self, what: str, amount: float, unit: str = "") -> None:
        self._found.append(Figure(what, amount, unit))

    def table(self) -> list[str]:
        width = max((len(figure.what) for figure in self._found), default=0)
        return [f"{f.what:<{width}}  {f.amount:>8.1f} {f.unit}".rstrip() for f in self._found]


FIGURES = Figures()
