"""A HAProxy that is to end."""

from __future__ import annotations

import pytest

from moorage.gateway.haproxy.drain import is_ending


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        ("0x55d35258c460 ending\n\n", True),
        ("0x55d35258c460 ending\n0x55d35258c4e0 closed\n\n", True),
        ("\n", False),
        ("Unknown ACL identifier. Please use #<id> or <file>.\n", False),
    ],
)
def test_a_haproxy_that_is_about_to_end_is_known(answer: str, ending: bool):
    """By the stages that it has reached."""
    assert is_ending(answer) is ending
