"""Probes and Prometheus: what the metrics port says, and to whom."""

from __future__ import annotations

import contextlib
import socket

import httpx
import pytest

from integration.gateway.conftest import new_world
from integration.gateway.installation import eventually
from integration.gateway.world import World
from moorage.kernel.home import write_private

pytestmark = pytest.mark.haproxy


def own_address() -> str:
    """That other hosts reach this machine at; nothing is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.1", 9))
        return str(probe.getsockname()[0])


async def ask(
    world: World, path: str, address: str = "127.0.0.1", **headers: str
) -> tuple[int, str]:
    """(0, "") when nobody listens there."""
    with contextlib.suppress(httpx.ConnectError):
        async with httpx.AsyncClient() as client:
            answer = await client.get(
                f"http://{address}:{world.gateway.port + 1}{path}", headers=headers
            )
        return answer.status_code, answer.text
    return 0, ""


@pytest.mark.parametrize("everywhere", [True, False])
async def test_other_hosts_see_the_gateways_own_health_and_metrics_alone(everywhere: bool):
    """By whatever name they ask; what else lies on this machine stays on the loopback address,
    under its own name."""
    other = own_address()
    async with new_world(metrics_address="*" if everywhere else other) as world:
        for headers in ({}, {"Host": "gateway.moorage.svc:8081"}):
            assert await ask(world, "/healthz", other, **headers) == (200, "HAProxy works.\n")
            for path in ("/healthz/gateway", "/healthz/serving"):
                assert await ask(world, path, other, **headers) == (200, "Ready.\n")
            assert (
                "moorage_gateway_server_connected 1.0"
                in (await ask(world, "/metrics/gateway", other, **headers))[1]
            )
            assert "haproxy_process" in (await ask(world, "/metrics/haproxy", other, **headers))[1]
        for path in (
            "/metrics/server",
            "/metrics/agent",
            "/metrics",
            "/",
            "/healthz/",
            "/healthz/ready",
            "/auth/start",
        ):
            assert (await ask(world, path, other))[0] == 404, path
            assert (await ask(world, path, other, Host="127.0.0.1"))[0] == 404, path
        assert "server_metric" in (await ask(world, "/metrics/server"))[1]
        for path in (
            "/metrics/server",
            "/metrics/gateway",
            "/metrics/haproxy",
            "/healthz/gateway",
            "/healthz/serving",
            "/healthz",
        ):
            assert (await ask(world, path, Host="rebound.example"))[0] == 403, path


async def test_everywhere_is_of_both_families():
    """Browsers and probes come by IPv4 or by IPv6, and are known by the address that they have."""
    async with new_world(address="*", metrics_address="*") as world:
        for address in ("127.0.0.1", "[::1]"):
            assert await ask(world, "/healthz", address, Host="localhost") == (
                200,
                "HAProxy works.\n",
            )
            async with httpx.AsyncClient() as client:
                url = f"http://{address}:{world.gateway.port}/page"
                answer = await client.get(
                    url, headers={"Host": f"moorage.localhost:{world.gateway.port}"}
                )
            assert answer.status_code == 200
            assert world.server.seen[-1]["x-forwarded-for"] == address.strip("[]")


async def test_by_default_other_hosts_see_nothing(own_world: World):
    """The port is open on the loopback address alone."""
    assert await ask(own_world, "/healthz") == (200, "HAProxy works.\n")
    assert (await ask(own_world, "/healthz", own_address()))[0] == 0


async def test_public_hosts_have_no_metrics(own_world: World):
    """On no host that browsers come to: not the zone's, not a workspace's, not one that is
    neither."""
    world = own_world
    paths = (
        "/metrics",
        "/metrics/gateway",
        "/metrics/haproxy",
        "/metrics/server",
        "/healthz",
        "/healthz/gateway",
        "/healthz/serving",
        "/healthz/ready",
    )
    hosts = {
        "moorage.localhost": 404,
        world.gateway.host("workspace-1-1-aaaaaa", world.port): 401,
        "203.0.113.9": 421,
    }
    for host, status in hosts.items():
        for path in paths:
            for spelt in (path, path.replace("/m", "/%6d").replace("/h", "/%68")):
                assert (await world.raw(host, {}, spelt))[0] == status, (host, spelt)


async def test_readiness_says_what_it_waits_for():
    """From a HAProxy that is alone to a gateway that knows its routes; then the server may go, and
    it stays ready."""
    async with new_world(start=False) as world:
        token = world.gateway.home.secret_file("gateway-token")
        right = token.read_text()
        write_private(token, "wrong\n")
        world.gateway.start("haproxy")

        async def says(words: str, status: int = 503) -> bool:
            answers = [await ask(world, path) for path in ("/healthz/gateway", "/healthz/serving")]
            return all(found == status and words in text for found, text in answers)

        await eventually("the controller is missed", lambda: says("Waiting for the controller"))
        assert await ask(world, "/healthz") == (200, "HAProxy works.\n")
        world.gateway.start("controller")
        await eventually(
            "the server is missed", lambda: says("route table. The server cannot be reached")
        )
        await world.start_server()
        await eventually("the token is refused", lambda: says("does not take this gateway's token"))
        write_private(token, right)
        world.gateway.kill("controller")
        world.gateway.start("controller")
        await eventually("it is ready", lambda: says("Ready.", 200))
        await world.stop_server()
        await eventually("it knows", lambda: no_server(world))
        assert await says("Ready.", 200)
        assert await ask(world, "/healthz") == (200, "HAProxy works.\n")


async def no_server(world: World) -> bool:
    return await world.gateway.metric("moorage_gateway_server_connected ") == 0.0
