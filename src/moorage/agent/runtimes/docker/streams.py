"""The engine's stream formats, and a connection that it gives away to a command's standard streams.

Docker Engine API, "Attach to a container": the request asks for an upgrade, and after the head of
the answer both sides write bytes as they like. aiohttp hands such a connection out by private names
only; asyncio's own streams need none.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal

from moorage.agent.runtimes.docker.access import Access
from moorage.agent.runtimes.port import LogChunk

CONNECT_SECONDS = 10.0
_HEADER = 8
_STDERR = 2
_PIECE = 1 << 16
_MOST_WORDS = 1 << 16
"""Bytes that are read of a refusal."""


class Refused(Exception):
    """The engine gave the connection away to nobody: `status` as in HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} ({status})")
        self.status = status
        self.message = message


async def frames(pieces: AsyncIterator[bytes]) -> AsyncIterator[LogChunk]:
    """Takes a multiplexed stream apart.

    Docker Engine API, "Stream format": kind, three zeroes, length, data.
    """
    buffer = bytearray()
    async for data in pieces:
        buffer += data
        while len(buffer) >= _HEADER:
            size = int.from_bytes(buffer[4:_HEADER], "big")
            if len(buffer) < _HEADER + size:
                break
            stream: Literal["stdout", "stderr"] = "stderr" if buffer[0] == _STDERR else "stdout"
            chunk = bytes(buffer[_HEADER : _HEADER + size])
            del buffer[: _HEADER + size]
            yield LogChunk(chunk, stream)


class Attached:
    """The standard streams of a command that runs. Whoever opens it abandons it in the end."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, tty: bool
    ) -> None:
        """`tty`: what comes is one stream, and not multiplexed."""
        self._reader = reader
        self._writer = writer
        self._tty = tty

    async def output(self) -> AsyncIterator[LogChunk]:
        """The command's output, until its end. Not reading makes it wait."""
        if self._tty:
            async for data in self._pieces():
                yield LogChunk(data)
        else:
            async for chunk in frames(self._pieces()):
                yield chunk

    async def write(self, data: bytes) -> None:
        """Waits while the command does not read. Raises `OSError` when it has ended."""
        self._writer.write(data)
        await self._writer.drain()

    def end_input(self) -> None:
        if not self._writer.transport.is_closing() and self._writer.can_write_eof():
            self._writer.write_eof()

    def abandon(self) -> None:
        """Closes the connection at once, whatever still waits to be sent."""
        self._writer.transport.abort()

    async def _pieces(self) -> AsyncIterator[bytes]:
        # A command that left input unread may end with a reset instead of an end of the stream.
        with suppress(ConnectionError):
            while data := await self._reader.read(_PIECE):
                yield data


async def attach(access: Access, path: str, body: bytes, *, tty: bool) -> Attached:
    """Posts `body` (JSON) to `path`, and takes over the connection.

    Raises `Refused`, and `OSError` or `EOFError` when the engine does not answer.
    """
    async with asyncio.timeout(CONNECT_SECONDS):
        reader, writer = await _connect(access)
    attached = Attached(reader, writer, tty=tty)
    try:
        await attached.write(_head_of_request(access, path, len(body)) + body)
        status, headers = await _head_of_answer(reader)
        refusal = await _words(reader, headers) if status >= 400 else ""
    except BaseException:
        attached.abandon()
        raise
    if status >= 400:
        attached.abandon()
        raise Refused(status, refusal)
    return attached


class _EndWins(asyncio.StreamReaderProtocol):
    """Cuts the connection when the engine's side of it ends.

    By itself asyncio closes such a connection only after everything has been sent that waits to be.
    An engine whose command has ended reads no more: with input still waiting, whoever writes would
    wait for ever.
    """

    _transport_made: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transport_made = transport

    def eof_received(self) -> bool | None:
        super().eof_received()
        if isinstance(self._transport_made, asyncio.Transport):
            self._transport_made.abort()
        return False


async def _connect(access: Access) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = _EndWins(reader, loop=loop)
    transport: asyncio.WriteTransport
    if access.socket:
        transport, _ = await loop.create_unix_connection(lambda: protocol, access.socket)
    else:
        transport, _ = await loop.create_connection(
            lambda: protocol, access.host, access.port, ssl=access.tls
        )
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _head_of_request(access: Access, path: str, length: int) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {access.host}",
        "Connection: Upgrade",
        "Upgrade: tcp",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _head_of_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers, their names in lower case."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise ConnectionError("the engine's answer has no end to its head") from error
    first, *lines = head.decode("latin-1").splitlines()
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise ConnectionError(f"the engine does not answer in HTTP: {first[:100]!r}")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _words(reader: asyncio.StreamReader, headers: dict[str, str]) -> str:
    """The message of a refusal."""
    length = headers.get("content-length", "")
    if length.isdigit():
        text = await reader.readexactly(min(int(length), _MOST_WORDS))
    else:  # in chunks, the first of which holds all that an engine has to say
        text = await reader.read(_MOST_WORDS)
        text = text[text.find(b"{") : text.rfind(b"}") + 1] or text
    return message_of(text)


def message_of(body: bytes) -> str:
    """The message of a refusal: `message` of its JSON, or its text."""
    with suppress(ValueError):
        document = json.loads(body)
        if isinstance(document, dict) and isinstance(document.get("message"), str):
            return str(document["message"])
    return body.decode(errors="replace").strip()
