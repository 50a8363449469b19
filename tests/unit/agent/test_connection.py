"""Where the agent finds its server."""

from __future__ import annotations

import pytest

from moorage.agent.connection import websocket_url
from moorage.contract import agent as contract
from moorage.kernel.errors import Misconfigured


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("https://moorage.example.com/", "wss://moorage.example.com"),
        ("http://[::1]:8080", "ws://[::1]:8080"),
        ("wss://x/below", "wss://x/below"),
    ],
)
def test_the_websocket_of_a_server(server: str, url: str) -> None:
    """Its origin, and the path below which it may lie."""
    assert websocket_url(server) == f"{url}{contract.PATH}"


@pytest.mark.parametrize(
    "server", ["", "x", "ftp://x", "http://", "http://[x", "http://x:port", "http://x:0"]
)
def test_what_is_no_server(server: str) -> None:
    """The setting is named, and what it takes."""
    with pytest.raises(Misconfigured, match=r"under \[agent\]"):
        websocket_url(server)
