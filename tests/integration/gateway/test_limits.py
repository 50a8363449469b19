"""Browsers that say nothing, or stop in the middle: they hold nobody else up for long, and nobody
who only waits is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from integration.gateway.certificates import Authority
from integration.gateway.conftest import new_world
from integration.gateway.installation import ANA, Gateway, eventually
from integration.gateway.world import ANAS, World

pytestmark = pytest.mark.haproxy

CONNECTIONS = 16
"""The fewest that a gateway takes."""
PATIENCE = 2.0
"""`client_timeout_seconds` here."""


@contextlib.asynccontextmanager
async def tight_world(
    tmp_path: Path, *, tls: bool, patience: float = PATIENCE
) -> AsyncIterator[World]:
    settings = {"connections": CONNECTIONS, "client_timeout_seconds": patience}
    if tls:
        chain, key = Authority(tmp_path / "ca").issue("moorage.localhost", "*.moorage.localhost")
        combined = tmp_path / "zone.pem"
        combined.write_text(chain.read_text() + key.read_text())
        settings["tls_certificate"] = str(combined)
    async with new_world(**settings) as found:
        yield found


@contextlib.contextmanager
def silent(gateway: Gateway, count: int) -> Iterator[list[socket.socket]]:
    """Connections over which nothing is ever said."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=5))
            for _ in range(count)
        ]


def is_closed(connection: socket.socket) -> bool:
    """By the other side. What has been sent meanwhile (408) is read, and does not count."""
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


async def test_silent_connections_leave_room_for_probes_and_are_closed_soon(tmp_path: Path):
    """As many of them as the gateway takes, before a TLS handshake: whoever asks whether HAProxy
    lives gets an answer, and after `client_timeout_seconds` there is room again."""
    patience = 6.0
    async with (
        tight_world(tmp_path, tls=True, patience=patience) as world,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{world.gateway.port + 1}", timeout=2
        ) as probe,
    ):

        async def full() -> bool:
            line = 'haproxy_frontend_current_sessions{proxy="web"}'
            text = (await probe.get("/metrics/haproxy")).text
            now = next(
                float(entry.split()[1]) for entry in text.splitlines() if entry.startswith(line)
            )
            return now >= CONNECTIONS

        began = time.monotonic()
        with silent(world.gateway, CONNECTIONS + 4) as waiting:
            await eventually("it is full", full, within=patience)
            for path in ("/healthz", "/healthz/gateway"):
                answer = await probe.get(path, headers={"Connection": "close"})
                assert answer.status_code == 200
            assert await full()
            inside = waiting[:CONNECTIONS]
            await eventually(
                "they are closed", lambda: all(map(is_closed, inside)), within=patience + 3
            )
            assert time.monotonic() - began >= patience - 0.5
        ana = await world.person(ANA)
        assert (await ana.get(world.at())).json()["upstream"] == "anas"


async def test_a_body_that_stops_in_the_middle_is_cut_off(tmp_path: Path):
    """At paths that need no session, too. One that only comes slowly arrives."""
    async with tight_world(tmp_path, tls=False) as world:
        with contextlib.ExitStack() as stack:

            def post(path: str) -> socket.socket:
                connection = stack.enter_context(
                    socket.create_connection(("127.0.0.1", world.gateway.port))
                )
                host = f"moorage.localhost:{world.gateway.port}"
                head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 20\r\n\r\nx"
                connection.sendall(head.encode())
                return connection

            begun = [post("/api/v1/workspaces"), post("/auth/sign-out")]
            slow = post("/api/v1/slowly")
            for _ in range(19):
                await asyncio.sleep(PATIENCE / 8)
                slow.sendall(b"x")
            assert all(map(is_closed, begun))
            slow.settimeout(5)
            answer = await asyncio.to_thread(slow.recv, 4096)
            assert b" 200 OK" in answer, answer
            assert world.server.seen[-1]["content-length"] == "20"


async def test_who_waits_for_a_server_is_not_cut_off(tmp_path: Path):
    """A stream over which nothing comes (events, logs that are followed), an answer that takes
    long, and a quiet WebSocket: all of them outlive `client_timeout_seconds`, with and without
    TLS."""
    for tls in (False, True):
        async with tight_world(tmp_path / str(tls), tls=tls, patience=0.5) as world:
            ana = await world.signed_in(ANA, world.at())
            name = "__Host-moorage_session" if tls else "moorage_session"
            cookie = world.cookie(ana, world.gateway.host(ANAS, world.port), name)
            quiet = [world.at(path="/stream"), f"{world.gateway.url}/stream"]
            async with contextlib.AsyncExitStack() as stack:
                answers = [await stack.enter_async_context(ana.stream("GET", url)) for url in quiet]
                pieces = [answer.aiter_text() for answer in answers]
                for piece in pieces:
                    assert await anext(piece) == "data: first\n\n"
                slow = asyncio.create_task(ana.get(world.at(path="/slow?seconds=3")))
                posted = asyncio.create_task(
                    ana.post(world.at(path="/slow?seconds=3"), content=b"x" * 100_000)
                )
                ws = await stack.enter_async_context(world.websocket(world.at(path="/ws"), cookie))
                await asyncio.sleep(3)
                await ws.send("x")
                assert await ws.recv() == "echo x"
                for answer in (await slow, await posted):
                    assert answer.json()["path"] == "/slow?seconds=3"
                for piece in pieces:
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await anext(piece)
