"""The core that every part of the server is given: settings, clock, database, changes, metrics, and
its own parts by their type."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from moorage.kernel.clock import Clock
from moorage.server.metrics import Metrics
from moorage.server.settings import Settings
from moorage.server.storage.changes import Changes
from moorage.server.storage.database import Database

P = TypeVar("P")


@dataclass
class Replica:
    """This server process, one of several on the same database."""

    installation: str
    """Id that every object of this installation is labelled with."""
    address: str = ""
    """Where other replicas reach this one."""
    started_at: float = 0.0
    """Since when agents could have connected, in seconds since the epoch: when it started, or when
    its clock jumped."""


@dataclass(frozen=True)
class Core:
    settings: Settings
    clock: Clock
    database: Database
    changes: Changes
    metrics: Metrics
    replica: Replica
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to end: whatever streams comes to an end too."""
    parts: dict[type, object] = field(default_factory=dict)
    """What single domains need, by its type; made by the composition root. Read with `part`."""

    def part(self, kind: type[P]) -> P:
        """The one object of that type. Raises `LookupError` when the composition root has made
        none."""
        try:
            return cast("P", self.parts[kind])
        except KeyError:
            raise LookupError(f"The server was put together without {kind.__qualname__}.") from None

    def give(self, parts: Iterable[object]) -> None:
        """Adds parts, each under its own type."""
        self.parts.update({type(part): part for part in parts})
