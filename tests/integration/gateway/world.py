"""A gateway, a server and two workspaces, as one thing that tests hold."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import httpx

from integration.gateway.installation import ANA, FakeServer, Gateway, Upstream, browser, serving

ANAS = "workspace-1-1-aaaaaa"
BOBS = "workspace-1-2-bbbbbb"
ASLEEP = "workspace-1-1-ffffff"


@dataclass
class World:
    gateway: Gateway
    server: FakeServer
    port: int
    """That upstreams listen on, at 127.0.0.1 (Ana's) and 127.0.0.2 (Bob's)."""
    anas: Upstream
    bobs: Upstream
    stack: contextlib.AsyncExitStack
    running_server: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start_server(self) -> None:
        path = self.gateway.home.socket("server")
        path.unlink(missing_ok=True)
        await self.running_server.enter_async_context(serving(self.server.app, uds=str(path)))

    async def stop_server(self) -> None:
        await self.running_server.aclose()
        self.gateway.home.socket("server").unlink(missing_ok=True)

    async def person(self, user: int = ANA) -> httpx.AsyncClient:
        """A browser that is signed in at the server, and nowhere else yet."""
        client = await self.stack.enter_async_context(browser())
        client.cookies.set("moorage", str(user), domain="localhost.local")
        return client

    async def signed_in(self, user: int = ANA, *places: str) -> httpx.AsyncClient:
        """A browser with the cookies of these URLs' hosts."""
        client = await self.person(user)
        for url in places:
            await client.get(url)
        return client

    def cookie(self, client: httpx.AsyncClient, host: str, name: str = "moorage_session") -> str:
        values = [c.value for c in client.cookies.jar if c.domain == host and c.name == name]
        assert values, f"no cookie {name} for {host}"
        return f"{name}={values[0]}"

    def at(self, workspace: str = ANAS, path: str = "/", port: int = 0) -> str:
        return self.gateway.at(workspace, port or self.port, path)
