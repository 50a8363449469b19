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
    return _pytest(clone, "--collect-only", *tests, **variables)


def _pytest(clone: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("MOORAGE_", "PYTEST_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
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
    """Every test file collects; what needs published data is left out with one line, and nothing
    else is."""
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


def test_what_is_left_passes_without_the_data(clone: Path) -> None:
    """In the unit tests' files that read published data, the tests that are not left out pass
    without it."""
    files = [
        file
        for file in (clone / "tests/unit").rglob("test_*.py")
        if "published.DEVFILE" in file.read_text()
    ]
    assert files
    ran = _pytest(clone, *(str(file.relative_to(clone)) for file in files))
    assert ran.returncode == 0, ran.stdout[-3000:]


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
