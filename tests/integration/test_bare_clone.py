"""The repository on its own: cloned into an empty folder, with nothing beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import published

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, in an otherwise empty folder."""
    folder = tmp_path_factory.mktemp("empty") / "moorage"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, folder], check=True, timeout=120)
    return folder


def _collect(clone: Path, *tests: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MOORAGE_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *tests],
        cwd=clone,
        env=kept | {"PYTHONPATH": str(clone / "src")} | variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, text[-2000:]
    return int(found[1])


def test_everything_is_collected_with_nothing_beside_it(clone: Path) -> None:
    """Every test file collects; what needs published data is left out with one line, and nothing else is."""
    ran = _collect(clone)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-2000:]
    assert [line for line in ran.stdout.splitlines() if "left out" in line] == [
        published.left_out(_number(r"(\d+) tests on published data", ran.stdout))
    ]
    files = {str(file.relative_to(clone)) for file in (clone / "tests").rglob("test_*.py")}
    collected = {line.partition("::")[0] for line in ran.stdout.splitlines() if "::" in line}
    assert files - collected == {
        "tests/unit/devfile/test_published_cases.py",
        "tests/unit/devfile/test_mutations.py",
    }


def test_data_that_must_be_there_is_missed(clone: Path) -> None:
    """A run that must have the data fails when it would leave tests out, in words."""
    ran = _collect(clone, "tests/unit/devfile", MOORAGE_TEST_DATA_REQUIRED="1")
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "tests on published data were left out: set MOORAGE_TEST_DATA" in ran.stdout + ran.stderr


@published.marker
def test_data_elsewhere_is_found(clone: Path) -> None:
    """With the variable, nothing is left out."""
    ran = _collect(clone, "tests/unit/devfile", MOORAGE_TEST_DATA=str(published.DATA))
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert "left out" not in ran.stdout
    assert "test_published_cases.py::" in ran.stdout
