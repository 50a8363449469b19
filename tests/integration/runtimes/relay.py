"""An engine that goes and comes, without harm to the real one: a process that passes a socket's connections on.

As a program: `python relay.py <socket> <engine's socket>`.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self


class Relay:
    def __init__(self, path: Path, engine: str) -> None:
        self._path = path
        self._engine = engine
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, __file__, str(self._path), self._engine, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"

    async def close(self) -> None:
        """Whatever is open breaks off, and nothing listens any more."""
        if self._process is not None:
            self._process.kill()
            await self._process.communicate()
            self._process = None
        self._path.unlink(missing_ok=True)


async def serve(path: str, engine: str) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(engine)
        await asyncio.gather(pass_on(reader, engine_writer), pass_on(engine_reader, writer))

    server = await asyncio.start_unix_server(relay, path)
    print("ready", flush=True)  # noqa: T201 - for the parent process
    await server.serve_forever()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:3]))
