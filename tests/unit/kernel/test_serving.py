"""Serving HTTP with uvicorn."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from moorage.kernel.serving import HttpServer, encode_event
from moorage.kernel.sockets import bind

OPTIONS = {"lifespan": "off", "ws": "none", "timeout_graceful_shutdown": 1}
application = PlainTextResponse("served")


def listening(folder: Path) -> socket.socket:
    made = bind(folder / "s.sock", 0o600)
    made.listen()
    return made


async def answer(folder: Path) -> str:
    transport = httpx.AsyncHTTPTransport(uds=str(folder / "s.sock"))
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        return (await client.get("/")).text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it(tmp_path: Path, number: int):
    """It returns, and whoever waits for the end of serving knows."""
    closing = asyncio.Event()
    server = HttpServer(application, closing=closing, **OPTIONS)
    with listening(tmp_path) as there:
        serving = asyncio.create_task(server.serve(sockets=[there]))
        assert await answer(tmp_path) == "served"
        assert not closing.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(serving, 10)
    assert closing.is_set()


@pytest.mark.parametrize("signals", [1, 2])
async def test_it_serves_on_until_what_comes_before_the_end_is_done(tmp_path: Path, signals: int):
    """A second signal does not wait for it."""
    begun, done = asyncio.Event(), asyncio.Event()

    async def drain() -> None:
        begun.set()
        await done.wait()

    server = HttpServer(application, before_end=drain, **OPTIONS)
    with listening(tmp_path) as there:
        serving = asyncio.create_task(server.serve(sockets=[there]))
        assert await answer(tmp_path) == "served"
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(begun.wait(), 10)
        assert await answer(tmp_path) == "served"
        if signals == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            done.set()
        await asyncio.wait_for(serving, 10)
    done.set()


async def test_whoever_ends_it_from_inside_is_heard(tmp_path: Path):
    """By the event alone, without a signal."""
    closing = asyncio.Event()
    server = HttpServer(application, closing=closing, **OPTIONS)
    with listening(tmp_path) as there:
        serving = asyncio.create_task(server.serve(sockets=[there]))
        assert await answer(tmp_path) == "served"
        closing.set()
        await asyncio.wait_for(serving, 10)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("one", b"event: x\ndata: one\n\n"),
        ("a\nevent: y\n\nb", b"event: x\ndata: a\ndata: event: y\ndata: \ndata: b\n\n"),
        ("", b"event: x\ndata: \n\n"),
    ],
)
def test_text_is_data_whatever_is_in_it(text: str, event: bytes):
    """No line of it is taken for a field of the stream, or for its end."""
    assert encode_event("x", text) == event
