"""Where a server finds itself."""

from __future__ import annotations

import pytest

from moorage.server.main import own_url


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("[::]:8000", "http://[::1]:8000"),
        (":8000", "http://127.0.0.1:8000"),
        ("*:8000", "http://127.0.0.1:8000"),
        ("10.0.0.7:80", "http://10.0.0.7:80"),
    ],
)
def test_where_a_server_finds_itself(listen: str, url: str) -> None:
    """Whoever is on the same machine reaches a server that listens everywhere by the loopback
    address."""
    assert own_url(listen) == url
