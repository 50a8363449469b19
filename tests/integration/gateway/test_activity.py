"""What people do in their workspaces keeps their sessions alive; what pages do by themselves does
not."""

from __future__ import annotations

import asyncio
import time

import pytest

from integration.gateway.installation import ANA, BOB, eventually
from integration.gateway.world import ANAS, BOBS, World
from moorage.gateway.haproxy import activity
from moorage.gateway.haproxy.runtime import Runtime

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]

BROWSER = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
CLICK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-User": "?1"}
"""The headers by which a browser says that a person goes to a page."""
GOES = {**CLICK, "Sec-Fetch-Site": "none"}
OWN, FOREIGN = "own origin", "http://evil.example"

COUNT = [
    ("GET", {}),
    ("POST", {}),
    ("POST", {"Origin": OWN}),
    ("GET", {"Referer": f"{OWN}/page"}),
    ("GET", GOES),
    ("GET", {**CLICK, "Sec-Fetch-Site": "same-origin"}),
    ("GET", {**CLICK, "Sec-Fetch-Site": "cross-site", "Referer": "http://tickets.example/7"}),
    ("POST", {**BROWSER, "Origin": OWN}),
    ("POST", {**GOES, "Sec-Fetch-Site": "same-origin", "Origin": OWN}),
]
DO_NOT_COUNT = [
    ("GET", BROWSER),
    ("GET", {**BROWSER, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
    ("GET", {**GOES, "Sec-Fetch-User": ""}),
    ("GET", {**BROWSER, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": "cross-site"}),
    ("GET", {**BROWSER, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}),
    ("POST", {**CLICK, "Sec-Fetch-Site": "cross-site", "Origin": FOREIGN}),
    ("POST", {"Origin": FOREIGN}),
    ("GET", {"Origin": FOREIGN}),
    ("GET", {"Referer": f"{FOREIGN}/page"}),
    ("GET", {"Upgrade": "websocket", "Connection": "Upgrade"}),
]


def filled(world: World, headers: dict[str, str]) -> dict[str, str]:
    own = f"http://{world.gateway.host(ANAS, world.port)}:{world.gateway.port}"
    return {name: value.replace(OWN, own) for name, value in headers.items()}


async def noted(world: World) -> dict[str, float]:
    """HAProxy's book."""
    runtime = Runtime(world.gateway.home.socket("haproxy"))
    return activity.noted(await runtime.ask(f"show table {activity.TABLE}"))


async def forget(world: World) -> None:
    await Runtime(world.gateway.home.socket("haproxy")).ask(f"clear table {activity.TABLE}")


async def cookie_of(world: World, user: int = ANA, workspace: str = ANAS) -> tuple[str, str]:
    """Somebody's new session at that workspace: its cookie and its id."""
    person = await world.signed_in(user, world.at(workspace))
    cookie = world.cookie(person, world.gateway.host(workspace, world.port))
    await forget(world)
    return cookie, cookie.partition("=")[2].partition(".")[0]


def last_uses(world: World) -> dict[str, float]:
    """What the server was told: when each session was used."""
    return {key: at for used in world.server.used for key, at in used.items()}


@pytest.mark.parametrize(("method", "headers"), COUNT)
async def test_what_a_person_causes_is_noted(world: World, method: str, headers: dict[str, str]):
    """With the time, by the session of the cookie that came with it."""
    cookie, session = await cookie_of(world)
    began = int(time.time())
    host = world.gateway.host(ANAS, world.port)
    sent = {"Cookie": cookie, **filled(world, headers)}
    assert (await world.raw(host, sent, method=method))[0] == 200
    book = await noted(world)
    assert list(book) == [session]
    assert began <= book[session] <= time.time()


@pytest.mark.parametrize(("method", "headers"), DO_NOT_COUNT)
async def test_what_pages_do_by_themselves_is_not_noted(
    world: World, method: str, headers: dict[str, str]
):
    """A page that asks again and again, what another site embeds, sends or leads to by itself."""
    cookie, _ = await cookie_of(world)
    host = world.gateway.host(ANAS, world.port)
    await world.raw(host, {"Cookie": cookie, **filled(world, headers)}, method=method)
    assert await noted(world) == {}


async def test_what_does_not_pass_is_not_noted(world: World):
    """Without a cookie, with another host's, with a forged one, at somebody else's workspace, and
    what is refused for who asks."""
    cookie, session = await cookie_of(world)
    host, bobs = (world.gateway.host(name, world.port) for name in (ANAS, BOBS))
    forged = f"moorage_session={session}.{'A' * 64}"
    for where, sent in (
        (host, {}),
        (host, {"Cookie": forged}),
        (bobs, {"Cookie": cookie}),
        (host, {"Cookie": cookie, "Sec-Fetch-Site": "same-site", "Origin": f"http://{bobs}"}),
    ):
        assert (await world.raw(where, sent, method="POST"))[0] in (401, 403)
    assert await noted(world) == {}


async def test_the_server_hears_of_it_once_for_many(world: World):
    """Hundreds of requests of two people are one request to the server, which names each with how
    long ago it was."""
    began = int(time.time()) - 1
    (anas, ana), (bobs, bob) = await cookie_of(world), await cookie_of(world, BOB, BOBS)
    world.server.used.clear()
    for _ in range(100):
        for workspace, cookie in ((ANAS, anas), (BOBS, bobs)):
            host = world.gateway.host(workspace, world.port)
            assert (await world.raw(host, {"Cookie": cookie}))[0] == 200

    await eventually("both are told", lambda: {ana, bob} <= last_uses(world).keys())
    assert began <= last_uses(world)[ana] <= time.time()
    assert len(world.server.used) <= 3


async def test_what_a_person_sends_by_a_websocket_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Its opening does not, which pages do by themselves, nor the heartbeat of an idle one; typing
    does."""
    # What is left of a session says how often its use is told.
    monkeypatch.setattr(world.server, "session_seconds", 120)
    cookie, idle = await cookie_of(world)
    typing_cookie, typing = await cookie_of(world)
    url = world.at(path="/ws")
    async with world.websocket(url, cookie) as quiet, world.websocket(url, typing_cookie) as busy:
        began = time.time() + 1

        async def types() -> bool:
            await quiet.ping()
            for _ in range(10):
                await busy.send("a few words that somebody types into a terminal")
                await asyncio.sleep(0.2)
            return last_uses(world).get(typing, 0.0) > began

        await eventually("it is told", types)
    assert last_uses(world).get(idle, 0.0) < began
