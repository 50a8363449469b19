"""One gateway per test, with what it stands between."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from integration.gateway.installation import (
    FakeServer,
    Gateway,
    Upstream,
    free_ports,
    new_home,
    remove,
    route,
    serving,
)
from integration.gateway.world import ANAS, ASLEEP, BOBS, World


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Ana's and Bob's workspaces run; another one of Ana's is stopped. Parametrise indirectly with settings."""
    settings = getattr(request, "param", {})
    home = new_home()
    gateway = Gateway(home, free_ports(), **settings)
    server = FakeServer(gateway.url, home.secret("gateway-token"))
    anas, bobs = Upstream("anas"), Upstream("bobs")
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(remove, home)
        with socket.socket() as probe:
            probe.bind(("0.0.0.0", 0))
            port = probe.getsockname()[1]
        await stack.enter_async_context(serving(anas.app, host="127.0.0.1", port=port))
        await stack.enter_async_context(serving(bobs.app, host="127.0.0.2", port=port))
        server.routes = {
            ANAS: route(ANAS, 1, "127.0.0.1"),
            BOBS: route(BOBS, 2, "127.0.0.2"),
            ASLEEP: route(ASLEEP, 1, ""),
        }
        found = World(gateway, server, port, anas, bobs, stack)
        stack.push_async_callback(found.stop_server)
        stack.callback(gateway.stop)
        await found.start_server()
        gateway.start("haproxy")
        gateway.start("controller")
        await gateway.until_ready()
        yield found
