"""The engine's log format, and a container's log as an iterator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import aiohttp

from moorage.agent.runtimes.docker.engine import Engine
from moorage.agent.runtimes.port import LogChunk

_HEADER = 8
_STDERR = 2


async def frames(content: aiohttp.StreamReader) -> AsyncIterator[LogChunk]:
    """Takes a multiplexed stream apart (Docker Engine API, "Stream format": kind, three zeroes, length, data)."""
    buffer = bytearray()
    async for data in content.iter_any():
        buffer += data
        while len(buffer) >= _HEADER:
            size = int.from_bytes(buffer[4:_HEADER], "big")
            if len(buffer) < _HEADER + size:
                break
            stream: Literal["stdout", "stderr"] = "stderr" if buffer[0] == _STDERR else "stdout"
            chunk = bytes(buffer[_HEADER : _HEADER + size])
            del buffer[: _HEADER + size]
            yield LogChunk(chunk, stream)


async def container_log(
    engine: Engine,
    container: str,
    *,
    follow: bool = False,
    tail: int | None = None,
    stdout: bool = True,
    stderr: bool = True,
    since: float | None = None,
    timestamps: bool = False,
) -> AsyncIterator[LogChunk]:
    """One item per write of the container. `since`: seconds since the epoch."""
    async with engine.stream(
        "GET",
        f"containers/{container}/logs",
        doing="reading a container's log",
        follow=follow,
        tail=tail,
        stdout=stdout,
        stderr=stderr,
        since=f"{since:.9f}" if since is not None else None,
        timestamps=timestamps,
    ) as content:
        async for chunk in frames(content):
            yield chunk


async def last_lines(engine: Engine, container: str, count: int = 20) -> str:
    """What a container wrote last."""
    text = b"".join([chunk.data async for chunk in container_log(engine, container, tail=count)])
    return text.decode(errors="replace")
