"""Port to what other domains keep on agents: agents are shown with it, and not removed before it is
gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

Count = Callable[[AsyncSession], Awaitable[dict[int, int]]]
"""How many each agent has, by its id; one without any may be left out."""


@dataclass(frozen=True)
class Occupants:
    workspaces: Count
    """Workspaces that are not deleted."""
    found: Count
    """Workspaces that the server does not list."""
    forget: Callable[[AsyncSession, int], Awaitable[None]]
    """Deletes what is still remembered of deleted workspaces of an agent, by its id, which is about
    to be removed."""
