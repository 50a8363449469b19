"""A name server (RFC 1035) of a few names, whose addresses may change: UDP, class IN, type A."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from typing import cast


class NameServer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        """Name, without the dot at its end → IPv4 address. What is not here does not exist."""
        self.asked: set[str] = set()
        self._transport: asyncio.DatagramTransport | None = None

    async def listen(self, address: str) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(address, 53))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(self._answer(data), addr)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode().lower())
            at += 1 + length
        question, kind = query[12 : at + 5], struct.unpack("!H", query[at + 1 : at + 3])[0]
        name = ".".join(labels)
        self.asked.add(name)
        found = self.names.get(name)
        records = b""
        if found and kind == 1:
            records = (
                b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + ipaddress.IPv4Address(found).packed
            )
        flags = 0x8580 | (0 if found else 3)
        return (
            query[:2]
            + struct.pack("!HHHHH", flags, 1, 1 if records else 0, 0, 0)
            + question
            + records
        )
