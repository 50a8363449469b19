"""The documents: what the code says in them is as the code says it, and what they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOGGED = {"workspace-found"}
"""Codes of lines of a log, which no error carries."""


def test_what_is_made_from_the_code_is_as_the_code_is() -> None:
    """`make docs` would change nothing."""
    made = subprocess.run(
        [sys.executable, "scripts/make_docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr


def test_every_code_is_listed() -> None:
    """A code that is written anywhere in the source stands in `docs/errors.md`."""
    listed = set(re.findall(r"^\| `([a-z0-9…-]+)` \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    for file in (ROOT / "src/moorage").rglob("*.py"):
        written = re.findall(
            r"""\b(?:default_)?code\s?=\s?"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)\"""", file.read_text()
        )
        assert set(written) - LOGGED <= listed, file


def test_every_setting_says_what_it_is() -> None:
    """A row without a meaning is a field without a docstring."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert len(rows) > 100
    assert [field for field, meaning in rows if not meaning.strip()] == []
