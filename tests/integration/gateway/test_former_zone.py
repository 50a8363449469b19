"""What happens at the addresses that one machine had while its zone was `localhost`: bookmarks,
scripts, and what people type."""

from __future__ import annotations

import httpx
import pytest

from integration.gateway.conftest import new_world
from integration.gateway.installation import ANA, browser
from integration.gateway.world import ANAS, World

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]


def former(world: World, host: str, path: str) -> str:
    return f"http://{host}:{world.gateway.port}{path}"


async def test_a_bookmark_leads_to_the_workspace(world: World):
    """With its path and its query, past signing in, to the page that it always showed."""
    ana = await world.person(ANA)
    old = f"{world.port}-{ANAS}.localhost"
    answer = await ana.get(former(world, old, "/deep/page?x=1&y=%2F"))
    assert answer.json()["path"] == "/deep/page?x=1&y=%2F"
    assert answer.url.host == world.gateway.host(ANAS, world.port)
    first = answer.history[0]
    assert (first.status_code, first.headers["cache-control"]) == (307, "no-store")
    assert not any(cookie.domain.endswith(old) for cookie in ana.cookies.jar)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_what_people_type_leads_to_the_pages(world: World, host: str):
    """A program that follows it arrives, too."""
    async with browser(follow_redirects=False) as client:
        answer = await client.get(former(world, host, "/workspaces/x?y=1"))
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{world.gateway.url}/workspaces/x?y=1"


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example", "/%2f%2fevil.example", "/@evil.example/"]
)
async def test_it_leads_to_this_installation_alone(world: World, path: str):
    """Whatever path was asked for."""
    for host in ("localhost", f"8080-{ANAS}.localhost"):
        status, headers = await world.raw(host, {"Accept": "text/html"}, path)
        target = httpx.URL(dict(headers)["location"])
        assert (status, target.port) == (307, world.gateway.port)
        assert target.host in ("moorage.localhost", f"8080-{ANAS}.moorage.localhost")


async def test_programs_with_a_token_go_on(world: World):
    """They are served under the name that they have, and the server sees its own."""
    token = {"Authorization": "Bearer t", "Accept": "*/*"}
    for method in ("GET", "POST"):
        status, _ = await world.raw("localhost", token, "/api/v1/me", method)
        assert status == 200
        seen = world.server.seen[-1]
        assert seen["host"] == f"moorage.localhost:{world.gateway.port}"
        assert seen["authorization"] == "Bearer t"
    assert (await world.raw("localhost", token, "/internal/other"))[0] == 404


async def test_cookies_count_on_the_zones_own_host_alone(world: World):
    """Pages of every program of this machine share the cookies of `localhost`: none of ours is
    heeded there, with a token or without."""
    cookie = {"Cookie": f"moorage={ANA}; other=1"}
    status, _ = await world.raw("localhost", cookie, "/api/v1/me", "POST")
    assert (status, world.server.seen) == (421, [])
    await world.raw("localhost", {**cookie, "Authorization": "Bearer t"}, "/api/v1/me")
    assert "cookie" not in world.server.seen[-1]


async def test_what_would_change_something_is_told_the_new_address(world: World):
    """It is not sent on: neither to the workspace nor to the server."""
    async with browser(follow_redirects=False) as client:
        answer = await client.post(former(world, f"{world.port}-{ANAS}.localhost", "/save"))
    assert answer.status_code == 421
    assert world.at(path="/save") in answer.text
    assert world.anas.seen == []


@pytest.mark.parametrize(
    "host",
    ["x.localhost", f"0-{ANAS}.localhost", f"8080-{ANAS}.sub.localhost", "127.0.0.2", "[::2]"],
)
async def test_other_names_mean_nothing(world: World, host: str):
    """As before."""
    assert (await world.raw(host, {"Accept": "text/html"}))[0] == 421


async def test_a_preflight_at_an_unknown_host_is_answered_to_nobody(world: World):
    """No name without a workspace makes any page its kin."""
    asks = {
        "Origin": "http://evil.example",
        "Access-Control-Request-Method": "PUT",
        "Sec-Fetch-Mode": "cors",
    }
    for host in ("localhost", "127.0.0.1", "unknown.example"):
        status, headers = await world.raw(host, asks, method="OPTIONS")
        assert status != 204, host
        assert "access-control-allow-origin" not in {name.lower() for name, _ in headers}


async def test_an_installation_that_has_that_zone_goes_on():
    """Nothing leads away from it: what is written in its settings holds."""
    async with (
        new_world(zone="localhost") as world,
        browser(follow_redirects=False) as client,
    ):
        for host in ("localhost", f"8080-{ANAS}.localhost"):
            answer = await client.get(former(world, host, "/"))
            assert answer.status_code in (200, 303), host
            assert "moorage.localhost" not in answer.headers.get("location", "")
