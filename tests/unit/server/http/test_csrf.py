"""Which requests are taken for a foreign page's."""

from __future__ import annotations

import pytest

from moorage.server.http import csrf

OWN = "http://localhost:8080"


@pytest.mark.parametrize(
    ("method", "websocket", "authorization", "origin", "refused"),
    [
        ("GET", False, False, None, False),
        ("GET", False, False, "http://evil", False),
        ("HEAD", False, False, "http://evil", False),
        ("POST", False, False, OWN, False),
        ("POST", False, False, None, True),
        ("POST", False, False, "null", True),
        ("DELETE", False, False, "http://x.localhost:8080", True),
        ("POST", False, True, None, False),
        ("POST", False, True, "http://evil", False),
        ("GET", True, False, OWN, False),
        ("GET", True, False, None, True),
        ("GET", True, False, "http://x.localhost:8080", True),
        ("GET", True, True, None, False),
    ],
)
def test_foreign_requests(
    method: str, websocket: bool, authorization: bool, origin: str | None, refused: bool
) -> None:
    """Unsafe methods and WebSockets need the server's own origin, unless they carry a token."""
    reason = csrf.refusal(
        method=method, websocket=websocket, authorization=authorization, origin=origin, own=OWN
    )
    assert bool(reason) is refused
