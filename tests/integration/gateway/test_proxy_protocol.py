"""The PROXY protocol, by which a balancer that is a proxy says who its browser is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.gateway.certificates import Authority
from integration.gateway.conftest import new_world
from integration.gateway.installation import ANA, BOB, eventually
from integration.gateway.world import ANAS, BOBS, World

pytestmark = pytest.mark.haproxy

BROWSER = "203.0.113.7"
BALANCER = "127.0.0.2"
"""An address that tests connect from."""
FROM_BALANCER = {"proxy_protocol": True, "proxy_protocol_from": [f"{BALANCER}/32"]}


def version_1(port: int = 40000) -> bytes:
    return f"PROXY TCP4 {BROWSER} 198.51.100.1 {port} 443\r\n".encode()


def version_2(port: int = 40000) -> bytes:
    addresses = (
        socket.inet_aton(BROWSER) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", port, 443)
    )
    return (
        b"\r\n\r\n\0\r\nQUIT\n"
        + bytes([0x21, 0x11])
        + struct.pack("!H", len(addresses))
        + addresses
    )


@contextlib.contextmanager
def connected(world: World, header: bytes, source: str = BALANCER) -> Iterator[socket.socket]:
    """As a balancer at `source` connects, with TLS after the header where there is a
    certificate."""
    address = ("127.0.0.1", world.gateway.port)
    with socket.create_connection(address, timeout=5, source_address=(source, 0)) as plain:
        plain.sendall(header)
        if world.gateway.scheme == "http":
            yield plain
            return
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as secure:
            yield secure


def get(world: World, host: str, **headers: str) -> bytes:
    fields = {"Host": f"{host}:{world.gateway.port}", "Connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join(
        ["GET /ws HTTP/1.1" if "Upgrade" in fields else "GET /x HTTP/1.1", *lines, "", ""]
    ).encode()


async def answer(world: World, header: bytes, request: bytes, source: str = BALANCER) -> bytes:
    """All that comes back; b"" when the connection is closed without a word."""

    def ask() -> bytes:
        found = b""
        with contextlib.suppress(ConnectionError), connected(world, header, source) as connection:
            connection.sendall(request)
            while piece := connection.recv(65536):
                found += piece
        return found

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize("tls", [False, True])
async def test_the_address_is_the_one_that_the_balancer_says(tls: bool, tmp_path: Path):
    """In either version of the header, before TLS or plain HTTP; a connection without it is
    closed."""
    settings: dict[str, Any] = {"proxy_protocol": True}
    if tls:
        chain, key = Authority(tmp_path / "ca").issue("moorage.localhost", "*.moorage.localhost")
        combined = tmp_path / "zone.pem"
        combined.write_text(chain.read_text() + key.read_text())
        settings["tls_certificate"] = str(combined)
    async with new_world(**settings) as world:
        for header in (version_1(), version_2()):
            world.server.seen.clear()
            assert b" 200 OK" in await answer(world, header, get(world, "moorage.localhost"))
            assert world.server.seen[-1]["x-forwarded-for"] == BROWSER
        if not tls:
            assert await answer(world, b"", get(world, "moorage.localhost")) == b""


@pytest.mark.parametrize("own_world", [FROM_BALANCER], indirect=True)
async def test_only_from_where_the_balancer_is(own_world: World):
    """Who connects from elsewhere comes without a header, and cannot claim an address; workspaces,
    too, are told the right one."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    assert world.anas.seen[-1]["x-forwarded-for"] == "127.0.0.1"
    host = world.gateway.host(ANAS, world.port)
    request = get(world, host, Cookie=world.cookie(ana, host))
    assert b" 200 OK" in await answer(world, version_1(), request)
    assert world.anas.seen[-1]["x-forwarded-for"] == BROWSER
    assert b" 400 Bad" in await answer(world, version_1(), request, source="127.0.0.1")
    assert await answer(world, b"", request) == b""


@pytest.mark.parametrize("own_world", [FROM_BALANCER], indirect=True)
async def test_access_that_ends_closes_what_came_through_a_balancer(own_world: World):
    """And nothing else: connections are told apart even when a balancer says the same address and
    port of both."""
    world = own_world
    opened: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for user, place in ((ANA, ANAS), (BOB, BOBS)):
            person = await world.signed_in(user, world.at(place))
            host = world.gateway.host(place, world.port)
            request = get(
                world,
                host,
                Cookie=world.cookie(person, host),
                Connection="Upgrade",
                Upgrade="websocket",
                Sec_WebSocket_Version="13",
                Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==",
            )
            connection = stack.enter_context(connected(world, version_1()))
            connection.sendall(request)
            assert b" 101 " in await asyncio.to_thread(connection.recv, 4096)
            connection.setblocking(False)
            opened.append(connection)
        anas, bobs = opened
        over = [session.id for session in world.server.sessions.values() if session.user == ANA]
        world.server.push(removed_sessions=tuple(over))
        await eventually("Ana's is closed", lambda: closed(anas), within=3)
        await asyncio.sleep(0.5)
        assert not closed(bobs)


def closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True


async def test_without_the_setting_it_is_no_request(own_world: World):
    """Nobody gets to claim an address."""
    assert b" 400 Bad" in await answer(own_world, version_1(), get(own_world, "moorage.localhost"))
    assert own_world.server.seen == []
