"""What a workspace that cannot be opened right now shows, and to whom."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re

import httpx
import pytest

from integration.gateway.installation import ANA, BOB, eventually, route
from integration.gateway.world import ANAS, ASLEEP, BOBS, World
from moorage.contract import ActualState, Cause, DesiredState, Stage, StageName, StageState
from moorage.gateway.app import STREAMS
from moorage.kernel.ids import new_secret
from ports import free_port

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]

PROGRAM = {"Accept": "*/*"}


async def eventually_says(client: httpx.AsyncClient, url: str, words: str) -> httpx.Response:
    async def said() -> httpx.Response | None:
        answer = await client.get(url)
        return answer if words in answer.text else None

    return await eventually(f"it says {words!r}", said)


async def test_stopped_has_a_button_that_starts_it_and_leads_on(world: World):
    """From the page of a stopped workspace: the button, the start, the stages live, and the URL
    that was wanted."""
    ana = await world.person()
    wanted = world.at(ASLEEP, "/?folder=/projects/x&y=1")
    page = await ana.get(wanted)
    assert page.status_code == 503
    assert "stopped" in page.text
    action = re.findall(r'<form method="post" action="([^"]+)"', page.text)[0]
    [hidden] = re.findall(r'name="next" value="([^"]*)"', page.text)
    [events] = re.findall(r'sse-connect="([^"]*)"', page.text)
    assert html.unescape(hidden) == "/?folder=/projects/x&y=1"
    own = f"http://{world.gateway.host(ASLEEP, world.port)}:{world.gateway.port}"
    started = await ana.post(
        own + action,
        data={"next": html.unescape(hidden)},
        headers={"Origin": own},
        follow_redirects=False,
    )
    assert (started.status_code, started.headers["location"]) == (303, "/?folder=/projects/x&y=1")
    assert world.server.started == [(ASLEEP, ANA)]
    stages = (
        Stage(
            name=StageName.IMAGE, state=StageState.RUNNING, started_at=1.0, detail="pulling demo"
        ),
    )
    world.server.push(
        routes=(
            route(
                ASLEEP,
                ANA,
                "",
                desired=DesiredState.RUNNING,
                state=ActualState.STARTING,
                stages=stages,
            ),
        )
    )
    starting = await eventually_says(ana, wanted, "is starting")
    assert "pulling demo" in starting.text
    async with asyncio.timeout(10), ana.stream("GET", own + html.unescape(events)) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = stream.aiter_text()
        assert "pulling demo" in await anext(text)
        world.server.push(routes=(route(ASLEEP, ANA, "127.0.0.1"),))
        rest = "".join([piece async for piece in text])
    assert "data-go" in rest
    assert (await ana.get(wanted)).json()["path"] == "/?folder=/projects/x&y=1"


async def test_the_page_leads_on_where_haproxy_alone_may_connect(world: World):
    """The controller tries no port of a workspace's, which the firewall keeps from it: it would
    wait in vain, and the person with it. Here nobody listens at all."""
    ana = await world.person()
    late = "workspace-1-1-111111"
    world.server.push(
        routes=(route(late, ANA, "", desired=DesiredState.RUNNING, state=ActualState.STARTING),)
    )
    port = free_port()
    url = world.gateway.at(late, port)
    await eventually_says(ana, url, "is starting")
    async with ana.stream("GET", world.gateway.at(late, port, "/.moorage/events?next=/")) as stream:
        text = stream.aiter_text()
        await anext(text)
        world.server.push(routes=(route(late, ANA, "127.0.0.3"),))
        async with asyncio.timeout(8):
            assert "data-go" in "".join([piece async for piece in text])


async def test_failed_says_why(world: World):
    """A workspace that failed shows its cause, with detail and hint as text, and can be started
    again. That it could not start is only said of one whose start failed."""
    cause = Cause(
        code="image-not-found",
        message="The image <b>x</b> is not there.",
        detail="log line",
        hint="Look at it.",
    )
    world.server.push(
        routes=(
            route(
                ASLEEP, ANA, "", desired=DesiredState.RUNNING, state=ActualState.FAILED, cause=cause
            ),
        )
    )
    ana = await world.person()
    page = await eventually_says(ana, world.at(ASLEEP), "This workspace has failed.")
    assert "The image &lt;b&gt;x&lt;/b&gt; is not there." in page.text
    assert "log line" in page.text
    assert "Start it again" in page.text
    failed = Stage(name=StageName.IMAGE, state=StageState.FAILED, detail="no such image")
    world.server.push(
        routes=(
            route(
                ASLEEP,
                ANA,
                "",
                desired=DesiredState.RUNNING,
                state=ActualState.FAILED,
                cause=cause,
                stages=(failed,),
            ),
        )
    )
    await eventually_says(ana, world.at(ASLEEP), "This workspace could not start.")
    program = await ana.get(world.at(ASLEEP), headers=PROGRAM)
    assert (program.status_code, program.json()["code"]) == (503, "workspace-failed")
    assert program.json()["detail"] == "The image <b>x</b> is not there."
    assert program.headers["retry-after"]


async def test_deleted_is_gone(world: World):
    """A workspace that is being deleted says so; one that is deleted is unknown."""
    ana = await world.person()
    world.server.push(
        routes=(
            route(ASLEEP, ANA, "", desired=DesiredState.TERMINATED, state=ActualState.TERMINATING),
        )
    )
    page = await eventually_says(ana, world.at(ASLEEP), "has been deleted")
    assert page.status_code == 410
    world.server.push(removed_routes=(ASLEEP,))
    page = await eventually_says(ana, world.at(ASLEEP), "No such workspace")
    assert page.status_code == 404


async def test_state_is_shown_to_those_who_may_see_it_alone(world: World):
    """Another person gets 403 from page, events and button; nobody signed in gets 401."""
    bob = await world.signed_in(BOB, world.at(ASLEEP))
    own = f"http://{world.gateway.host(ASLEEP, world.port)}:{world.gateway.port}"
    refused = await bob.get(own)
    assert refused.status_code == 403
    # Nothing that nobody can do is advised: there is no sharing.
    assert "share" not in refused.text
    assert "A workspace opens for its owner alone." in refused.text
    assert (await bob.get(f"{own}/.moorage/events?next=/")).status_code == 403
    assert (await bob.post(f"{own}/.moorage/start", headers={"Origin": own})).status_code == 403
    nobody = await world.person(0)
    assert (await nobody.get(f"{own}/.moorage/events", headers=PROGRAM)).status_code == 401
    assert (
        await nobody.post(f"{own}/.moorage/start", headers={"Origin": own, **PROGRAM})
    ).status_code == 401
    assert world.server.started == []


async def test_only_its_own_page_starts_a_workspace(world: World):
    """Without an Origin, or from another one, even another port of the same workspace, the button
    does nothing."""
    ana = await world.signed_in(ANA, world.at(ASLEEP))
    own = f"http://{world.gateway.host(ASLEEP, world.port)}:{world.gateway.port}"
    others = [
        world.gateway.host(ASLEEP, 3000),
        world.gateway.host(ANAS, world.port),
        "moorage.localhost",
    ]
    for headers in ({}, *({"Origin": f"http://{host}:{world.gateway.port}"} for host in others)):
        answer = await ana.post(f"{own}/.moorage/start", headers=headers)
        assert answer.status_code == 403, headers
    assert (await ana.get(f"{own}/.moorage/start")).status_code == 404
    assert world.server.started == []


async def test_the_button_leads_nowhere_else(world: World):
    """`next` of the button stays on the workspace's host, whatever it says."""
    ana = await world.signed_in(ANA, world.at(ASLEEP))
    own = f"http://{world.gateway.host(ASLEEP, world.port)}:{world.gateway.port}"
    for wanted in (
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "/\r\nX: y",
        "x" * 20_000,
    ):
        answer = await ana.post(
            f"{own}/.moorage/start",
            data={"next": wanted},
            headers={"Origin": own},
            follow_redirects=False,
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), wanted


async def test_the_live_page_of_somebody_who_lost_access_leads_away(world: World):
    """When the session ends, the open page loads anew, which leads to sign-in."""
    ana = await world.signed_in(ANA, world.at(ASLEEP))
    url = world.at(ASLEEP, "/.moorage/events?next=/")
    async with asyncio.timeout(10), ana.stream("GET", url) as stream:
        text = stream.aiter_text()
        assert "stopped" in await anext(text)
        world.server.push(removed_sessions=tuple(world.server.sessions))
        assert "data-go" in "".join([piece async for piece in text])


async def test_live_pages_of_one_person_are_limited(world: World):
    """One person with many of them is told so; nobody else is, and whoever closes one may open
    another."""
    ana, bob = (
        await world.signed_in(ANA, world.at(ASLEEP)),
        await world.signed_in(BOB, world.at(BOBS)),
    )
    world.server.push(routes=(route(BOBS, BOB, ""),))
    url, bobs = world.at(ASLEEP, "/.moorage/events"), world.at(BOBS, "/.moorage/events")
    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(ana.stream("GET", url)) for _ in range(STREAMS)]
        assert {stream.status_code for stream in streams} == {200}
        refused = await ana.get(url, headers=PROGRAM)
        assert (refused.status_code, refused.json()["code"]) == (429, "too-many-streams")
        assert (await stack.enter_async_context(bob.stream("GET", bobs))).status_code == 200
        await streams[0].aclose()

        async def opens() -> bool:
            """HAProxy notices that a browser has gone when it is told something."""
            cause = Cause(code="x", message=new_secret())
            world.server.push(routes=(route(ASLEEP, ANA, "", state=ActualState.FAILED, desired=DesiredState.RUNNING, cause=cause),))  # fmt: skip
            async with ana.stream("GET", url, headers=PROGRAM) as stream:
                return stream.status_code == 200

        await eventually("there is room", opens)


async def test_pages_bring_their_own_assets(world: World):
    """Whatever a page links to is there, for everybody, and may be kept."""
    ana = await world.person()
    page = await ana.get(world.at(ASLEEP))
    assets = re.findall(r'(?:href|src)="(/\.moorage/assets/[^"]+)"', page.text)
    assert len(assets) >= 3
    nobody = await world.person(0)
    for asset in assets:
        answer = await nobody.get(str(page.url.join(asset)), headers=PROGRAM)
        assert answer.status_code == 200, asset
        assert "immutable" in answer.headers["cache-control"]
    assert (
        await nobody.get(str(page.url.join("/.moorage/assets/x/nothing")), headers=PROGRAM)
    ).status_code == 404
