"""The codes that hand a sign-in over."""

from __future__ import annotations

import pytest

from moorage.gateway.codes import Codes
from moorage.gateway.zone import Wanted
from moorage.kernel.clock import FakeClock

WANTED = Wanted("80-workspace-1-1-aaaaaa.localhost", "/")


@pytest.mark.parametrize(
    ("wait", "host", "binding", "works"),
    [
        (29.9, WANTED.host, "b", True),
        (30.0, WANTED.host, "b", False),
        (0, "other", "b", False),
        (0, WANTED.host, "c", False),
    ],
)
def test_a_code_lives_30_seconds_for_one_browser_and_host(wait: float, host: str, binding: str, works: bool):
    """And it is used up by whoever presents it, right or wrong."""
    clock = FakeClock()
    codes = Codes(clock, 30.0)
    code = codes.issue("session-ana", WANTED, "b")
    clock.advance(wait)
    assert (codes.take(code, host, binding) is not None) is works
    assert codes.take(code, WANTED.host, "b") is None
