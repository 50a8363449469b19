"""Server-sent events (HTML standard, 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from pydantic import BaseModel
from starlette.responses import StreamingResponse

from moorage.server.state import ServerState

KEEP_ALIVE = 20.0
"""Seconds of silence after which a comment is sent, so that nothing in between takes the connection for dead."""


def stream(state: ServerState, name: str, items: AsyncIterator[BaseModel | str]) -> StreamingResponse:
    """An event `name` for each item: a model as JSON, text (a fragment of a page, for instance) as it is."""
    return StreamingResponse(
        _events(state, name, items),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    state: ServerState, name: str, items: AsyncIterator[BaseModel | str]
) -> AsyncIterator[bytes]:
    closing = asyncio.create_task(state.closing.wait(), name="server.events.closing")
    following: asyncio.Task[BaseModel | str] | None = None
    try:
        while not closing.done():
            following = following or asyncio.create_task(_next(items), name="server.events.next")
            done, _ = await asyncio.wait(
                {following, closing}, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED
            )
            if following in done:
                try:
                    item = following.result()
                except StopAsyncIteration:
                    return
                following = None
                yield encode(name, item)
            elif not done:
                yield b": still here\n\n"
    finally:
        closing.cancel()
        if following is not None:
            following.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await following
        if hasattr(items, "aclose"):
            await items.aclose()


async def _next(items: AsyncIterator[BaseModel | str]) -> BaseModel | str:
    return await anext(items)


def encode(name: str, item: BaseModel | str) -> bytes:
    text = item if isinstance(item, str) else item.model_dump_json()
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
