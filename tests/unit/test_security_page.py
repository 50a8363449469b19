"""`docs/security.md` promises nothing without a test."""

from __future__ import annotations

import pytest

from named import missing_in, named_in, rows_of

ROWS = rows_of("docs/security.md")


def test_the_page_promises_something() -> None:
    """Its tables are read."""
    assert len(ROWS) >= 30


@pytest.mark.parametrize("row", ROWS, ids=[str(number) for number in range(len(ROWS))])
def test_every_promise_names_tests_that_are_there(row: str) -> None:
    """Each row says by which tests it is held, and these are in the files that it names."""
    assert named_in(row), row
    assert missing_in(row) == []
