"""A workspace that has an IPv6 address alone, as pods of an IPv6-only cluster do."""

from __future__ import annotations

import pytest

from integration.gateway.conftest import new_world
from integration.gateway.installation import ANA, eventually, route, serving
from integration.gateway.world import ANAS

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio]


@pytest.mark.parametrize("tls_port", [False, True])
async def test_a_workspace_at_an_ipv6_address(tls_port: bool):
    """Pages and WebSockets reach it, also at a port that is said to speak TLS; its address changes
    to one of IPv4 and back while it runs."""
    async with new_world(workspace_networks=["127.0.0.0/8", "::1/128"]) as world:
        port = world.port
        tls = (port,) if tls_port else ()
        async with serving(world.bobs.app, host="::1", port=port):
            ana = await world.signed_in(ANA, world.at())
            for address, upstream in (("::1", "bobs"), ("127.0.0.1", "anas"), ("::1", "bobs")):
                world.server.push(routes=(route(ANAS, ANA, address, tls_ports=tls),))

                async def reached(name: str = upstream) -> bool:
                    answer = await ana.get(world.at())
                    return answer.status_code == 200 and answer.json()["upstream"] == name

                await eventually(f"it is reached at {address}", reached)
            cookie = world.cookie(ana, world.gateway.host(ANAS, port))
            if not tls_port:
                async with world.websocket(world.at(path="/ws"), cookie) as socket:
                    await socket.send("hello")
                    assert await socket.recv() == "echo hello"
            # HAProxy begins with the map that it was told, after a restart, too.
            world.gateway.kill("haproxy")
            world.gateway.start("haproxy")
            await world.gateway.until_ready()
            await eventually("it is reached again", reached)
