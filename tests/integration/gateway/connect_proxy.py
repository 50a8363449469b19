"""An egress proxy as organisations have them: CONNECT (RFC 9110, 9.3.6), for the hosts that it
knows."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path


class ConnectProxy:
    def __init__(self, places: Mapping[str, int | Path], user: str) -> None:
        self.asked: list[str] = []
        """Targets, `host:port`, of those who had the password."""
        self.url = ""
        self._places = places
        self._password = base64.b64encode(user.encode())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target = head.split(b" ", 2)[:2]
            place = self._places.get(target.decode())
            if b"basic " + self._password not in head.replace(b"Basic", b"basic"):
                writer.write(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
                )
            elif method != b"CONNECT" or place is None:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            else:
                self.asked.append(target.decode())
                there = (
                    await asyncio.open_unix_connection(str(place))
                    if isinstance(place, Path)
                    else await asyncio.open_connection("127.0.0.1", place)
                )
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))
            await writer.drain()


@contextlib.asynccontextmanager
async def connect_proxy(
    places: Mapping[str, int | Path], user: str = "moorage:se@cret"
) -> AsyncIterator[ConnectProxy]:
    """`places`: where `host:port` leads to, as a port of this machine or a Unix socket. `user`:
    name and password."""
    proxy = ConnectProxy(places, user)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.url = f"http://{user.replace('@', '%40')}@127.0.0.1:{port}"
    try:
        yield proxy
    finally:
        server.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
