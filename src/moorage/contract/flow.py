"""Flow control of a channel: who sends has so many bytes under way at most, and waits for
credit."""

from __future__ import annotations

import asyncio

WINDOW = 256 * 1024
"""Bytes that may be under way on a channel, each way: `ChannelCredit` opens the window for output
again, `ChannelTaken` for input."""


class CreditWindow:
    """The bytes that may still be sent before the other side has read some."""

    def __init__(self, size: int = WINDOW) -> None:
        self._size = size
        self._left = size
        self._opened = asyncio.Event()

    async def spend(self, count: int) -> None:
        """Waits while the window is closed. A message that is larger than what is left goes
        whole."""
        await self._until_open()
        self._left -= count

    async def take(self, most: int) -> int:
        """Waits while the window is closed. How many bytes may be sent now: `most`, or what is
        left."""
        await self._until_open()
        count = min(most, self._left)
        self._left -= count
        return count

    def open(self, count: int) -> None:
        """The other side has read so many bytes. It never gives more than the whole window."""
        self._left = min(self._size, self._left + count)
        self._opened.set()

    async def _until_open(self) -> None:
        while self._left <= 0:
            self._opened.clear()
            await self._opened.wait()
