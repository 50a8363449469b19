"""A gateway, a server and two workspaces, as one thing that tests hold."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import connect

from integration.gateway.installation import (
    ANA,
    BOB,
    FakeServer,
    Gateway,
    Upstream,
    browser,
    eventually,
    route,
    serving,
)
from moorage.contract import gateway as contract

ANAS = "workspace-1-1-aaaaaa"
BOBS = "workspace-1-2-bbbbbb"
ASLEEP = "workspace-1-1-ffffff"


def routes() -> dict[str, contract.Route]:
    """Where every test begins."""
    return {
        ANAS: route(ANAS, ANA, "127.0.0.1"),
        BOBS: route(BOBS, BOB, "127.0.0.2"),
        ASLEEP: route(ASLEEP, ANA, ""),
    }


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

    async def reset(self) -> None:
        """The server's table as it was, and nothing that was seen so far."""
        self.server.push(
            routes=tuple(routes().values()),
            removed_routes=tuple(self.server.routes.keys() - routes().keys()),
            removed_sessions=tuple(self.server.sessions),
            removed_grants=tuple(self.server.grants),
        )
        revision = float(self.server.revision)
        await eventually("the gateway knows", lambda: self.knows(revision))
        for seen in (
            self.anas.seen,
            self.bobs.seen,
            self.server.seen,
            self.server.started,
            self.server.ended,
            self.server.used,
        ):
            seen.clear()

    async def knows(self, revision: float) -> bool:
        return await self.gateway.metric("moorage_gateway_table_revision ") == revision

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
        client.cookies.set("moorage", str(user), domain="moorage.localhost")
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

    def websocket(self, url: str, cookie: str, **headers: str) -> connect:
        """Opens one, as a browser on that page does."""
        parts = urlsplit(url)
        context = None
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return connect(
            f"{'wss' if context else 'ws'}://{parts.netloc}{parts.path}",
            host="127.0.0.1",
            port=self.gateway.port,
            ssl=context,
            origin=f"{parts.scheme}://{parts.netloc}",
            additional_headers={"Cookie": cookie, **headers},
            proxy=None,
        )

    def at(self, workspace: str = ANAS, path: str = "/", port: int = 0) -> str:
        return self.gateway.at(workspace, port or self.port, path)

    async def raw(
        self, host: str, headers: dict[str, str], path: str = "/", method: str = "GET"
    ) -> tuple[int, list[tuple[str, str]]]:
        """Status and headers of the answer to one request with just these headers, on a connection
        of its own."""

        def ask() -> tuple[int, list[tuple[str, str]]]:
            connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=10)
            try:
                connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
                for name, value in {"Host": f"{host}:{self.gateway.port}", **headers}.items():
                    connection.putheader(name, value)
                if method == "POST":
                    connection.putheader("Content-Length", "0")
                connection.endheaders()
                answer = connection.getresponse()
                return answer.status, answer.getheaders()
            finally:
                connection.close()

        return await asyncio.to_thread(ask)
