"""Who follows a workspace's page, and is woken when something about it has changed. In memory
only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from moorage.gateway.table import Affected


class Watchers:
    """The events that open pages wait for, by workspace."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def watch(self, workspace: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something about that workspace, or about anybody's
        session, has changed."""
        event = asyncio.Event()
        events = self._events.setdefault(workspace, set())
        events.add(event)
        try:
            yield event
        finally:
            events.discard(event)
            if not events:
                self._events.pop(workspace, None)

    def wake(self, affected: Affected) -> None:
        """Wakes those whom a change of the table may concern."""
        names: Iterable[str] = self._events if affected.users else affected.workspaces
        for name in names:
            for event in self._events.get(name, ()):
                event.set()
