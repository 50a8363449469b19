"""Notifications about workspaces: see `storage.changes`."""

from __future__ import annotations

import msgspec

from moorage.server.storage.changes import Changed


class DesiredChanged(Changed, frozen=True, tag="desired"):
    """Somebody wants something else of a workspace."""

    workspace: str = msgspec.field(name="key")
    """Its name."""
    agent: int = 0
    """Id of the agent that runs it."""


class ActualChanged(Changed, frozen=True, tag="actual"):
    """A workspace is in another state, or something that people see of it has changed."""

    workspace: str = msgspec.field(name="key")
    agent: int = 0
    """Id of the agent that has reported it; 0: nobody has."""
