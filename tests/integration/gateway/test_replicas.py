"""Two gateways with one key before one server, behind something that sends each request to another
one of them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect

from integration.gateway.conftest import new_world
from integration.gateway.installation import (
    ANA,
    BOB,
    Gateway,
    browser,
    eventually,
    new_home,
    remove,
)
from integration.gateway.world import ANAS, World
from moorage.kernel.home import write_private
from ports import free_ports

pytestmark = pytest.mark.haproxy

PUBLIC = 20999
PROGRAM = {"Accept": "*/*"}


class Alternating(httpx.AsyncHTTPTransport):
    """A load balancer: each request goes to the next of these ports. It opens `PUBLIC` nowhere."""

    def __init__(self, ports: list[int]) -> None:
        super().__init__()
        self._ports = itertools.cycle(ports)
        self.went: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        port = next(self._ports)
        self.went.append(port)
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host="127.0.0.1", port=port),
            headers=request.headers,
            stream=request.stream,
        )
        return await super().handle_async_request(sent)


class Replicas:
    def __init__(self, world: World, second: Gateway) -> None:
        self.world = world
        self.gateways = [world.gateway, second]

    def person(self, user: int = ANA, first: int = 0) -> httpx.AsyncClient:
        ports = [gateway.port for gateway in self.gateways]
        client = browser()
        client._transport = Alternating(ports[first:] + ports[:first])
        client.cookies.set("moorage", str(user), domain="moorage.localhost")
        return client

    def at(self, path: str = "/", port: int = 0) -> str:
        return f"http://{port or self.world.port}-{ANAS}.moorage.localhost:{PUBLIC}{path}"

    def websocket(self, replica: int, cookie: str) -> connect:
        return connect(
            f"ws://{urlsplit(self.at()).netloc}/ws",
            host="127.0.0.1",
            port=self.gateways[replica].port,
            origin=self.at()[:-1],
            additional_headers={"Cookie": cookie},
            proxy=None,
        )

    async def passes(self, replica: int, cookie: str) -> bool:
        url = f"http://127.0.0.1:{self.gateways[replica].port}/"
        headers = {"Host": urlsplit(self.at()).netloc, "Cookie": cookie, **PROGRAM}
        async with httpx.AsyncClient() as client:
            return (await client.get(url, headers=headers)).status_code == 200


@pytest.fixture
async def replicas() -> AsyncIterator[Replicas]:
    async with new_world(public_port=PUBLIC) as world:
        world.server.zone_url = f"http://moorage.localhost:{PUBLIC}"
        world.gateway.kill("controller")  # it has heard another zone's address
        world.gateway.start("controller")
        home = new_home()
        second = Gateway(
            home,
            free_ports(2),
            public_port=PUBLIC,
            server=f"unix:{world.gateway.home.socket('server')}",
        )
        for name in ("gateway-key", "gateway-token"):
            write_private(home.secret_file(name), world.gateway.home.secret_file(name).read_text())
        with contextlib.ExitStack() as stack:
            stack.callback(remove, home)
            stack.callback(second.stop)
            second.start("haproxy")
            second.start("controller")
            for gateway in (world.gateway, second):
                await gateway.until_ready()
            yield Replicas(world, second)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("told", [True, False])
async def test_a_sign_in_that_goes_to_another_replica_at_each_request(
    replicas: Replicas, first: int, told: bool
):
    """Wherever it begins, and though the server tells no replica of the session in time: each
    hand-over is understood by the other, and the session known there at once."""
    replicas.world.server.push_sessions = told
    async with replicas.person(first=first) as ana:
        answer = await ana.get(replicas.at("/x"))
        assert answer.json()["path"] == "/x"
        assert len(replicas.world.server.sessions) == 1
        transport = ana._transport
        assert isinstance(transport, Alternating)
        assert len(transport.went) == len(answer.history) + 1 == 6
        assert len(set(transport.went)) == 2
        if told:
            for _ in range(4):
                assert (await ana.get(replicas.at("/y"), headers=PROGRAM)).json()["path"] == "/y"


@pytest.mark.parametrize("presenter", ["another browser", "another host"])
async def test_a_code_is_bound_at_every_replica(replicas: Replicas, presenter: str):
    """At the replica that did not give it, too: another browser or another host gets nothing for
    it, and no replica takes it twice."""
    async with replicas.person() as ana, replicas.person(BOB) as bob:
        url = replicas.at()
        while urlsplit(url).path != "/.moorage/callback":
            answer = await ana.get(url, follow_redirects=False)
            url = str(answer.url.join(answer.headers["location"]))
        host = f"{replicas.world.port}-{ANAS}.moorage.localhost"
        binding = replicas.world.cookie(ana, host, "moorage_binding")
        if presenter == "another browser":
            refused = [await bob.get(url, follow_redirects=False) for _ in range(2)]
        else:
            await ana.get(replicas.at(port=8080), follow_redirects=False)
            other = str(httpx.URL(url).copy_with(host=f"8080-{ANAS}.moorage.localhost"))
            refused = [await ana.get(other, follow_redirects=False) for _ in range(2)]
        for answer in refused:
            assert answer.status_code == 400
            assert "moorage_session" not in answer.headers.get("set-cookie", "")
        for _ in range(2):
            again = await ana.get(url, headers={"Cookie": binding}, follow_redirects=False)
            assert again.status_code == 400, "each replica has seen it once"


async def test_a_session_that_ends_closes_at_both(replicas: Replicas):
    """Ended by the server, or by a sign-out at one of them: open WebSockets at both end within a
    second, and nothing passes."""
    for how in ("server", "sign-out"):
        async with replicas.person() as ana:
            assert (await ana.get(replicas.at())).json()["upstream"] == "anas"
            cookie = replicas.world.cookie(ana, f"{replicas.world.port}-{ANAS}.moorage.localhost")
            for replica in (0, 1):
                await eventually("both know it", lambda r=replica, c=cookie: replicas.passes(r, c))
            async with (
                replicas.websocket(0, cookie) as first,
                replicas.websocket(1, cookie) as second,
            ):
                for ws in (first, second):
                    await ws.send("x")
                    assert await ws.recv() == "echo x"
                if how == "server":
                    replicas.world.server.push(
                        removed_sessions=tuple(replicas.world.server.sessions)
                    )
                else:
                    zone = f"http://moorage.localhost:{PUBLIC}"
                    done = await ana.post(
                        f"{zone}/auth/sign-out", headers={"Origin": zone}, follow_redirects=False
                    )
                    assert done.status_code == 303
                async with asyncio.timeout(2):
                    await asyncio.gather(first.wait_closed(), second.wait_closed())
            for replica in (0, 1):
                assert not await replicas.passes(replica, cookie)
