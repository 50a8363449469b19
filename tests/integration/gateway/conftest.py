"""A gateway with what it stands between."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from integration.gateway.installation import (
    FakeServer,
    Gateway,
    Upstream,
    new_home,
    remove,
    serving,
)
from integration.gateway.world import World, routes
from ports import free_port, free_ports


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[World]:
    async with new_world() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared: World) -> AsyncIterator[World]:
    """Ana's and Bob's workspaces run; another one of Ana's is stopped. One gateway for all tests of
    a module; after each, nobody is signed in and no grant is left."""
    yield shared
    await shared.reset()


@pytest_asyncio.fixture
async def own_world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The same, for a test alone, which may stop and kill. Parametrise indirectly with settings of
    the gateway."""
    async with new_world(**getattr(request, "param", {})) as found:
        yield found


@contextlib.asynccontextmanager
async def new_world(*, start: bool = True, **settings: Any) -> AsyncIterator[World]:
    """Without `start`, only the workspaces run."""
    home = new_home()
    gateway = Gateway(home, free_ports(2), **settings)
    server = FakeServer(gateway.url, home.secret("gateway-token"))
    anas, bobs = Upstream("anas"), Upstream("bobs")
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(remove, home)
        port = free_port()
        await stack.enter_async_context(serving(anas.app, host="127.0.0.1", port=port))
        await stack.enter_async_context(serving(bobs.app, host="127.0.0.2", port=port))
        server.routes = routes()
        found = World(gateway, server, port, anas, bobs, stack)
        stack.push_async_callback(found.stop_server)
        stack.callback(gateway.stop)
        if start:
            await found.start_server()
            gateway.start("haproxy")
            gateway.start("controller")
            await gateway.until_ready()
        yield found
