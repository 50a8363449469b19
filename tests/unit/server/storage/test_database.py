"""What is said of a database in trouble."""

from __future__ import annotations

from moorage.server.storage.database import unavailable


def test_database_trouble_in_plain_words() -> None:
    """A full disk is told from a database that is away."""
    assert unavailable("database or disk is full").code == "no-space"
    assert unavailable("connection refused").code == "database-unavailable"
