"""Every report of `tests/field/README.md` is held by tests."""

from __future__ import annotations

import pytest

from named import missing_in, named_in, rows_of

ROWS = rows_of("tests/field/README.md")


def test_there_are_reports() -> None:
    """Their tables are read."""
    assert len(ROWS) >= 30


@pytest.mark.parametrize("row", ROWS, ids=[str(number) for number in range(len(ROWS))])
def test_every_report_names_tests_that_are_there(row: str) -> None:
    assert named_in(row), row
    assert missing_in(row) == []
