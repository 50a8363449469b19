"""The gateway with a certificate: the same, with cookies that no other host can plant."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from integration.gateway.conftest import new_world
from integration.gateway.installation import BOB
from integration.gateway.world import BOBS, World

pytestmark = pytest.mark.haproxy


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Chain and key in one file, for the zone and all below it."""
    file, key = tmp_path / "zone.pem", tmp_path / "zone.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]
    names = [
        "-subj",
        "/CN=moorage.localhost",
        "-addext",
        "subjectAltName=DNS:moorage.localhost,DNS:*.moorage.localhost",
    ]
    subprocess.run(
        [*command, "-keyout", key, "-out", file, "-days", "2", *names],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + key.read_text())
    return file


@pytest_asyncio.fixture
async def tls_world(certificate: Path) -> AsyncIterator[World]:
    async with new_world(tls_certificate=str(certificate)) as found:
        yield found


async def test_cookies_under_tls(tls_world: World):
    """Every cookie is Secure and has the `__Host-` prefix; without it a cookie is worth nothing."""
    world = tls_world
    ana = await world.person()
    answer = await ana.get(world.at())
    assert answer.json()["upstream"] == "anas"
    assert str(answer.url) == world.at()
    set_cookies = [
        value for step in [*answer.history, answer] for value in step.headers.get_list("set-cookie")
    ]
    assert len(set_cookies) == 6
    for value in set_cookies:
        assert value.startswith("__Host-moorage_")
        assert {"secure", "path=/"} <= {part.strip().lower() for part in value.split(";")[1:]}
    seen = world.anas.seen[-1]
    assert "cookie" not in seen
    assert seen["x-forwarded-proto"] == "https"
    session = next(c for c in ana.cookies.jar if c.name == "__Host-moorage_session")
    ana.cookies.clear()
    for name, status in (("moorage_session", 401), ("__Host-moorage_session", 200)):
        headers = {"Cookie": f"{name}={session.value}", "Accept": "*/*"}
        assert (await ana.get(world.at(), headers=headers)).status_code == status


async def test_another_person_is_refused_under_tls(tls_world: World):
    """The rules are the same."""
    bob = await tls_world.person(BOB)
    assert (await bob.get(tls_world.at())).status_code == 403
    assert (await bob.get(tls_world.at(BOBS))).json()["upstream"] == "bobs"


async def test_http_1_1_is_what_is_spoken(tls_world: World):
    """One request at a time per connection: that is how an open request is known from all
    others."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])

    def negotiated() -> str | None:
        with (
            socket.create_connection(("127.0.0.1", tls_world.gateway.port)) as plain,
            context.wrap_socket(plain) as secure,
        ):
            return secure.selected_alpn_protocol()

    assert await asyncio.to_thread(negotiated) == "http/1.1"
