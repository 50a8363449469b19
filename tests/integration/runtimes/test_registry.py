"""The registry of the tests itself."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest

from integration.runtimes.registry import EmptyRegistry


@pytest.fixture
def registry() -> Iterator[EmptyRegistry]:
    made = EmptyRegistry()
    yield made
    made.close()


def test_a_client_that_speaks_tls_is_told_in_http(registry: EmptyRegistry) -> None:
    """Engines know a registry without TLS by an answer that begins with a status line, and then
    speak plain HTTP; the client itself hears that it is no TLS."""
    host, _, port = registry.address.partition(":")
    context = ssl.create_default_context()
    hello = ssl.MemoryBIO()
    handshake = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="registry.test")
    with pytest.raises(ssl.SSLWantReadError):
        handshake.do_handshake()
    with socket.create_connection((host, int(port)), timeout=30) as plain:
        plain.sendall(hello.read())
        assert plain.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as plain:
        plain.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in plain.makefile("rb").readline()
