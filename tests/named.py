"""Documents whose tables name, in a last column headed "by which test", the tests that hold each
row: `` `file::test` ``; `` `::test` `` alone is of the file before it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def rows_of(page: str) -> list[str]:
    """The rows of these tables. `page`: its path in the repository."""
    rows: list[str] = []
    inside = False
    for line in (ROOT / page).read_text().splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.rstrip(" |").endswith("by which test"):
            inside = True
        elif inside and not line.startswith("|---"):
            rows.append(line)
    return rows


def named_in(row: str) -> list[tuple[str, str]]:
    """File and name of each test in the last column."""
    found: list[tuple[str, str]] = []
    for name in re.findall(r"`([^`]+)`", row.rstrip(" |").rpartition(" | ")[2]):
        file, _, test = name.partition("::")
        found.append((file or (found[-1][0] if found else ""), test))
    return found


def missing_in(row: str) -> list[tuple[str, str]]:
    """Those that are not in the files that the row names."""
    return [
        (file, test)
        for file, test in named_in(row)
        if not re.search(rf"^\s*(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]
