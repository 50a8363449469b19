"""HAProxy's configuration: what is computed for it."""

from __future__ import annotations

import re

import pytest

from moorage.gateway.haproxy.configuration import Surroundings, render
from moorage.gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("wanted", "open_files", "browsers"),
    [(8192, 1 << 20, 8192), (8192, 1024, 348), (100, 1024, 100), (8192, 100, 16)],
)
def test_browsers_leave_room_for_probes(wanted: int, open_files: int, browsers: int):
    """In all, HAProxy takes more than the browsers' part; each connection has two ends, which open files allow for."""
    around = Surroundings(key="k", server=None, open_files=open_files)
    text = render(GatewaySettings(connections=wanted), around)
    most = [int(found) for found in re.findall(r"^  maxconn (\d+)$", text, re.MULTILINE)]
    assert most == [browsers + 64, browsers, 64]
    assert open_files < 200 or sum(most[1:]) * 2 <= open_files - 200
