"""The zone's own host: what goes to the server, what to the controller, what to nobody; and the
metrics' port."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from integration.gateway.installation import ANA, browser
from integration.gateway.world import ANAS, ASLEEP, World
from moorage.contract.agent import PATH as AGENTS_PATH
from moorage.contract.gateway import EXCHANGE_PATH, SESSION_PATH, START_PATH
from moorage.contract.gateway import PATH as GATEWAYS_PATH

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]


async def test_everything_else_goes_to_the_server(world: World):
    """The server's pages and API are behind the zone's host, with its own cookie and without forged
    headers."""
    ana = await world.person()
    answer = await ana.get(
        f"{world.gateway.url}/workspaces?x=1", headers={"X-Moorage-User": "1", "Forwarded": "x"}
    )
    assert answer.json()["server"] == "/workspaces"
    seen = world.server.seen[-1]
    assert seen["cookie"] == f"moorage={ANA}"
    assert seen["host"] == f"moorage.localhost:{world.gateway.port}"
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert "x-moorage-user" not in seen
    posted = await ana.post(
        f"{world.gateway.url}/api/v1/x",
        content=b"z" * 100_000,
        headers={"Origin": world.gateway.url},
    )
    assert posted.json()["bytes"] == 100_000


@pytest.mark.parametrize(
    "path",
    [
        "/internal", "/internal/", "/internal/other", "/%69nternal/other", "/%69nternal/other/%zz", "/internal%2fother", "/internal/gateways/exchange",
        f"{GATEWAYS_PATH}/x", "/metrics", "/metrics/", "/%6detrics", "/healthz",
    ],
)  # fmt: skip
async def test_what_processes_tell_each_other_is_nobodys(world: World, path: str):
    """Internal paths are not there for browsers, however they are spelt."""
    status, _ = await world.raw("moorage.localhost", {}, path)
    assert status == 404
    assert world.server.seen == []


async def test_agents_and_gateways_may_connect(world: World):
    """The two paths that remote processes connect to do reach the server."""
    for path in (AGENTS_PATH, GATEWAYS_PATH):
        assert (await world.raw("moorage.localhost", {}, path))[0] == 200
    assert [seen["host"] for seen in world.server.seen] == [
        f"moorage.localhost:{world.gateway.port}"
    ] * 2


async def test_a_gateway_of_another_cluster_asks_with_its_token(world: World):
    """Exchange, start and sign-out reach the server with a token, which it checks; without one, or
    a little beside, nothing is there."""
    asks = {
        ("POST", EXCHANGE_PATH): ('{"code":"x","redirect_uri":"y"}', 403),
        ("POST", START_PATH.format(workspace=ASLEEP)): ('{"user":1}', 204),
        ("DELETE", SESSION_PATH.format(session="session-x")): ("", 204),
    }
    token = {"Authorization": f"Bearer {world.server.token}"}
    async with browser(base_url=world.gateway.url) as gateway:
        for (method, path), (body, status) in asks.items():
            assert (
                await gateway.request(method, path, content=body, headers=token)
            ).status_code == status, path
            assert (await gateway.request(method, path, content=body)).status_code == 404, path
            for beside in (f"{path}/x", f"{path}%2fx", path.replace("/gateways/", "/gateways/x/")):
                assert (
                    await gateway.request(method, beside, content=body, headers=token)
                ).status_code == 404, beside
        for path in ("/internal/other", "/metrics", "/healthz", "/internal/gateways/sessions/"):
            assert (await gateway.get(path, headers=token)).status_code == 404, path
    assert world.server.started == [(ASLEEP, 1)]
    assert world.server.ended == ["session-x"]


async def test_a_body_that_is_too_large_is_refused(world: World):
    """More than 2 MB gets 413; a body of unknown length, 411; before the server sees any of it."""
    ana = await world.person()
    url = f"{world.gateway.url}/api/v1/x"
    answer = await ana.post(url, content=b"z" * (2 << 20))
    assert answer.status_code == 200
    world.server.seen.clear()
    status, _ = await world.raw(
        "moorage.localhost", {"Content-Length": str((2 << 20) + 1)}, "/api/v1/x", "PUT"
    )
    assert status == 413

    async def pieces():
        yield b"z"

    answer = await ana.post(url, content=pieces())
    assert (answer.status_code, answer.json()["code"]) == (411, "length-required")
    assert world.server.seen == []


async def test_workspaces_pages_cannot_act_on_the_server(world: World):
    """What a workspace's page asks of the zone's host is refused, cookie or not."""
    ana = await world.person()
    for headers in (
        {"Origin": f"http://{world.gateway.host(ANAS, 3000)}:{world.gateway.port}"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "image"},
    ):
        for ask in (ana.get, ana.post):
            assert (await ask(f"{world.gateway.url}/api/v1/x", headers=headers)).status_code == 403
    assert world.server.seen == []


async def test_streams_and_websockets_pass(world: World):
    """Server-sent events come as they are sent, and WebSockets of the server's own origin open."""
    ana = await world.person()
    async with asyncio.timeout(3), ana.stream("GET", f"{world.gateway.url}/stream") as stream:
        assert await anext(stream.aiter_text()) == "data: first\n\n"
    async with world.websocket(f"{world.gateway.url}/ws", "a=1") as websocket:
        await websocket.send("x")
        assert await websocket.recv() == "echo x"


async def test_metrics_of_all(world: World):
    """On a port of its own, on the loopback address: server, gateway and HAProxy; nothing else, and
    to no other name."""
    metrics = f"http://127.0.0.1:{world.gateway.port + 1}/metrics"
    async with httpx.AsyncClient() as client:
        assert "server_metric" in (await client.get(f"{metrics}/server")).text
        assert (
            "moorage_gateway_server_connected 1.0" in (await client.get(f"{metrics}/gateway")).text
        )
        assert "haproxy_process" in (await client.get(f"{metrics}/haproxy")).text
        assert (await client.get(f"{metrics}/agent")).status_code == 503
        assert (await client.get(metrics)).status_code == 404
        assert (
            await client.get(f"{metrics}/server", headers={"Host": "rebound.example"})
        ).status_code == 403
