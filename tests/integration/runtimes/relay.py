"""An engine that goes and comes, without harm to the real one: a process that passes a socket's
connections on.

As a program: `python relay.py <socket> <engine's socket> [cut|mute <word>]`. The first request that
has the word in it gets no answer: its connection is closed (cut), or stays open in silence (mute).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Self


class Relay:
    def __init__(self, path: Path, engine: str, *fault: str) -> None:
        """`fault`: how the first of certain requests goes wrong."""
        self._fault = fault
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
            sys.executable,
            __file__,
            str(self._path),
            self._engine,
            *self._fault,
            stdout=asyncio.subprocess.PIPE,
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


async def serve(path: str, engine: str, fault: str = "", word: str = "") -> None:
    hit = False

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(engine)
        answers = asyncio.create_task(pass_on(engine_reader, writer))

        async def asked(data: bytes) -> None:
            nonlocal hit
            if not fault or hit or word.encode() not in data:
                return
            hit = True
            answers.cancel()
            if fault == "cut":
                writer.close()

        await pass_on(reader, engine_writer, asked)
        await asyncio.gather(answers, return_exceptions=True)

    server = await asyncio.start_unix_server(relay, path)
    print("ready", flush=True)  # noqa: T201 - for the parent process
    await server.serve_forever()


async def pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    seen: Callable[[bytes], Awaitable[None]] | None = None,
) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            if seen is not None:
                await seen(data)
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:5]))
