"""An engine that goes and comes, without harm to the real one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self


class Relay:
    """A socket that passes everything on to the engine's, and can cut what is open: an engine that goes and comes."""

    def __init__(self, path: Path, engine: str) -> None:
        self._path = path
        self._engine = engine
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def close(self) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    def cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(self._engine)
        both = {writer, engine_writer}
        self._open |= both
        await asyncio.gather(_pass_on(reader, engine_writer), _pass_on(engine_reader, writer))
        self._open -= both


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
