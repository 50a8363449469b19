"""A server that is reached by TCP, as in a cluster: HAProxy carries the zone host's traffic to
it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.gateway.certificates import Authority
from integration.gateway.conftest import new_world
from integration.gateway.connect_proxy import connect_proxy
from integration.gateway.installation import ANA, browser, eventually, serving
from integration.gateway.name_server import NameServer
from integration.gateway.world import World
from moorage.contract.agent import PATH as AGENTS_PATH
from moorage.contract.gateway import PATH as GATEWAYS_PATH
from ports import free_port

pytestmark = pytest.mark.haproxy

NAME_SERVER = "127.0.0.77"
"""One test alone listens there, on port 53."""


@contextlib.asynccontextmanager
async def by_tcp(server: str, **settings: Any) -> AsyncIterator[World]:
    """A world whose server is to be reached at that URL; nothing runs yet."""
    async with new_world(
        start=False, **{"server": server, "server_on_zone": True, **settings}
    ) as world:
        yield world


async def status(world: World, path: str = "/x") -> int:
    try:
        return (await world.raw("moorage.localhost", {}, path))[0]
    except OSError:
        return 0


async def test_one_host_serves_pages_api_and_websockets():
    """As on one machine: the host's name, cookies and bodies pass, forged headers do not, and
    internal paths are nobody's."""
    port = free_port()
    async with (
        by_tcp(f"http://127.0.0.1:{port}") as world,
        serving(world.server.app, host="127.0.0.1", port=port),
    ):
        world.gateway.start("controller")
        world.gateway.start("haproxy")
        await world.gateway.until_ready()
        ana = await world.person()
        answer = await ana.get(
            f"{world.gateway.url}/workspaces?x=1", headers={"X-Moorage-User": "1", "Forwarded": "x"}
        )
        assert answer.json()["server"] == "/workspaces"
        seen = world.server.seen[-1]
        assert (seen["host"], seen["cookie"]) == (
            f"moorage.localhost:{world.gateway.port}",
            f"moorage={ANA}",
        )
        assert (seen["x-forwarded-for"], seen["x-forwarded-host"]) == ("127.0.0.1", seen["host"])
        assert not {"x-moorage-user", "forwarded"} & seen.keys()
        posted = await ana.post(f"{world.gateway.url}/api/v1/x", content=b"z" * 100_000)
        assert posted.json()["bytes"] == 100_000
        async with world.websocket(f"{world.gateway.url}/ws", "a=1") as websocket:
            await websocket.send("x")
            assert await websocket.recv() == "echo x"
        assert (await ana.get(world.at())).json()["upstream"] == "anas"
        for path in (
            "/metrics",
            "/metrics/",
            "/%6detrics",
            "/healthz",
            "/internal/x",
            "/metrics/server",
            "/metrics/gateway",
        ):
            assert await status(world, path) == 404, path
        for path in (AGENTS_PATH, GATEWAYS_PATH):
            assert await status(world, path) == 200, path


@pytest.mark.parametrize(
    ("bundle", "name", "served"),
    [
        ("own", "localhost", True),
        ("other", "localhost", False),
        ("own", "elsewhere.example", False),
    ],
)
async def test_https_is_verified(tmp_path: Path, bundle: str, name: str, served: bool):
    """The server's certificate must be of an authority in the bundle, and for the name that the
    setting has."""
    authority = Authority(tmp_path / "own")
    certificate, key = authority.issue(name)
    trusted = authority if bundle == "own" else Authority(tmp_path / "other")
    port = free_port()
    tls = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    async with (
        by_tcp(f"https://localhost:{port}", server_ca_bundle=str(trusted.certificate)) as world,
        serving(world.server.app, host="127.0.0.1", port=port, **tls),
    ):
        world.gateway.start("controller")
        world.gateway.start("haproxy")
        if served:
            await world.gateway.until_ready()
            ana = await world.person()
            assert (await ana.get(f"{world.gateway.url}/workspaces")).json()[
                "server"
            ] == "/workspaces"
            assert (await ana.get(world.at())).json()["upstream"] == "anas"
            return
        await eventually("HAProxy answers", lambda: status(world))
        async with browser() as person:
            page = await person.get(world.gateway.url)
        assert page.status_code == 503
        assert "server does not answer" in page.text
        assert world.server.seen == []
        assert "cannot be verified" in await eventually(
            "it says why", lambda: waits_for(world, "verified")
        )


@pytest.mark.parametrize("on_zone", [True, False])
async def test_the_bundle_comes_beside_what_the_machine_trusts(tmp_path: Path, on_zone: bool):
    """A server whose certificate is of an authority that the machine trusts is served although
    there is a bundle with another: to HAProxy and to the controller, on its stream and at a
    sign-in."""
    public, private = Authority(tmp_path / "public"), Authority(tmp_path / "private")
    certificate, key = public.issue("localhost")
    port = free_port()
    tls = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    bundle = str(private.certificate)
    async with (
        by_tcp(
            f"https://localhost:{port}", server_ca_bundle=bundle, server_on_zone=on_zone
        ) as world,
        serving(world.server.app, host="127.0.0.1", port=port, **tls),
    ):
        if not on_zone:
            world.server.url = f"https://localhost:{port}"
        world.gateway.environment = {"SSL_CERT_FILE": str(public.certificate)}
        world.gateway.start("controller")
        world.gateway.start("haproxy")
        await world.gateway.until_ready()
        ana = await world.person()
        ana.cookies.set("moorage", str(ANA), domain="localhost.local")
        assert (await ana.get(world.at())).json()["upstream"] == "anas"
        if on_zone:
            assert (await ana.get(f"{world.gateway.url}/workspaces")).json()[
                "server"
            ] == "/workspaces"


async def test_behind_an_egress_proxy(tmp_path: Path):
    """Where only a proxy leads to the server, the stream, a sign-in and the end of a session all
    take it; what it refuses is told without its password."""
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("moorage.example")
    port = free_port()
    tls = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    server = f"moorage.example:{port}"
    settings = {"server_ca_bundle": str(authority.certificate), "server_on_zone": False}
    async with (
        by_tcp(f"https://{server}", **settings) as world,
        serving(world.server.app, host="127.0.0.1", port=port, **tls),
        connect_proxy({server: port}) as proxy,
    ):
        world.server.url = f"https://{server}"
        world.gateway.environment = {
            "HTTPS_PROXY": proxy.url,
            "NO_PROXY": "other.example,10.0.0.0/8",
        }
        world.gateway.start("controller")
        world.gateway.start("haproxy")
        await world.gateway.until_ready()
        assert proxy.asked == [server], "the stream"
        ana = await world.person()
        ana.cookies.set("moorage", str(ANA), domain="moorage.example")
        assert (await ana.get(world.at())).json()["upstream"] == "anas"
        assert proxy.asked == [server] * 2, "the sign-in"
        await ana.post(f"{world.gateway.url}/auth/sign-out", headers={"Origin": world.gateway.url})
        await eventually("the session has ended at the server", lambda: world.server.ended)
    async with by_tcp(f"https://{server}", **settings) as world, connect_proxy({}) as proxy:
        world.gateway.environment = {"HTTPS_PROXY": proxy.url}
        world.gateway.start("controller")
        world.gateway.start("haproxy")
        await eventually("HAProxy answers", lambda: status(world))
        said = await eventually("it says why", lambda: waits_for(world, "proxy"))
        assert "environment's proxy answers 403" in said
        assert "cret" not in said + world.gateway.log("controller")


async def waits_for(world: World, words: str) -> str:
    """The body of the readiness probe, when it has these words."""
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient() as client:
            text = (
                await client.get(f"http://127.0.0.1:{world.gateway.port + 1}/healthz/gateway")
            ).text
        return text if words in text else ""
    return ""


async def test_a_name_that_comes_to_be_and_moves(tmp_path: Path):
    """HAProxy starts first, alone, with a short name that the search list completes and that does
    not exist yet; it serves when name, server and controller are there, follows the name to another
    address, and needs no restart for any of it."""
    (tmp_path / "resolv.conf").write_text(
        f"search nowhere.test moorage.svc.cluster.test\nnameserver {NAME_SERVER}\noptions ndots:5 timeout:1 attempts:1\n"
    )
    names = NameServer()
    port = free_port()
    async with by_tcp(f"http://moorage-server:{port}") as world:
        world.gateway.prefix = in_surroundings(tmp_path)
        world.gateway.start("haproxy")
        await eventually("HAProxy answers", lambda: status(world))
        assert await status(world) == 503
        async with browser() as person:
            assert "server does not answer" in (await person.get(world.gateway.url)).text
        await names.listen(NAME_SERVER)
        try:
            full = "moorage-server.moorage.svc.cluster.test"
            await eventually("it asks for the name", lambda: full in names.asked, within=20)
            names.names[full] = "127.0.0.2"
            world.gateway.start("controller")
            async with serving(world.server.app, host="127.0.0.2", port=port):
                await eventually("it is served", lambda: is_200(world), within=20)
                await world.gateway.until_ready()
            await eventually("nobody answers", lambda: is_503(world))
            async with serving(world.server.app, host="127.0.0.3", port=port):
                names.names[full] = "127.0.0.3"
                await eventually("it has followed", lambda: is_200(world), within=30)
                await world.gateway.until_ready()
                names.close()
                await asyncio.sleep(8)
                assert await status(world) == 200, "name servers in trouble take nothing away"
        finally:
            names.close()


async def test_a_name_without_any_name_server(tmp_path: Path):
    """Where there is no DNS at all, a name in the hosts file is enough; one that is known nowhere
    keeps nobody from starting."""
    (tmp_path / "resolv.conf").write_text("# nothing\n")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n127.0.0.4 server.test\n")
    port = free_port()
    async with by_tcp(f"http://server.test:{port}") as world:
        world.gateway.prefix = in_surroundings(tmp_path)
        world.gateway.start("haproxy")
        world.gateway.start("controller")
        async with serving(world.server.app, host="127.0.0.4", port=port):
            await world.gateway.until_ready()
            assert await status(world) == 200
    async with by_tcp(f"http://unknown.test:{port}") as world:
        world.gateway.prefix = in_surroundings(tmp_path)
        world.gateway.start("haproxy")
        world.gateway.start("controller")
        await eventually("HAProxy answers", lambda: status(world))
        assert await status(world) == 503
        assert "name is not found" in await eventually(
            "it says why", lambda: waits_for(world, "name")
        )


def in_surroundings(folder: Path) -> list[str]:
    """A command's beginning: it sees the folder's `resolv.conf` and `hosts` as the machine's."""
    assert shutil.which("unshare")
    mounts = " && ".join(
        f"mount --bind {file} /etc/{file.name}" for file in sorted(folder.iterdir())
    )
    return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


async def is_200(world: World) -> bool:
    return await status(world) == 200


async def is_503(world: World) -> bool:
    return await status(world) == 503
