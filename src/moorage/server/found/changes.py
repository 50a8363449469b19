"""Notifications about what agents found: see `storage.changes`."""

from __future__ import annotations

from moorage.server.storage.changes import Changed


class FoundChanged(Changed, frozen=True, tag="found"):
    """An agent is to be told what becomes of what it has found."""

    agent: int
    """Its id."""
