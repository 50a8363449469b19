"""Does an HTTP server answer? A few bytes over a bare connection: this runs 40 times a second while
an editor starts."""

from __future__ import annotations

import asyncio

FIRST_PAUSE = 0.025
"""Seconds between two tries, for as long as a usual start takes."""
QUICK_SECONDS = 4.0
MOST_PAUSE = 0.5
TRY_SECONDS = 2.0


async def wait(address: str, port: int, path: str, seconds: float) -> bool:
    """Whether it answers 200 within `seconds` seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    pause = FIRST_PAUSE
    while True:
        if await answers(address, port, path):
            return True
        elapsed = loop.time() - began
        if elapsed > seconds:
            return False
        if elapsed > QUICK_SECONDS:
            pause = min(MOST_PAUSE, pause * 1.5)
        await asyncio.sleep(pause)


async def answers(address: str, port: int, path: str) -> bool:
    """Whether `GET path` is answered with status 200 (RFC 9112, section 4)."""
    try:
        async with asyncio.timeout(TRY_SECONDS):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: {address}:{port}\r\nConnection: close\r\n\r\n".encode()
                )
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
    return status.split(b" ", 2)[1:2] == [b"200"]
