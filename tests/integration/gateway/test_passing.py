"""Who may pass to a workspace, as browsers and programs see it."""

from __future__ import annotations

import asyncio
import http.client
import time

import httpx
import pytest

from integration.gateway.installation import ANA, BOB, eventually, route
from integration.gateway.world import ANAS, ASLEEP, BOBS, World
from moorage.contract.gateway import Grant

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]


async def test_without_a_session_to_sign_in_and_back(world: World):
    """A page without a session leads over the server's sign-in back to the very URL that was asked
    for."""
    client = await world.person()
    wanted = world.at(path="/deep/page?folder=/projects/x&a=b%20c")
    answer = await client.get(wanted)
    assert str(answer.url) == wanted
    assert answer.json()["upstream"] == "anas"
    assert answer.json()["path"] == "/deep/page?folder=/projects/x&a=b%20c"
    hosts = [redirect.url.netloc.decode() for redirect in answer.history]
    zone = f"moorage.localhost:{world.gateway.port}"
    own = f"{world.gateway.host(ANAS, world.port)}:{world.gateway.port}"
    assert hosts == [own, zone, zone, zone, own]


async def test_nobody_signed_in_anywhere_sees_the_sign_in_page(world: World):
    """Somebody whom the server does not know ends at its sign-in page."""
    client = await world.person(0)
    answer = await client.get(world.at())
    assert answer.url.path == "/sign-in"
    assert world.anas.seen == []


async def test_programs_get_401_instead_of_a_redirect(world: World):
    """What is no browser's navigation gets a short problem document."""
    client = await world.person()
    for headers in ({"Accept": "application/json"}, {"Accept": "*/*"}):
        answer = await client.get(world.at(), headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not-signed-in"
    assert (await client.post(world.at())).status_code == 401


async def test_another_person_gets_403(world: World):
    """Somebody who is signed in, but does not own the workspace, gets the 403 page, which names
    themselves alone."""
    client = await world.person(BOB)
    answer = await client.get(world.at())
    assert answer.status_code == 403
    assert "bob" in answer.text
    assert "demo" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    program = await client.get(world.at(), headers={"Accept": "*/*"})
    assert (program.status_code, program.json()["code"]) == (403, "forbidden")
    assert (await client.get(world.at(BOBS))).json()["upstream"] == "bobs"
    assert world.anas.seen == []


async def test_a_cookie_is_good_on_its_own_host_only(world: World):
    """A cookie of one host opens no other host, not even another port of the same workspace; nor
    does a changed one."""
    client = await world.signed_in(ANA, world.at())
    good = world.cookie(client, world.gateway.host(ANAS, world.port))
    name, value = good.split("=")
    session, mac = value.split(".")
    changed = [
        f"{session}.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}",
        f"{session}.",
        session,
        f"{mac}.{session}",
    ]
    for host, cookie in [
        (world.gateway.host(ANAS, 8080), good),
        (world.gateway.host(ASLEEP, world.port), good),
        *((world.gateway.host(ANAS, world.port), f"{name}={value}") for value in changed),
    ]:
        assert (await world.raw(host, {"Cookie": cookie}))[0] == 401, (host, cookie)
    assert (await world.raw(world.gateway.host(ANAS, world.port), {"Cookie": good}))[0] == 200


async def test_one_connection_may_carry_several_people(world: World):
    """What was found out about a connection's last request holds only while cookies and host stay
    the same."""
    ana, bob = await world.signed_in(ANA, world.at()), await world.signed_in(BOB, world.at(BOBS))
    anas, bobs = world.gateway.host(ANAS, world.port), world.gateway.host(BOBS, world.port)
    of_ana, of_bob = world.cookie(ana, anas), world.cookie(bob, bobs)
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port)

    def ask(host: str, cookie: str | None) -> int:
        connection.request(
            "GET", "/", headers={"Host": host} | ({"Cookie": cookie} if cookie else {})
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def all_of_them() -> list[int]:
        asked = [
            (anas, of_ana), (anas, of_ana), (bobs, of_ana), (anas, None), (anas, of_ana), (bobs, of_bob),
            (anas, of_bob), (bobs, of_bob), ("moorage.localhost", of_bob), (bobs, None), (anas, of_ana),
        ]  # fmt: skip
        return [ask(host, cookie) for host, cookie in asked]

    found = await asyncio.to_thread(all_of_them)
    connection.close()
    assert found == [200, 200, 401, 401, 200, 200, 401, 200, 200, 401, 200]


async def test_two_workspaces_on_one_connection_never_mix(world: World):
    """Connections to workspaces are reused for the workspace that they lead to, and for no
    other."""
    ana = await world.signed_in(ANA, world.at())
    world.server.push(grants=(Grant(user=ANA, workspace=BOBS),))
    await eventually_passes(ana, world.at(BOBS))
    for _ in range(20):
        assert (await ana.get(world.at())).json()["upstream"] == "anas"
        assert (await ana.get(world.at(BOBS))).json()["upstream"] == "bobs"


async def test_a_grant_opens_one_port_and_another_all(world: World):
    """A grant of one port opens that port alone; one of port 0 opens all; without it, nothing."""
    bob = await world.signed_in(BOB, world.at(BOBS))
    world.server.push(grants=(Grant(user=BOB, workspace=ANAS, port=world.port),))
    await eventually_passes(bob, world.at())
    assert (await bob.get(world.at(port=8081))).status_code == 403
    world.server.push(grants=(Grant(user=BOB, workspace=ANAS),))
    answer = await eventually("the other port opens", lambda: not_403(bob, world.at(port=1)))
    assert answer.status_code == 503


async def test_a_change_is_effective_at_once(world: World):
    """From the server's word to HAProxy's refusal it takes less than 50 ms (median of five)."""
    bob = await world.signed_in(BOB, world.at(BOBS))
    grant = Grant(user=BOB, workspace=ANAS)
    took = []
    for _ in range(5):
        for change, wanted in (({"grants": (grant,)}, 200), ({"removed_grants": (grant,)}, 403)):
            world.server.push(**change)
            began = time.monotonic()
            await eventually(
                "it holds", lambda wanted=wanted: status_is(bob, world.at(), wanted), every=0.002
            )
            took.append(time.monotonic() - began)
    assert sorted(took)[len(took) // 2] < 0.05, took


async def test_neither_cookie_nor_forged_headers_reach_the_workspace(world: World):
    """The session cookie goes, other cookies stay, what only Moorage may say is Moorage's, and Host
    is untouched."""
    ana = await world.signed_in(ANA, world.at())
    host = world.gateway.host(ANAS, world.port)
    ours = world.cookie(ana, host)
    forged = {
        "X-Moorage-User": "1", "x-moorage-front": "1", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.example", "Forwarded": "for=6.6.6.6",
        "X_Forwarded_For": "6.6.6.6", "X-Forwarded_Host": "evil.example", "x_forwarded-proto": "gopher", "X_Moorage_User": "1",
    }  # fmt: skip
    for cookies, left in [
        (ours, None),
        (f"a=1; {ours}", "a=1"),
        (f"{ours}; a=1", "a=1"),
        (f"a=1; {ours}; b=2", "a=1; b=2"),
        (f"a=1; {ours}; {ours}; b=2; moorage_binding=x", "a=1; b=2"),
        (f"{ours};a=1", "a=1"),
        (f"{ours}; {ours}", None),
        (f"my{ours}; {ours}; moorage_session2=x", f"my{ours}"),
    ]:
        for _ in range(2):  # as the connection's first request, and when it is known
            status, _ = await world.raw(host, {"Cookie": cookies, **forged})
            assert status == 200, cookies
            seen = world.anas.seen[-1]
            assert seen.get("cookie") == left, cookies
            assert {name for name in seen if name.startswith(("x-", "x_", "forwarded"))} == {
                "x-forwarded-for",
                "x-forwarded-proto",
            }
            assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
            assert seen["host"] == f"{host}:{world.gateway.port}"


async def test_a_workspace_sets_no_cookie_of_ours(world: World):
    """A Set-Cookie with one of our names, or one that a browser would send as such, is dropped;
    others stay."""
    ana = await world.signed_in(ANA, world.at())
    host = world.gateway.host(ANAS, world.port)
    _, headers = await world.raw(host, {"Cookie": world.cookie(ana, host)}, "/cookies")
    found = [value for name, value in headers if name.lower() == "set-cookie" and value]
    assert found == ["mine=1; Path=/"]


ORIGINS = [
    # origin, method, host's port, WebSocket, passes
    ("own", "POST", "app", False, True),
    ("own", "GET", "app", True, True),
    ("kin", "POST", "app", False, True),
    ("kin", "GET", "app", True, True),
    ("kin", "POST", "editor", False, False),
    ("kin", "GET", "editor", True, False),
    ("other", "GET", "app", False, False),
    ("other", "POST", "app", False, False),
    ("other", "GET", "app", True, False),
    ("zone", "POST", "app", False, False),
    ("unknown-below-zone", "POST", "app", False, False),
    ("foreign", "GET", "app", False, True),
    ("foreign", "POST", "app", False, True),
    ("foreign", "GET", "app", True, False),
    ("other-scheme", "GET", "app", True, False),
    ("null", "GET", "app", False, True),
    ("null", "POST", "app", False, False),
    ("null", "GET", "app", True, False),
    ("null-from-here", "POST", "app", False, True),
]


async def test_origins(world: World):
    """Each origin, method and kind of request, as the table says; what is refused does not reach
    the workspace."""
    ana = await world.signed_in(ANA, world.at(), world.at(port=60001))
    own, port = world.gateway.host(ANAS, world.port), world.gateway.port
    origins = {
        "own": f"http://{own}:{port}",
        "kin": f"http://{world.gateway.host(ANAS, 3000)}:{port}",
        "other": f"http://{world.gateway.host(BOBS, 3000)}:{port}",
        "zone": f"http://moorage.localhost:{port}",
        "unknown-below-zone": f"http://x.moorage.localhost:{port}",
        "foreign": "https://evil.example",
        "other-scheme": f"https://{own}:{port}",
        "null": "null",
        "null-from-here": "null",
    }
    for origin, method, place, upgrade, passes in ORIGINS:
        host = own if place == "app" else world.gateway.host(ANAS, 60001)
        headers = {"Cookie": world.cookie(ana, host), "Origin": origins[origin]}
        if upgrade:
            headers |= {
                "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }  # fmt: skip
        if origin == "null-from-here":
            headers["Sec-Fetch-Site"] = "same-origin"
        status, _ = await world.raw(host, headers, "/ws" if upgrade else "/", method)
        expected = (101 if upgrade else 200) if passes else 403
        assert status == expected, (origin, method, place, upgrade)


async def test_pictures_scripts_and_frames_of_another_workspace(world: World):
    """What another workspace's page embeds is refused; what this workspace's own pages embed, and
    links, are not."""
    ana = await world.signed_in(ANA, world.at())
    host, port = world.gateway.host(ANAS, world.port), world.gateway.port
    kin = f"http://{world.gateway.host(ANAS, 3000)}:{port}/page"
    other = f"http://{world.gateway.host(BOBS, 3000)}:{port}/page"
    for site, destination, referrer, expected in [
        ("same-site", "script", other, 403),
        ("same-site", "iframe", other, 403),
        ("same-site", "image", None, 403),
        ("same-site", "image", kin, 200),
        ("same-site", "iframe", kin, 200),
        ("same-site", "document", other, 200),
        ("same-origin", "script", None, 200),
        ("none", "document", None, 200),
    ]:
        headers = {
            "Cookie": world.cookie(ana, host),
            "Sec-Fetch-Site": site,
            "Sec-Fetch-Dest": destination,
        }
        if referrer:
            headers["Referer"] = referrer
        assert (await world.raw(host, headers))[0] == expected, (site, destination, referrer)


async def test_other_hosts_of_the_same_site(world: World):
    """Cookies come along with what a page beside the zone sends, as they do within it: it is
    refused, whatever the method is. What another site sends has none."""
    ana = await world.signed_in(ANA, world.at())
    host, port = world.gateway.host(ANAS, world.port), world.gateway.port
    cookie = world.cookie(ana, host)
    kin = f"http://{world.gateway.host(ANAS, 3000)}:{port}"
    world.anas.seen.clear()
    for method in ("GET", "POST"):
        for _ in range(2):
            for origin in ("https://app.example.com", f"http://{host}:1", "http://example.com"):
                headers = {"Cookie": cookie, "Origin": origin, "Sec-Fetch-Site": "same-site"}
                assert (await world.raw(host, headers, method=method))[0] == 403, (method, origin)
    assert world.anas.seen == []
    for origin, site in [(kin, "same-site"), ("https://evil.example", "cross-site")]:
        for method in ("GET", "POST"):
            headers = {"Cookie": cookie, "Origin": origin, "Sec-Fetch-Site": site}
            assert (await world.raw(host, headers, method=method))[0] == 200, (method, origin)


async def test_nothing_listens_on_the_port_yet(world: World):
    """The page says which port, and what to do, and comes again; as soon as something listens, it
    is shown."""
    ana = await world.person()
    answer = await ana.get(world.at(port=9))
    assert answer.status_code == 503
    assert "Nothing listens on port 9 of this workspace yet" in answer.text
    assert "which port does it say that it listens on?" in answer.text
    assert answer.headers["refresh"] == "2"
    program = await ana.get(world.at(port=9), headers={"Accept": "application/json"})
    assert program.json()["code"] == "nothing-listens"
    assert "port 9 " in program.json()["title"]
    world.server.push(routes=(route(ANAS, ANA, "127.0.0.9"),))
    await eventually("the address is gone", lambda: status_is(ana, world.at(), 503))
    assert "Nothing listens" in (await ana.get(world.at())).text


async def test_large_and_streamed_bodies_pass(world: World):
    """A workspace takes uploads of any size, and answers stream without being held back."""
    ana = await world.signed_in(ANA, world.at())
    answer = await ana.post(world.at(), content=b"x" * 8_000_000)
    assert answer.json()["bytes"] == 8_000_000

    async def pieces():
        for _ in range(40):
            yield b"y" * 100_000

    assert (await ana.post(world.at(), content=pieces())).json()["bytes"] == 4_000_000
    async with asyncio.timeout(2), ana.stream("GET", world.at(path="/stream")) as streamed:
        assert await anext(streamed.aiter_text()) == "data: first\n\n"


async def test_a_header_that_is_too_large_is_refused(world: World):
    """A request with more than 64 KiB of headers gets 400 and takes nothing down."""
    ana = await world.signed_in(ANA, world.at())
    answer = await ana.get(world.at(), headers={"X-Big": "x" * 40_000})
    assert answer.status_code == 200
    answer = await ana.get(world.at(), headers={"X-Big": "x" * 70_000})
    assert answer.status_code == 400
    assert (await ana.get(world.at())).status_code == 200


async def test_hosts_that_are_no_workspaces(world: World):
    """An unknown workspace is 404; a host that cannot be one, 421: each with a page, or a problem
    for programs."""
    ana = await world.person()
    unknown = world.gateway.at("workspace-1-1-zzzzzz", 8080)
    answer = await ana.get(unknown)
    assert answer.status_code == 404
    assert "No such workspace" in answer.text
    for host in (
        "x.moorage.localhost",
        "8080-workspace-1-1-aaaaaa.sub.moorage.localhost",
        "203.0.113.9",
        "070-workspace-1-1-aaaaaa.moorage.localhost",
    ):
        status, _ = await world.raw(host, {"Accept": "text/html"})
        assert status == 421, host
        assert (await world.raw(host, {}, "/metrics"))[0] == 421
    assert (await world.raw("8080-workspace-1-1-zzzzzz.moorage.localhost", {}, "/metrics"))[
        0
    ] == 401


async def eventually_passes(client: httpx.AsyncClient, url: str) -> None:
    await eventually(f"{url} opens", lambda: status_is(client, url, 200))


async def status_is(client: httpx.AsyncClient, url: str, status: int) -> bool:
    return (await client.get(url)).status_code == status


async def not_403(client: httpx.AsyncClient, url: str) -> httpx.Response | None:
    answer = await client.get(url)
    return answer if answer.status_code != 403 else None
