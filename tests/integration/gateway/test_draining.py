"""The gentle end: no new connections, while who is inside may finish, for as long as is allowed."""

from __future__ import annotations

import asyncio
import signal
import socket
import time

import httpx
import pytest

from integration.gateway.installation import ANA, browser, eventually
from integration.gateway.world import ANAS, World

pytestmark = pytest.mark.haproxy


def drained(seconds: float, **settings: float) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "own_world", [{"drain_seconds": seconds, **settings}], indirect=True
    )


def end(world: World, *names: str) -> float:
    """As Kubernetes does, to all at once. Returns when that was."""
    for name in names or ("haproxy", "controller"):
        world.gateway.processes[name].send_signal(signal.SIGTERM)
    return time.monotonic()


async def ended(world: World, name: str, within: float) -> int:
    process = world.gateway.processes[name]
    await eventually(f"{name} has ended", lambda: process.poll() is not None, within=within)
    return process.returncode


def is_closed(world: World) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", world.gateway.port)) != 0


async def health(world: World, path: str) -> int:
    async with httpx.AsyncClient() as client:
        return (
            await client.get(f"http://127.0.0.1:{world.gateway.port + 1}/healthz/{path}")
        ).status_code


@drained(30.0, lameduck_seconds=4.0)
async def test_load_balancers_have_time_to_turn_away(own_world: World):
    """For `lameduck_seconds` after SIGTERM, new connections are served as ever: `/healthz/gateway`
    sends balancers elsewhere at once, `/healthz/serving` (readiness) says that who comes all the
    same gets in, until the door closes."""
    world = own_world
    assert (await health(world, "gateway"), await health(world, "serving")) == (200, 200)
    async with browser() as early:
        assert (await early.get(f"{world.gateway.url}/x")).status_code == 200
        began = end(world)
        await eventually(
            "balancers are sent away", lambda: says(world, "gateway", 503), within=3, every=0.1
        )
        assert await health(world, "serving") == 200
        async with browser() as late:
            assert (await late.get(f"{world.gateway.url}/x")).status_code == 200
        assert time.monotonic() - began < 4, "too slow to see anything"
        ana = await world.signed_in(ANA, world.at())
        cookie = world.cookie(ana, world.gateway.host(ANAS, world.port))
        async with world.websocket(world.at(path="/ws"), cookie) as ws:
            await eventually("the door is closed", lambda: is_closed(world))
            assert 4 <= time.monotonic() - began < 9
            assert (await health(world, "gateway"), await health(world, "serving")) == (503, 503)
            assert world.gateway.processes["controller"].poll() is None
            await ws.send("x")
            assert await ws.recv() == "echo x"


async def says(world: World, path: str, status: int) -> bool:
    return await health(world, path) == status


@drained(60.0, lameduck_seconds=30.0)
async def test_haproxy_says_by_itself_that_it_ends(own_world: World):
    """Whether the controller heard of it or not; and the controller, told later, waits for it while
    the door is still open."""
    world = own_world
    end(world, "haproxy")
    await eventually(
        "balancers are sent away", lambda: says(world, "gateway", 503), within=3, every=0.1
    )
    end(world, "controller")
    await asyncio.sleep(4)
    assert world.gateway.processes["controller"].poll() is None
    assert not is_closed(world)
    end(world)
    assert await ended(world, "haproxy", 5) == 0
    assert await ended(world, "controller", 5) == 0


@drained(30.0)
async def test_who_is_inside_may_finish_and_loses_access_all_the_same(own_world: World):
    """After SIGTERM nobody new comes in, an open WebSocket goes on, and the controller still ends
    what may not stay open; when nobody is left, both end."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    cookie = world.cookie(ana, world.gateway.host(ANAS, world.port))
    await ana.aclose()
    async with (
        world.websocket(world.at(path="/ws"), cookie) as first,
        world.websocket(world.at(path="/ws"), cookie) as second,
    ):
        end(world)
        assert not is_closed(world), "load balancers hear of it a little later"
        await eventually("the door is closed", lambda: is_closed(world))
        for ws in (first, second):
            await ws.send("x")
            assert await ws.recv() == "echo x"
        await first.close()
        await asyncio.sleep(1)
        assert world.gateway.processes["controller"].poll() is None
        world.server.push(removed_sessions=tuple(world.server.sessions))
        async with asyncio.timeout(2):
            await second.wait_closed()
    assert await ended(world, "haproxy", 5) == 0
    assert await ended(world, "controller", 5) == 0


@drained(2.0)
async def test_it_ends_in_time_whoever_is_inside(own_world: World):
    """`drain_seconds` bound it."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    async with world.websocket(
        world.at(path="/ws"), world.cookie(ana, world.gateway.host(ANAS, world.port))
    ) as ws:
        began = end(world)
        assert await ended(world, "haproxy", 6) == 0
        assert 2 <= time.monotonic() - began < 5
        assert await ended(world, "controller", 4) == 0
        async with asyncio.timeout(2):
            await ws.wait_closed()


@drained(60.0)
async def test_who_only_rests_holds_nobody_up(own_world: World):
    """A connection that is kept for a next request is no work that has to be waited for."""
    world = own_world
    async with browser() as resting:
        assert (await resting.get(f"{world.gateway.url}/x")).status_code == 200
        end(world)
        assert await ended(world, "haproxy", 15) == 0
        assert await ended(world, "controller", 5) == 0


@drained(60.0, lameduck_seconds=30.0)
async def test_a_controller_that_alone_is_told_to_end_waits_for_nobody(own_world: World):
    """HAProxy goes on taking connections, so that it is not about to end; it needs the next
    controller soon."""
    end(own_world, "controller")
    assert await health(own_world, "gateway") == 200
    assert await ended(own_world, "controller", 6) == 0
    assert not is_closed(own_world)
    own_world.gateway.kill("haproxy")


@drained(60.0)
async def test_a_second_signal_ends_at_once(own_world: World):
    """As somebody at a terminal expects."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    async with world.websocket(
        world.at(path="/ws"), world.cookie(ana, world.gateway.host(ANAS, world.port))
    ):
        end(world)
        await eventually("the door is closed", lambda: is_closed(world))
        end(world)
        assert await ended(world, "haproxy", 3) == 0
        assert await ended(world, "controller", 3) == 0


async def test_without_it_both_end_at_once(own_world: World):
    """The default, for one machine."""
    end(own_world)
    await ended(own_world, "haproxy", 3)
    assert await ended(own_world, "controller", 3) == 0
