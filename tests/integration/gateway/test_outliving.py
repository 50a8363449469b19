"""What goes on while processes die, come back, or are not there; and what ends when access does."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from integration.gateway.installation import ANA, BOB, browser, eventually
from integration.gateway.world import ANAS, ASLEEP, BOBS, World
from moorage.contract.gateway import Grant

pytestmark = pytest.mark.haproxy

PROGRAM = {"Accept": "*/*"}


async def passes(client: httpx.AsyncClient, url: str) -> bool:
    return (await client.get(url, headers=PROGRAM)).status_code == 200


async def restart_controller(world: World) -> None:
    world.gateway.start("controller")
    await world.gateway.until_ready()


async def test_a_websocket_outlives_the_controller(own_world: World):
    """`kill -9` of the controller, and its restart: an open WebSocket stays, and who is signed in
    keeps passing."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    cookie = world.cookie(ana, world.gateway.host(ANAS, world.port))
    async with world.websocket(world.at(path="/ws"), cookie) as ws:
        world.gateway.kill("controller")
        for _ in range(3):
            assert await passes(ana, world.at())
            await ws.send("x")
            assert await ws.recv() == "echo x"
        away = await ana.get(world.at(ASLEEP))
        assert away.status_code == 503
        assert "gateway is starting" in away.text
        await restart_controller(world)
        await ws.send("y")
        assert await ws.recv() == "echo y"
        assert await passes(ana, world.at())
        assert (await ana.get(world.at(ASLEEP))).status_code == 503


async def test_what_is_taken_away_while_the_controller_is_dead_ends_when_it_is_back(
    own_world: World,
):
    """The controller knows whose requests are open though it was not there when they began."""
    world = own_world
    ana, bob = await world.signed_in(ANA, world.at()), await world.signed_in(BOB, world.at(BOBS))
    world.gateway.kill("controller")
    anas = world.websocket(
        world.at(path="/ws"), world.cookie(ana, world.gateway.host(ANAS, world.port))
    )
    bobs = world.websocket(
        world.at(BOBS, "/ws"), world.cookie(bob, world.gateway.host(BOBS, world.port))
    )
    async with anas as of_ana, bobs as of_bob:
        gone = [s.id for s in world.server.sessions.values() if s.user == ANA]
        world.server.push(removed_sessions=tuple(gone))
        await restart_controller(world)
        async with asyncio.timeout(1):
            await of_ana.wait_closed()
        await of_bob.send("x")
        assert await of_bob.recv() == "echo x"
        assert not await passes(ana, world.at())


@pytest.mark.parametrize("what", ["grant", "session", "route"])
async def test_what_is_taken_away_ends_that_persons_connections_alone(own_world: World, what: str):
    """A grant, a session or a workspace that goes ends the open WebSockets behind it within a
    second, and no others."""
    world = own_world
    grant = Grant(user=BOB, workspace=ANAS, port=world.port)
    world.server.push(grants=(grant,))
    ana, bob, elsewhere = [
        await world.signed_in(user, world.at(), world.at(BOBS)) for user in (ANA, BOB, BOB)
    ]
    at_anas, at_bobs = (world.gateway.host(name, world.port) for name in (ANAS, BOBS))
    sessions = [s.id for s in world.server.sessions.values()]
    sockets = {
        "ana at ana's": world.websocket(world.at(path="/ws"), world.cookie(ana, at_anas)),
        "bob at ana's": world.websocket(world.at(path="/ws"), world.cookie(bob, at_anas)),
        "bob at bob's": world.websocket(world.at(BOBS, "/ws"), world.cookie(bob, at_bobs)),
        "bob elsewhere at bob's": world.websocket(
            world.at(BOBS, "/ws"), world.cookie(elsewhere, at_bobs)
        ),
    }
    change, ending = {
        "grant": ({"removed_grants": (grant,)}, {"bob at ana's"}),
        "session": ({"removed_sessions": (sessions[1],)}, {"bob at ana's", "bob at bob's"}),
        "route": ({"removed_routes": (ANAS,)}, {"ana at ana's", "bob at ana's"}),
    }[what]
    opened = {name: await connection for name, connection in sockets.items()}
    world.server.push(**change)
    async with asyncio.timeout(1):
        await asyncio.gather(*(opened[name].wait_closed() for name in ending))
    for name, ws in opened.items():
        if name not in ending:
            await ws.send("x")
            assert await ws.recv() == "echo x", name
    closed = await eventually(
        "it is counted", lambda: world.gateway.metric("moorage_gateway_closed_requests_total")
    )
    assert closed == len(ending)
    for ws in opened.values():
        await ws.close()


async def test_a_workspace_that_stops_closes_nothing_by_force(own_world: World):
    """When a workspace leaves Running, new requests get its page, and what is open is left
    alone."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    cookie = world.cookie(ana, world.gateway.host(ANAS, world.port))
    async with world.websocket(world.at(path="/ws"), cookie) as ws:
        stopped = world.server.routes[ASLEEP].__class__
        world.server.push(routes=(stopped(workspace=ANAS, owner=ANA),))
        await eventually("its page is shown", lambda: shows_page(ana, world.at()))
        await asyncio.sleep(0.7)
        await ws.send("x")
        assert await ws.recv() == "echo x"


async def shows_page(client: httpx.AsyncClient, url: str) -> bool:
    return (await client.get(url)).status_code == 503


async def test_the_server_may_be_away(own_world: World):
    """Without the server, who is signed in passes; its own pages, sign-in and start say that it is
    away; it comes back."""
    world = own_world
    ana, bob = await world.signed_in(ANA, world.at(), world.at(ASLEEP)), await world.person(BOB)
    await world.stop_server()
    assert await passes(ana, world.at())
    page = await bob.get(world.gateway.url)
    assert page.status_code == 503
    assert "server does not answer" in page.text
    assert page.headers["refresh"]
    program = await bob.get(world.gateway.url, headers=PROGRAM)
    assert program.json()["code"] == "server-away"
    own = f"http://{world.gateway.host(ASLEEP, world.port)}:{world.gateway.port}"
    refused = await ana.post(f"{own}/.moorage/start", headers={"Origin": own})
    assert refused.status_code == 503
    assert "does not answer" in refused.text
    await world.start_server()
    await world.gateway.until_ready()
    assert await passes(ana, world.at())
    assert (await bob.get(world.at(BOBS))).json()["upstream"] == "bobs"


async def test_the_gateway_restarts_while_the_server_is_away(own_world: World):
    """HAProxy and controller, started anew from what is on disk, let those pass whom they let pass
    before, and no others."""
    world = own_world
    ana = await world.signed_in(ANA, world.at(), world.at(ASLEEP))
    stored = world.gateway.home.gateway / "routes.json"
    await eventually(
        "the table is written down", lambda: next(iter(world.server.sessions)) in stored.read_text()
    )
    assert not stat.S_IMODE(stored.stat().st_mode) & 0o027
    await world.stop_server()
    world.gateway.kill("controller")
    world.gateway.kill("haproxy", signal.SIGTERM)
    world.gateway.start("haproxy")
    await eventually("HAProxy is back", lambda: reaches(ana, world.at()))
    assert await passes(ana, world.at())
    world.gateway.start("controller")
    await eventually("the controller is back", lambda: says(ana, world.at(ASLEEP), "is stopped"))
    assert await passes(ana, world.at())
    async with browser() as nobody:
        assert not await passes(nobody, world.at())


async def reaches(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url, headers=PROGRAM)).status_code == 200
    except httpx.HTTPError:
        return False


async def says(client: httpx.AsyncClient, url: str, words: str) -> bool:
    return words in (await client.get(url)).text


async def test_haproxy_that_restarts_is_told_everything(own_world: World):
    """HAProxy alone dies: the controller notices by itself and tells the next one what changed
    meanwhile."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    world.gateway.kill("haproxy", signal.SIGTERM)
    world.server.push(grants=(Grant(user=ANA, workspace=BOBS),))
    world.gateway.start("haproxy")
    await eventually("HAProxy is back", lambda: reaches(ana, world.at()))
    await eventually("it knows the grant", lambda: is_bobs(ana, world.at(BOBS)))


async def is_bobs(client: httpx.AsyncClient, url: str) -> bool:
    answer = await client.get(url)
    return answer.status_code == 200 and answer.json()["upstream"] == "bobs"


async def test_a_table_on_disk_that_cannot_be_read(own_world: World):
    """A broken copy on disk stops nothing, and changes nothing in HAProxy, until the server
    speaks."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    world.gateway.kill("controller")
    await world.stop_server()
    (world.gateway.home.gateway / "routes.json").write_text("{")
    world.gateway.start("controller")
    await eventually("it says so", lambda: "cannot be read" in world.gateway.log("controller"))
    assert await passes(ana, world.at())
    await world.start_server()
    await world.gateway.until_ready()
    assert await passes(ana, world.at())


async def test_a_sign_out_that_the_server_missed_holds(own_world: World):
    """Signing out while the server is away ends the session here, over a restart too; the server is
    told when it is back."""
    world = own_world
    ana = await world.signed_in(ANA, world.at())
    [session] = world.server.sessions
    await world.stop_server()
    answer = await ana.post(
        f"{world.gateway.url}/auth/sign-out",
        headers={"Origin": world.gateway.url},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    assert not await passes(ana, world.at())
    world.gateway.kill("controller")
    await world.start_server()
    await restart_controller(world)
    assert not await passes(ana, world.at())
    await eventually("the server is told", lambda: world.server.ended == [session])


async def test_idle_costs(own_world: World):
    """Idle, the controller holds less than 50 MB and does nothing."""
    world = own_world
    await world.signed_in(ANA, world.at())
    pid = world.gateway.processes["controller"].pid
    status = Path(f"/proc/{pid}/status").read_text()  # noqa: ASYNC240 - no file on a disk
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
    assert resident < 50, resident
    before = cpu_seconds(pid)
    await asyncio.sleep(2)
    assert cpu_seconds(pid) - before <= 0.02


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_port_that_is_taken(own_world: World):
    """A second HAProxy on the same port says which port, and what to do, with the exit code of a
    misconfiguration."""
    home = str(own_world.gateway.home.path)
    command = [sys.executable, "-m", "moorage.gateway.haproxy", "--home", home]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 9
    assert f"Port {own_world.gateway.port} on 127.0.0.1 cannot be used" in done.stderr
    assert "--port" in done.stderr
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        environ = {**os.environ, "MOORAGE_GATEWAY_PORT": str(port)}
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=30, env=environ
        )
    assert f"Port {port} on 127.0.0.1 cannot be used" in done.stderr


async def test_a_configuration_that_haproxy_refuses(own_world: World, tmp_path: Path):
    """What HAProxy has against its configuration is said in one line; that a certificate is
    missing, before it is asked."""
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate\n")
    environ = {
        **os.environ,
        "MOORAGE_GATEWAY_TLS_CERTIFICATE": str(broken),
        "MOORAGE_GATEWAY_PORT": "28443",
    }
    command = [
        sys.executable,
        "-m",
        "moorage.gateway.haproxy",
        "--home",
        str(own_world.gateway.home.path),
    ]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=30, env=environ
    )
    assert done.returncode == 9
    assert "HAProxy does not accept its configuration" in done.stderr
    assert str(broken) in done.stderr
    environ["MOORAGE_GATEWAY_TLS_CERTIFICATE"] = f"{broken},/nowhere.pem"
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=30, env=environ
    )
    assert done.returncode == 9
    assert "The certificate /nowhere.pem is not there" in done.stderr
    environ = {**os.environ, "MOORAGE_GATEWAY_HAPROXY": "no-such-haproxy"}
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=30, env=environ
    )
    assert "apt-get install haproxy" in done.stderr


async def test_a_connection_that_is_refused_is_no_websocket(own_world: World):
    """A WebSocket without access is refused before it opens."""
    world = own_world
    bob = await world.signed_in(BOB, world.at())
    with pytest.raises(InvalidStatus, match="403"):
        await world.websocket(
            world.at(path="/ws"), world.cookie(bob, world.gateway.host(ANAS, world.port))
        )
