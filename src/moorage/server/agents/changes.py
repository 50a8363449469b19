"""Notifications about agents: see `storage.changes`."""

from __future__ import annotations

import msgspec

from moorage.server.storage.changes import Changed


class AgentChanged(Changed, frozen=True, tag="agent"):
    """Something that people see of an agent."""

    agent: str = msgspec.field(name="key")
    """Its id, as text."""


class SettingsChanged(Changed, frozen=True, tag="settings"):
    """There is a newer version of an agent's settings."""

    agent: int
    """Its id."""


class TokenChanged(Changed, frozen=True, tag="token"):
    """The token of an agent or of its gateway."""

    name: str = msgspec.field(name="key")
    """Of both."""
    agent: int
    """The agent's id."""
