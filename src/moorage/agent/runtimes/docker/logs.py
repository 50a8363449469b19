"""A container's log."""

from __future__ import annotations

from collections.abc import AsyncIterator

from moorage.agent.runtimes.docker.engine import Engine
from moorage.agent.runtimes.docker.streams import frames
from moorage.agent.runtimes.port import LogChunk


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
    """The log, one item per write of the container. `since`: seconds since the epoch."""
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
        async for chunk in frames(content.iter_any()):
            yield chunk


async def last_lines(engine: Engine, container: str, count: int = 20) -> str:
    """The last lines that a container wrote."""
    text = b"".join([chunk.data async for chunk in container_log(engine, container, tail=count)])
    return text.decode(errors="replace")
