"""What agents and servers say never becomes a command of HAProxy's."""

from __future__ import annotations

import httpx
import pytest

from integration.gateway.installation import ANA, BOB, eventually, route
from integration.gateway.world import ANAS, BOBS, World
from moorage.gateway.haproxy.access_map import FILE, Difference
from moorage.gateway.haproxy.runtime import Runtime
from moorage.kernel.errors import Misconfigured

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVIL = (
    "::1%x;disable frontend web",
    "127.0.0.1;disable frontend web",
    "127.0.0.1\ndisable frontend web",
    "fe80::1%1 x",
)


async def serves(client: httpx.AsyncClient, world: World, workspace: str) -> bool:
    answer = await client.get(world.at(workspace))
    return answer.status_code == 200 and "upstream" in answer.json()


@pytest.mark.parametrize("address", EVIL)
async def test_an_address_is_no_command(world: World, address: str):
    """It is refused, and its page says why; the frontend serves, and another route of the same
    message works."""
    bobs = await world.signed_in(BOB, world.at(BOBS))
    assert await serves(bobs, world, BOBS)
    ana = await world.signed_in(ANA, world.at(ANAS))
    world.server.push(routes=(route(ANAS, ANA, address), route(BOBS, BOB, "127.0.0.2")))
    await eventually("the gateway knows", lambda: world.knows(world.server.revision))
    assert await serves(bobs, world, BOBS)
    refused = await ana.get(world.at(ANAS))
    assert refused.status_code == 503
    assert "does not lead to the address" in refused.text


@pytest.mark.parametrize(
    "name",
    ["workspace-1-1-aaaaaa.z:;disable frontend web", "workspace-1-1-aaaaaa;disable frontend web"],
)
async def test_a_name_is_no_command(world: World, name: str):
    """A route with such a name is none; those that came with it are."""
    world.server.push(routes=(route(name, BOB, "127.0.0.2"), route(BOBS, BOB, "127.0.0.2")))
    bobs = await world.signed_in(BOB, world.at(BOBS))
    assert await serves(bobs, world, BOBS)


async def test_the_runtime_client_says_nothing_else(world: World):
    """Whoever asks it: commands, keys, values and payloads are words; an entry that is none keeps
    no other away."""
    runtime = Runtime(world.gateway.home.socket("haproxy"))
    bobs = await world.signed_in(BOB, world.at(BOBS))
    before = (await runtime.ask(f"show map {FILE}")).splitlines()
    evil = tuple((f"k{number}", text) for number, text in enumerate(EVIL))
    keys = tuple((text, "127.0.0.1") for text in EVIL)
    added = (*evil, *keys, ("some/key", "127.0.0.9"))
    await runtime.change(FILE, Difference(removed=EVIL, changed=evil, added=added))
    after = (await runtime.ask(f"show map {FILE}")).splitlines()
    assert [
        line.split()[1:]
        for line in after
        if line.split()[1:] not in [old.split()[1:] for old in before]
    ] == [["some/key", "127.0.0.9"]]
    await runtime.change(FILE, Difference(removed=("some/key",)))
    for command in (
        f"show map {FILE};disable frontend web",
        f"show map {FILE}\ndisable frontend web",
        "show <<",
    ):
        with pytest.raises(Misconfigured):
            await runtime.ask(command)
    for name, pem in (
        ("x;disable frontend web", "a\n"),
        ("x", "a;b\n"),
        ("x", "a\n\ndisable frontend web\n"),
    ):
        with pytest.raises(Misconfigured):
            await runtime.stage_certificate(name, pem)
    assert await serves(bobs, world, BOBS)
