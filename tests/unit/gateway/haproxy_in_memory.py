"""HAProxy's runtime API as the controller uses it, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from moorage.gateway.haproxy.access_map import Difference
from moorage.gateway.haproxy.runtime import Runtime
from moorage.kernel.errors import Unavailable


class RuntimeInMemory(Runtime):
    """One map, and the books of open requests."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.there = True
        """False: HAProxy does not answer."""
        self.ended = asyncio.Event()
        self.changes = 0
        """How often the map was changed in place."""
        self.books = ""
        """The answer to `show sess` and `show table`."""
        self.closed: list[str] = []

    async def ask(self, *commands: str) -> str:
        self._answer()
        if commands[0].startswith("show map"):
            return "".join(f"0x1 {key} {address}\n" for key, address in self.entries.items())
        return self.books

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[asyncio.Task[None]]:
        self._answer()

        async def gone() -> None:
            await self.ended.wait()

        task = asyncio.create_task(gone())
        try:
            yield task
        finally:
            task.cancel()

    async def change(self, name: str, difference: Difference) -> None:
        self._answer()
        self.changes += 1
        for key in difference.removed:
            del self.entries[key]
        self.entries.update(difference.changed)
        self.entries.update(difference.added)

    async def replace(self, name: str, entries: Iterable[tuple[str, str]]) -> None:
        self._answer()
        self.entries = dict(entries)

    async def shutdown(self, streams: Iterable[str]) -> None:
        self._answer()
        self.closed += streams

    def _answer(self) -> None:
        if not self.there:
            raise Unavailable("HAProxy does not answer.", code="haproxy-away")
