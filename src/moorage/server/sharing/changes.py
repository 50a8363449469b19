"""Notifications about grants: see `storage.changes`."""

from __future__ import annotations

from moorage.server.storage.changes import Changed


class GrantChanged(Changed, frozen=True, tag="grant"):
    """Somebody may open something, or may no longer."""
