"""Revisions of the database."""

from __future__ import annotations

from pathlib import Path

from moorage.server.migrations import runner


def test_head_is_the_newest_migration() -> None:
    """What the start compares with is what the folder holds."""
    versions = Path(runner.__file__).parent / "versions"
    assert max(file.name[:4] for file in versions.glob("[0-9]*.py")) == runner.HEAD
