"""What the postStart commands of one run write, for whoever asks while they run, and after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from moorage.agent.runtimes.port import LogChunk

KEPT = 64 * 1024
"""Bytes; files in the workspace have the rest."""
LEFT_OUT = b"[What was written before is in /projects/.moorage/steps.]\n"


class Output:
    """Its newest bytes. Readers that are slower than the commands miss what is between."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._begin = 0
        """Bytes that were written before those."""
        self._ended = False
        self._news = asyncio.Event()

    def add(self, data: bytes) -> None:
        self._kept += data
        if (over := len(self._kept) - KEPT) > 0:
            del self._kept[:over]
            self._begin += over
        self._tell()

    def say(self, line: str) -> None:
        """A line of ours, which begins on a line of its own."""
        fresh = b"" if not self._kept or self._kept.endswith(b"\n") else b"\n"
        self.add(fresh + line.encode() + b"\n")

    def end(self) -> None:
        self._ended = True
        self._tell()

    async def read(self, *, follow: bool, tail: int | None) -> AsyncIterator[LogChunk]:
        """As `Runtime.logs`; who follows is done when all commands are."""
        at = self._begin + self._from(tail)
        if at == self._begin > 0:
            yield LogChunk(LEFT_OUT)
        while True:
            news = self._news
            if at < self._begin:
                yield LogChunk(LEFT_OUT)
                at = self._begin
            if data := bytes(self._kept[at - self._begin :]):
                at += len(data)
                yield LogChunk(data)
            elif self._ended or not follow:
                return
            else:
                await news.wait()

    def _from(self, tail: int | None) -> int:
        """Where the last `tail` lines begin in what is kept."""
        if tail is None:
            return 0
        lines = bytes(self._kept).splitlines(keepends=True)
        return len(self._kept) - sum(len(line) for line in lines[len(lines) - tail :][:tail])

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
