"""What a page of one port may ask of another port of the same workspace."""

from __future__ import annotations

import pytest

from integration.gateway.installation import ANA, eventually, route
from integration.gateway.world import ANAS, BOBS, World

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]

ASKS = {
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "content-type, x-token",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-site",
}


def origin(world: World, workspace: str, port: int) -> str:
    return f"{world.gateway.scheme}://{world.gateway.host(workspace, port)}:{world.gateway.port}"


async def ask(
    world: World, host: str, headers: dict[str, str], method: str = "OPTIONS"
) -> tuple[int, dict[str, str]]:
    status, found = await world.raw(host, headers, method=method)
    return status, {name.lower(): value for name, value in found}


async def test_a_preflight_of_another_port_is_answered(world: World):
    """A browser sends no cookie with it: it is answered without asking the workspace."""
    page = origin(world, ANAS, 3000)
    status, headers = await ask(
        world, world.gateway.host(ANAS, world.port), {"Origin": page, **ASKS}
    )
    assert status == 204
    assert headers["access-control-allow-origin"] == page
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-allow-methods"] == "PUT"
    assert headers["access-control-allow-headers"] == "content-type, x-token"
    assert headers["vary"].lower() == "origin"
    assert world.anas.seen == []


async def test_a_preflight_of_anybody_else_is_not(world: World):
    """Not of another workspace, of another site, of what only looks like the same one; not for the
    editor, wherever it is, nor for what is the gateway's own."""
    own, kin = world.gateway.host(ANAS, world.port), origin(world, ANAS, 3000)
    port = world.gateway.port
    for foreign in (
        origin(world, BOBS, 3000),
        f"http://moorage.localhost:{port}",
        "https://evil.example",
        f"https://3000-{ANAS}.moorage.localhost:{port}",
        f"http://3000-{ANAS}.moorage.localhost:{port + 1}",
        f"http://3000-{ANAS}.moorage.localhost.evil.example:{port}",
        "null",
    ):
        status, headers = await ask(world, own, {"Origin": foreign, **ASKS})
        assert status in (401, 403), foreign
        assert "access-control-allow-origin" not in headers, foreign
    editor = world.gateway.host(ANAS, 60001)
    status, headers = await ask(world, editor, {"Origin": kin, **ASKS})
    assert (status, "access-control-allow-origin" in headers) == (403, False)
    world.server.push(routes=(route(ANAS, ANA, "127.0.0.1", editor_port=8443),))
    other_editor = world.gateway.host(ANAS, 8443)

    async def refused() -> bool:
        status, headers = await ask(world, other_editor, {"Origin": kin, **ASKS})
        return (status, "access-control-allow-origin" in headers) == (403, False)

    await eventually("the editor's port is known", refused)
    assert world.anas.seen == []


async def test_a_refusal_can_be_read_by_the_port_that_was_refused(world: World):
    """Its page learns the cause instead of a network error; nobody else's does."""
    ana = await world.signed_in(ANA, world.at())
    cookie = world.cookie(ana, world.gateway.host(ANAS, world.port))
    own, kin = world.gateway.host(ANAS, world.port), origin(world, ANAS, 3000)
    says = {"Origin": kin, "Sec-Fetch-Site": "same-site", "Accept": "application/json"}
    status, headers = await ask(world, own, says, "GET")
    assert (status, headers["access-control-allow-origin"]) == (401, kin)
    assert headers["access-control-allow-credentials"] == "true"
    for host, asker in ((own, origin(world, BOBS, 3000)), (world.gateway.host(ANAS, 60001), kin)):
        status, headers = await ask(world, host, {**says, "Origin": asker}, "GET")
        assert status == 403
        assert "access-control-allow-origin" not in headers
    status, headers = await ask(world, own, {**says, "Cookie": cookie}, "GET")
    assert status == 200, "a request with the session's cookie passes, and the program answers"
