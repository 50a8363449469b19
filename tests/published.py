"""Published data that this repository may not hold: schemas, registries and cases of the projects
whose formats Moorage reads.

It is looked for in the folder that `MOORAGE_TEST_DATA` names, then in `../shared/data` beside the
repository. Tests that need it are marked `published`; where it is in neither place they are left
out, which the end of the run says in one line. With `MOORAGE_TEST_DATA_REQUIRED=1`, as in CI where
the data is there, a run that would leave them out fails.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "MOORAGE_TEST_DATA"
REQUIRED = "MOORAGE_TEST_DATA_REQUIRED"
BESIDE = Path(__file__).resolve().parents[2] / "shared/data"
PARTS = ("devfile/schemas", "devfile/registry", "devfile/flatten")
"""What the tests read. Data without one of them counts as no data."""


def find(named: str | None, beside: Path) -> Path | None:
    """The folder of the data; `named` is what `MOORAGE_TEST_DATA` says.

    Raises `pytest.UsageError` for a named folder that does not hold it: who names one wants these
    tests."""
    if named:
        if missing := _missing(Path(named)):
            raise pytest.UsageError(
                f"{VARIABLE} is {named}, where there is no {' and no '.join(missing)}. "
                "Correct it, or unset it to leave the tests on published data out."
            )
        return Path(named).resolve()
    return None if _missing(beside) else beside


def _missing(folder: Path) -> list[str]:
    return [part for part in PARTS if not (folder / part).is_dir()]


DATA = find(os.environ.get(VARIABLE), BESIDE)
DEVFILE = (DATA or BESIDE) / "devfile"
"""Holds nothing where there is no data: lists made from it are empty, and the tests that use them
are left out."""

marker = pytest.mark.published


def left_out(number: int) -> str:
    """The line for the end of a run that left `number` tests out."""
    return (
        f"{number} tests on published data were left out: set {VARIABLE} to a folder that holds {', '.join(PARTS)} "
        "(CONTRIBUTING.md says where they come from)."
    )
