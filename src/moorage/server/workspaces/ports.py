"""What goes with a workspace's ports beside its row: filled by whoever keeps it (`sharing`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True)
class PortGrants:
    withdraw: Callable[[AsyncSession, int, frozenset[int]], Awaitable[None]]
    """Ends the grants of these ports of a workspace, by its id, in this transaction."""
