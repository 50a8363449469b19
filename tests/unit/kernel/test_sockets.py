"""Addresses that processes listen on."""

from __future__ import annotations

import pytest

from moorage.kernel.sockets import format_address, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000),
        ("[::1]:80", "::1", 80),
        ("*:8082", "*", 8082),
        ("example.com:65535", "example.com", 65535),
        (":8000", "", 8000),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int):
    """An IPv6 host stands in brackets where a port follows, and nowhere else."""
    assert parse_address(text) == (host, port)
    assert format_address(host, port) == text


@pytest.mark.parametrize(
    "text", ["", "8000", "host", "host:", "host:x", "host:65536", "host:-1", "host:١"]
)
def test_what_is_no_address_is_refused(text: str):
    """A port is a number of ASCII digits up to 65535."""
    with pytest.raises(ValueError, match="is not host:port"):
        parse_address(text)
