"""Why a server cannot be reached."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator

import pytest

from moorage.kernel import reaching
from moorage.kernel.reaching import why_unreachable

TIMEOUT = TimeoutError("timed out during opening handshake")


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """One that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port that is bound, and on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_a_name_that_does_not_resolve() -> None:
    """The name is said to be at fault, not the handshake that nobody could begin."""
    said = await why_unreachable("https://nowhere.invalid", TIMEOUT)
    assert said.startswith("the name nowhere.invalid does not resolve")


async def test_name_servers_that_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that never answers is told as that."""

    async def silent(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(reaching, "STEP_SECONDS", 0.05)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", silent)
    said = await why_unreachable("wss://dev.example.com", TIMEOUT)
    assert said == "the name dev.example.com does not resolve: no name server answers"


async def test_a_port_on_which_nobody_listens(nobody: int) -> None:
    """Host, port and the system's reason."""
    said = await why_unreachable(f"ws://127.0.0.1:{nobody}", TIMEOUT)
    assert said == f"127.0.0.1 takes no connection on port {nobody}: connection refused"


async def test_something_else_listens(listening: socket.socket) -> None:
    """What takes the connection and never answers is no Moorage server."""
    port = listening.getsockname()[1]
    said = await why_unreachable(f"http://127.0.0.1:{port}", TIMEOUT)
    assert f"port {port}" in said
    assert "does not answer like a Moorage server" in said


async def test_the_proxy_is_named(nobody: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy, it is the one whose name and port are looked at."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{nobody}")
    said = await why_unreachable("wss://dev.example.com", TIMEOUT)
    assert said.startswith(f"the proxy 127.0.0.1 takes no connection on port {nobody}")


async def test_what_says_its_reason_itself() -> None:
    """A certificate that is not trusted needs no search."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    assert "certificate verify failed" in await why_unreachable("https://nowhere.invalid", error)
