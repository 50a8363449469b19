"""Notifications about people: see `storage.changes`."""

from __future__ import annotations

import msgspec

from moorage.server.storage.changes import Changed


class SessionChanged(Changed, frozen=True, tag="session"):
    session: str = msgspec.field(default="", name="key")
    """Its id; "": of many."""


class UserChanged(Changed, frozen=True, tag="user"):
    """A user was blocked or let in again, or something has ended that they come in by."""

    user: str = msgspec.field(name="key")
    """Its id, as text."""
