"""Signing in and out over the gateway: hand-overs that work once, in one browser, for this zone's
workspaces."""

from __future__ import annotations

import asyncio
import hashlib
import html
import re
import time
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import httpx
import pytest

from integration.gateway.installation import ANA, BOB, browser, eventually
from integration.gateway.world import ANAS, ASLEEP, World
from moorage.contract.gateway import Session

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]


async def step(client: httpx.AsyncClient, url: str) -> httpx.Response:
    return await client.get(url, follow_redirects=False)


async def until(client: httpx.AsyncClient, url: str, path: str) -> str:
    """Follows redirects up to, and without, the one that leads to that path."""
    while urlsplit(url).path != path:
        answer = await step(client, url)
        assert answer.is_redirect, (url, answer.status_code, answer.text[:300])
        url = str(answer.url.join(answer.headers["location"]))
    return url


async def test_cookies_are_for_their_host_alone(world: World):
    """Every cookie is HttpOnly, SameSite=Lax, for one host and all paths; those of the hand-over go
    when it is done."""
    client = await world.person()
    answer = await client.get(world.at())
    set_cookies = [
        value for step in [*answer.history, answer] for value in step.headers.get_list("set-cookie")
    ]
    assert len(set_cookies) == 6
    for value in set_cookies:
        attributes = {part.strip().lower() for part in value.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= attributes
        assert not any(attribute.startswith(("domain", "secure")) for attribute in attributes)
    left = {(cookie.domain, cookie.name) for cookie in client.cookies.jar}
    host = world.gateway.host(ANAS, world.port)
    assert left == {
        ("moorage.localhost", "moorage"),
        ("moorage.localhost", "moorage_gateway"),
        (host, "moorage_session"),
    }


async def test_a_second_workspace_asks_the_server_nothing(world: World):
    """Whoever is signed in at the gateway is handed over to further hosts without the server."""
    client = await world.signed_in(ANA, world.at())
    answer = await client.get(world.at(port=1))
    assert answer.status_code == 503
    assert "/sign-in/authorize" not in [past.url.path for past in answer.history]


NOT_HERE = [
    "https://evil.example/",
    "//evil.example/",
    "/relative",
    "http://moorage.localhost:{port}/",
    "http://8080-workspace-1-1-aaaaaa.moorage.localhost:{other}/",
    "http://8080-workspace-1-1-aaaaaa.moorage.localhost/",
    "https://8080-workspace-1-1-aaaaaa.moorage.localhost:{port}/",
    "http://8080-workspace-1-1-aaaaaa.moorage.localhost.evil.example:{port}/",
    "http://user@8080-workspace-1-1-aaaaaa.moorage.localhost:{port}/",
    "http://8080-workspace-1-1-aaaaaa.moorage.localhost:{port}\\@evil.example/",
    "http://evil.example#@8080-workspace-1-1-aaaaaa.moorage.localhost:{port}/",
    "javascript:alert(1)//8080-workspace-1-1-aaaaaa.moorage.localhost:{port}/",
    "",
]


async def test_next_leads_nowhere_else(world: World):
    """A `next` that is no workspace of this zone, by its own scheme and port, gets a clear page and
    no redirect."""
    client = await world.signed_in(ANA, world.at())
    for template in NOT_HERE:
        wanted = template.format(port=world.gateway.port, other=world.gateway.port + 7)
        url = f"{world.gateway.url}/auth/start?next={quote(wanted, safe='')}&binding={'0' * 64}"
        answer = await step(client, url)
        assert answer.status_code == 400, wanted
        assert "not a workspace here" in answer.text


@pytest.mark.parametrize("known", ["", "x", "moorage"])
async def test_a_hand_over_is_bound_to_no_known_text(world: World, known: str):
    """Bob has a code made for the digest of nothing, or of a text that he knows, and hands it to
    somebody else's browser: nobody is signed in as Bob by it."""
    bob = await world.signed_in(BOB, world.at())
    binding = hashlib.sha256(known.encode()).hexdigest()
    begun = await step(
        bob, f"{world.gateway.url}/auth/start?next={quote(world.at(), safe='')}&binding={binding}"
    )
    arrival = urlsplit(begun.headers["location"])
    assert arrival.path == "/.moorage/callback"
    headers = {"Cookie": f"moorage_binding={known}"} if known else {}
    status, answered = await world.raw(
        world.gateway.host(ANAS, world.port), headers, f"{arrival.path}?{arrival.query}"
    )
    assert status == 400
    assert not any(
        value.startswith("moorage_session=")
        for name, value in answered
        if name.lower() == "set-cookie"
    )


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/", "///evil.example", "//evil.example@x/", "/.//evil.example/", "/x/..//evil.example", "/%2e//evil.example/",
        "/%2f/evil.example", "/%5cevil.example", "/%09/evil.example", "//evil.example/.moorage/callback",
    ],
)  # fmt: skip
async def test_a_path_leads_to_no_other_host(world: World, path: str):
    """Whoever begins a sign-in, by a link to it or to the workspace, ends on that workspace's host;
    so does a form's `next`."""
    for begin in (
        f"{world.gateway.url}/auth/start?next={quote(world.at(path=path), safe='')}&binding={'0' * 64}",
        f"{world.gateway.url}/auth/start?next={quote(world.at(path=path), safe='')}",
        world.at(path=path),
        world.at(path=f"/.moorage/nothing?next={quote(path, safe='')}"),
    ):
        client, url = await world.person(), begin
        for _ in range(8):
            answer = await step(client, url)
            if answer.status_code not in (302, 303, 307):
                break
            url = urljoin(url, answer.headers["location"])
            assert (urlsplit(url).hostname or "").endswith("moorage.localhost"), answer.headers[
                "location"
            ]
            assert not answer.headers["location"].startswith(("//", "/\\"))
    ana = await world.signed_in(ANA, world.at(ASLEEP))
    own = {"Origin": world.at(ASLEEP).rstrip("/")}
    started = await ana.post(
        world.at(ASLEEP, "/.moorage/start"),
        data={"next": path},
        headers=own,
        follow_redirects=False,
    )
    assert (started.status_code, started.headers["location"]) == (303, "/")


async def test_a_start_that_began_elsewhere_begins_anew_on_the_workspace(world: World):
    """Without the binding of the workspace's host, signing in is sent back there to begin as it
    should."""
    client = await world.person()
    wanted = world.at(path="/x")
    answer = await step(client, f"{world.gateway.url}/auth/start?next={quote(wanted, safe='')}")
    assert (answer.status_code, answer.headers["location"]) == (303, wanted)


async def test_a_hand_over_code_works_once(world: World):
    """A code that was used gets a page that says so and a way on; it signs nobody in a second
    time."""
    client = await world.person()
    arrival = await until(client, world.at(), "/.moorage/callback")
    binding = world.cookie(client, world.gateway.host(ANAS, world.port), "moorage_binding")
    assert (await step(client, arrival)).status_code == 303
    again = await client.get(arrival, headers={"Cookie": binding}, follow_redirects=False)
    assert again.status_code == 400
    assert "used already" in again.text
    assert 'href="/"' in again.text
    assert "moorage_session" not in again.headers.get("set-cookie", "")
    made_up = await step(client, world.at(path="/.moorage/callback?code=made-up"))
    assert made_up.status_code == 400


@pytest.mark.parametrize("thief", ["another browser", "another host"])
async def test_a_hand_over_code_is_bound_to_browser_and_host(world: World, thief: str):
    """A code that another browser, or another host, presents signs nobody in, and is used up by
    it."""
    client = await world.person()
    arrival = httpx.URL(await until(client, world.at(), "/.moorage/callback"))
    if thief == "another browser":
        answer = await step(await world.person(BOB), str(arrival))
    else:
        await step(client, world.at(port=8080))
        answer = await step(client, str(arrival.copy_with(host=world.gateway.host(ANAS, 8080))))
    assert answer.status_code == 400
    assert "moorage_session" not in answer.headers.get("set-cookie", "")
    assert (await step(client, str(arrival))).status_code == 400


async def test_the_servers_answer_is_bound_to_the_browser_that_asked(world: World):
    """A callback that another browser opens (a link that somebody else began) signs nobody in."""
    client, victim = await world.person(), await world.person(BOB)
    callback = await until(client, world.at(), "/auth/callback")
    answer = await step(victim, callback)
    assert answer.status_code == 400
    assert "another browser" in answer.text
    assert "moorage_gateway" not in answer.headers.get("set-cookie", "")
    state = parse_qs(urlsplit(callback).query)["state"][0]
    for broken in (state[:-2], f"x{state}", state.split(".")[0], ""):
        answer = await step(client, f"{world.gateway.url}/auth/callback?code=x&state={broken}")
        assert answer.status_code == 400


async def test_the_servers_code_works_once(world: World):
    """A server's code that was used already gets a page with a way on, which then works."""
    client = await world.person()
    callback = await until(client, world.at(), "/auth/callback")
    state_cookie = world.cookie(client, "moorage.localhost", "moorage_state")
    await client.get(callback)
    client.cookies.delete("moorage_gateway", "moorage.localhost", "/")
    client.cookies.set("moorage_state", state_cookie.split("=")[1], domain="moorage.localhost")
    answer = await step(client, callback)
    assert answer.status_code == 400
    assert "used already" in answer.text
    [again] = re.findall(r'href="([^"]*)">Sign in again', answer.text)
    assert html.unescape(again) == world.at()


async def test_a_session_that_the_gateway_learns_itself_passes_at_once(world: World):
    """Signing in does not wait for the server's next word on the stream."""
    world.server.push_sessions = False
    try:
        client = await world.person()
        assert (await client.get(world.at())).json()["upstream"] == "anas"
    finally:
        world.server.push_sessions = True


async def test_a_session_ends_by_time_though_the_server_is_silent(world: World):
    """At `expires_at` a session passes no more: neither pages, which lead to sign-in, nor the open
    WebSocket."""
    world.server.session_seconds = 3.0
    began = time.monotonic()
    try:
        client = await world.signed_in(ANA, world.at())
    finally:
        world.server.session_seconds = 3600.0
    session = next(iter(world.server.sessions.values()))
    program = {"Accept": "*/*"}
    assert (await client.get(world.at(), headers=program)).status_code == 200
    async with world.websocket(
        world.at(path="/ws"), world.cookie(client, world.gateway.host(ANAS, world.port))
    ) as ws:
        await ws.send("x")
        assert await ws.recv() == "echo x"
        async with asyncio.timeout(8):
            await ws.wait_closed()
    assert time.monotonic() - began >= session.expires_at - time.time()
    assert abs(time.time() - session.expires_at) < 4
    await eventually("it is over", lambda: is_401(client, world.at()))


async def is_401(client: httpx.AsyncClient, url: str) -> bool:
    return (await client.get(url, headers={"Accept": "*/*"})).status_code == 401


async def test_a_session_that_lives_on_keeps_passing(world: World):
    """When the server extends a session, its first end passes unnoticed."""
    world.server.session_seconds = 2.0
    try:
        client = await world.signed_in(ANA, world.at())
    finally:
        world.server.session_seconds = 3600.0
    session = next(iter(world.server.sessions.values()))
    world.server.push(
        sessions=(Session(id=session.id, user=ANA, user_name="ana", expires_at=time.time() + 3600),)
    )
    while time.time() < session.expires_at + 0.5:
        assert (await client.get(world.at(), headers={"Accept": "*/*"})).status_code == 200
        await asyncio.sleep(0.1)


async def test_sign_out_ends_the_session_everywhere(world: World):
    """The button on the gateway's page ends the session on every host and at the server, and of
    nobody else."""
    ana, bob = await world.signed_in(ANA, world.at()), await world.signed_in(BOB, world.at())
    session = next(s.id for s in world.server.sessions.values() if s.user == ANA)
    page = await ana.get(f"{world.gateway.url}/auth/sign-out")
    assert "Sign out" in page.text
    assert (await ana.post(f"{world.gateway.url}/auth/sign-out")).status_code == 404
    foreign = {"Origin": f"http://{world.gateway.host(ANAS, 80)}:{world.gateway.port}"}
    assert (
        await ana.post(f"{world.gateway.url}/auth/sign-out", headers=foreign)
    ).status_code == 403
    assert (await ana.get(world.at(), headers={"Accept": "*/*"})).status_code == 200
    done = await ana.post(
        f"{world.gateway.url}/auth/sign-out",
        headers={"Origin": world.gateway.url},
        follow_redirects=False,
    )
    assert done.status_code == 303
    assert world.server.ended == [session]
    assert await is_401(ana, world.at())
    assert (await bob.get(world.at(), headers={"Accept": "*/*"})).status_code == 403


async def test_who_is_signed_in_at_no_host_learns_nothing(world: World):
    """Known and unknown workspaces answer alike to somebody who is not signed in."""
    async with browser(follow_redirects=False) as nobody:
        known = await nobody.get(world.at())
        unknown = await nobody.get(world.gateway.at("workspace-1-1-zzzzzz", world.port))
    assert (known.status_code, unknown.status_code) == (303, 303)
    for answer in (known, unknown):
        assert answer.headers["location"].startswith(f"{world.gateway.url}/auth/start?next=")
