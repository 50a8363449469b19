"""Certificates that are renewed while HAProxy runs, as a mounted Secret has them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from integration.gateway.certificates import Authority
from integration.gateway.conftest import new_world
from integration.gateway.installation import ANA, eventually
from integration.gateway.world import ANAS, World
from moorage.gateway.certificates import Certificates
from moorage.gateway.haproxy.runtime import Runtime
from moorage.gateway.metrics import Metrics
from moorage.gateway.table import Table
from moorage.kernel.clock import FakeClock

pytestmark = pytest.mark.haproxy

LOOK_EVERY = 0.5
SEEN = 60.0
"""Seconds within which a new certificate is taken up, on a machine however slow."""


class Secret:
    """As kubelet mounts one: `tls.crt` and `tls.key` lead over `..data` to a folder of the newest
    version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0
        folder.mkdir()
        for name in ("tls.crt", "tls.key"):
            (folder / name).symlink_to(f"..data/{name}")

    def put(self, certificate: str, key: str) -> None:
        self._version += 1
        version = self.folder / f"..version{self._version}"
        version.mkdir()
        (version / "tls.crt").write_text(certificate)
        (version / "tls.key").write_text(key)
        new = self.folder / "..data_tmp"
        new.symlink_to(version.name)
        new.rename(self.folder / "..data")


class Renewal:
    """A gateway with a certificate for the zone and one for what is below it."""

    def __init__(self, world: World, authority: Authority, zone: Secret, wildcard: Secret) -> None:
        self.world = world
        self.authority = authority
        self.zone = zone
        self.wildcard = wildcard

    def issue(self, name: str, days: int = 60) -> tuple[str, str]:
        certificate, key = self.authority.issue(name, days=days)
        return certificate.read_text() + self.authority.certificate.read_text(), key.read_text()

    async def presented(self, host: str) -> bytes:
        """What a browser is shown that trusts the authority."""
        return await asyncio.to_thread(self._presented, host)

    def _presented(self, host: str) -> bytes:
        context = self.trust()
        with (
            socket.create_connection(("127.0.0.1", self.world.gateway.port), 5) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            found = secure.getpeercert(binary_form=True)
            assert found is not None
            return found

    def trust(self) -> ssl.SSLContext:
        """The authority's chain is checked; not the name, as OpenSSL takes no star directly below a
        top-level domain."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.check_hostname = False
        return context

    async def presents(self, host: str, certificate: str) -> bool:
        end = certificate.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
        return await self.presented(host) == ssl.PEM_cert_to_DER_cert(certificate[:end] + "\n")

    async def metric(self, name: str, secret: Secret, **labels: str) -> float:
        inside = ",".join(
            f'{key}="{value}"'
            for key, value in {"certificate": f"{secret.folder}/tls.crt", **labels}.items()
        )
        return await self.world.gateway.metric(f"moorage_gateway_certificate_{name}{{{inside}}}")


@pytest.fixture
async def renewal(tmp_path: Path) -> AsyncIterator[Renewal]:
    authority = Authority(tmp_path / "ca")
    zone, wildcard = Secret(tmp_path / "zone"), Secret(tmp_path / "wildcard")
    for secret, name in ((zone, "moorage.localhost"), (wildcard, "*.moorage.localhost")):
        certificate, key = authority.issue(name, days=60)
        secret.put(certificate.read_text(), key.read_text())
    settings = {
        "tls_certificate": f"{zone.folder},{wildcard.folder}",
        "certificate_seconds": LOOK_EVERY,
    }
    async with new_world(**settings) as world:
        yield Renewal(world, authority, zone, wildcard)


async def test_a_renewed_certificate_is_taken_up_and_drops_nobody(renewal: Renewal):
    """Each host has its own certificate. A new pair is presented to new connections within a
    minute, while an open WebSocket and a connection that rests go on; its end is told as a metric,
    and in the log when it is near."""
    world = renewal.world
    host = world.gateway.host(ANAS, world.port)
    ana = await world.signed_in(ANA, world.at())
    cookie = world.cookie(ana, host, "__Host-moorage_session")
    assert await renewal.presented("moorage.localhost") != await renewal.presented(host)
    far = await eventually(
        "its end is known", lambda: renewal.metric("expiry_seconds", renewal.wildcard)
    )
    assert "ends soon" not in world.gateway.log("controller")
    resting = await Resting.to(renewal, host, cookie)
    trusted = renewal.trust()
    async with connect(
        f"wss://{host}:{world.gateway.port}/ws",
        host="127.0.0.1",
        port=world.gateway.port,
        ssl=trusted,
        server_hostname=host,
        origin=f"https://{host}:{world.gateway.port}",
        additional_headers={"Cookie": cookie},
        proxy=None,
    ) as ws:
        certificate, key = renewal.issue("*.moorage.localhost", days=10)
        renewal.wildcard.put(certificate, key)
        await eventually(
            "it is presented", lambda: renewal.presents(host, certificate), within=SEEN
        )
        await ws.send("x")
        assert await ws.recv() == "echo x"
        assert "200 OK" in await resting.ask()
        resting.close()
        near = await eventually(
            "its end is told", lambda: renewal.metric("expiry_seconds", renewal.wildcard)
        )
        assert 49 * 86_400 < far - near < 51 * 86_400
        assert await renewal.metric("updates_total", renewal.wildcard, outcome="given") == 1.0
        assert await renewal.metric("updates_total", renewal.zone, outcome="given") == 0.0
        log = await eventually("it is warned of", lambda: lines(world, "ends soon"))
        assert str(renewal.wildcard.folder) in log
        assert "in 10.0 days" in log
        assert "PRIVATE KEY" not in world.gateway.log("controller")


async def test_a_bad_pair_is_refused_with_its_cause(renewal: Renewal):
    """The certificate before goes on, whatever comes; a good one is then taken up, and refused is
    no more."""
    world = renewal.world
    host = world.gateway.host(ANAS, world.port)
    before = await renewal.presented(host)
    good, key = renewal.issue("*.moorage.localhost")
    bad = {
        "belongs to another certificate": (good, renewal.issue("*.moorage.localhost")[1]),
        "There is no certificate": ("junk", key),
        "neither for moorage.localhost nor for *.moorage.localhost": renewal.issue(
            "elsewhere.example"
        ),
    }
    for cause, pair in bad.items():
        renewal.wildcard.put(*pair)
        line = await eventually("it says why", lambda c=cause: lines(world, c), within=SEEN)
        assert "refused" in line
        assert await renewal.metric("refused", renewal.wildcard) == 1.0
        assert await renewal.presented(host) == before
    refusals = await renewal.metric("updates_total", renewal.wildcard, outcome="refused")
    await asyncio.sleep(4 * LOOK_EVERY)  # it looks again meanwhile
    assert (
        await renewal.metric("updates_total", renewal.wildcard, outcome="refused")
        == refusals
        == len(bad)
    )
    assert await renewal.metric("refused", renewal.zone) == 0.0
    renewal.wildcard.put(good, key)
    await eventually("it is presented", lambda: renewal.presents(host, good), within=SEEN)
    assert await renewal.metric("refused", renewal.wildcard) == 0.0


async def test_one_that_is_not_valid_yet_is_taken_up_once_it_is(renewal: Renewal):
    """A machine whose clock is behind the authority's refuses it with its cause, and takes it when
    its time has come."""
    world, clock = renewal.world, FakeClock(time.time())
    host = world.gateway.host(ANAS, world.port)
    before = await renewal.presented(host)
    world.gateway.kill("controller")
    metrics = Metrics(Table(), clock)
    runtime = Runtime(world.gateway.home.socket("haproxy"))
    entries = (str(renewal.wildcard.folder),)
    keeping = Certificates(
        entries=entries,
        seconds=0,
        zone="moorage.localhost",
        runtime=runtime,
        metrics=metrics,
        clock=clock,
    )
    look = keeping.keep

    await look()
    clock.advance(-3600.0)
    certificate, key = renewal.issue("*.moorage.localhost")
    renewal.wildcard.put(certificate, key)
    for _ in range(2):
        await look()
        assert await renewal.presented(host) == before
    clock.advance(3700.0)
    await look()
    assert await renewal.presents(host, certificate)


async def test_haproxy_that_starts_anew_has_the_newest(renewal: Renewal):
    """It reads the files itself, and the controller then finds nothing to do."""
    world = renewal.world
    host = world.gateway.host(ANAS, world.port)
    world.gateway.kill("controller")
    certificate, key = renewal.issue("*.moorage.localhost")
    renewal.wildcard.put(certificate, key)
    world.gateway.kill("haproxy", 15)
    world.gateway.start("haproxy")
    with contextlib.suppress(OSError):
        await renewal.presented(host)
    await eventually("HAProxy is back", lambda: safely(renewal, host))
    assert await renewal.presents(host, certificate)
    world.gateway.start("controller")
    await world.gateway.until_ready()
    await eventually("its end is known", lambda: renewal.metric("expiry_seconds", renewal.wildcard))
    assert await renewal.metric("updates_total", renewal.wildcard, outcome="given") == 0.0


async def safely(renewal: Renewal, host: str) -> bytes:
    with contextlib.suppress(OSError, httpx.HTTPError):
        return await renewal.presented(host)
    return b""


class Resting:
    """A connection that has had an answer, and is kept for the next request."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._head = head

    @classmethod
    async def to(cls, renewal: Renewal, host: str, cookie: str) -> Resting:
        trusted = renewal.trust()
        port = renewal.world.gateway.port
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusted, server_hostname=host
        )
        made = cls(
            reader, writer, f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n\r\n"
        )
        assert "200 OK" in await made.ask()
        return made

    async def ask(self) -> str:
        """The head of the answer."""
        self._writer.write(self._head.encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            line for line in head.lower().splitlines() if line.startswith("content-length:")
        )
        await self._reader.readexactly(int(length.split(":")[1]))
        return head

    def close(self) -> None:
        self._writer.close()


def lines(world: World, words: str) -> str:
    """The last line of the controller's log with these words; "" when there is none."""
    found = [line for line in world.gateway.log("controller").splitlines() if words in line]
    return found[-1] if found else ""
