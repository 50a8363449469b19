"""`docs/security.md` promises nothing without a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def promises() -> list[str]:
    """The rows of the tables whose last column is the test."""
    rows: list[str] = []
    inside = False
    for line in (ROOT / "docs/security.md").read_text().splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.rstrip(" |").endswith("by which test"):
            inside = True
        elif inside and not line.startswith("|---"):
            rows.append(line)
    return rows


def named_in(row: str) -> list[tuple[str, str]]:
    """(file, test) of each test in the last column; `::test` alone is of the file before it."""
    found: list[tuple[str, str]] = []
    for name in re.findall(r"`([^`]+)`", row.rstrip(" |").rpartition(" | ")[2]):
        file, _, test = name.partition("::")
        found.append((file or (found[-1][0] if found else ""), test))
    return found


ROWS = promises()


def test_the_page_promises_something() -> None:
    """Its tables are read."""
    assert len(ROWS) >= 30


@pytest.mark.parametrize("row", ROWS, ids=[str(number) for number in range(len(ROWS))])
def test_every_promise_names_tests_that_are_there(row: str) -> None:
    """Each row says by which tests it is held, and these are in the files that it names."""
    named = named_in(row)
    assert named, row
    for file, test in named:
        assert re.search(rf"^\s*(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), (
            file,
            test,
        )
