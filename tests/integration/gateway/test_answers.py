"""Programs that answer in another way than by HTTP, late or not at all: each is told apart, and a
port that speaks TLS is spoken to by TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from integration.gateway.certificates import Authority
from integration.gateway.installation import ANA, eventually, route
from integration.gateway.world import ANAS, BOBS, World

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PAGE = {"Accept": "text/html"}
PROGRAM = {"Accept": "application/json"}


@contextlib.asynccontextmanager
async def listening(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a program in Ana's workspace that talks like this."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def http2_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Settings and GOAWAY, as a server of HTTP/2 without TLS answers HTTP/1.1."""
    await reader.read(65_536)
    writer.write(b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\7\0\0\0\0\0" + b"\0" * 7 + b"\1")
    await writer.drain()


async def ends(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(65_536)


async def get(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> httpx.Response:
    """As browsers do: where a connection that was used before is closed without a word, they ask
    again on a new one. HAProxy counts on it."""
    with contextlib.suppress(httpx.RemoteProtocolError):
        return await client.get(url, headers=headers)
    return await client.get(url, headers=headers)


def headers_of(size: int) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Big: ")
        writer.write(b"x" * size + b"\r\n\r\nok")
        await writer.drain()

    return talk


def tls(tmp_path: Path) -> ssl.SSLContext:
    chain, key = Authority(tmp_path / "ca").issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


@pytest.mark.parametrize(
    "talk", [http2_only, ends, headers_of(70_000)], ids=["HTTP/2", "no answer", "headers"]
)
async def test_what_is_no_answer_is_not_called_nothing(world: World, talk: Talk):
    """Something listens: the page names what it may be, and what to do about each."""
    ana = await world.person()
    async with listening(talk) as port:
        page = await get(ana, world.at(port=port), PAGE)
        program = await get(ana, world.at(port=port), PROGRAM)
    assert (page.status_code, program.status_code) == (502, 502)
    assert f"What answers on port {port} cannot be understood" in page.text
    assert "Nothing listens" not in page.text
    assert page.headers["refresh"] == "2"
    assert program.json()["code"] == "answer-unreadable"
    assert "protocol: https" in program.json()["hint"]


@pytest.mark.parametrize("size", [20_000, 55_000])
async def test_answers_may_have_large_headers(world: World, size: int):
    """Programs of developers answer with long policies, cookies and timings."""
    ana = await world.person()
    async with listening(headers_of(size)) as port:
        answer = await ana.get(world.at(port=port), headers=PAGE)
    assert (answer.status_code, answer.text) == (200, "ok")


async def test_a_tls_server_without_a_word_in_the_devfile(world: World, tmp_path: Path):
    """Spoken to by HTTP, it ends the connection: the page says what to write."""
    ana = await world.person()
    async with listening(headers_of(10), tls(tmp_path)) as port:
        await get(ana, world.at(port=port), PAGE)
        answer = await get(ana, world.at(port=port), PROGRAM)
    assert (answer.status_code, answer.json()["code"]) == (502, "answer-unreadable")


async def test_a_port_that_speaks_tls_is_spoken_to_by_tls(world: World, tmp_path: Path):
    """With a certificate that nobody vouches for, as programs of developers have. Who may pass is
    as for any other port; the other ports speak HTTP on."""
    async with listening(headers_of(10), tls(tmp_path)) as port:
        ana = await world.person()
        world.server.push(routes=(route(ANAS, ANA, "127.0.0.1", tls_ports=(port,)),))

        async def answers() -> bool:
            client = await world.person()
            found = await client.get(world.at(port=port), headers=PAGE)
            return (found.status_code, found.text) == (200, "ok")

        await eventually("it is spoken to by TLS", answers)
        assert (await ana.get(world.at())).json()["upstream"] == "anas"
        bob = await world.person(2)
        assert (await bob.get(world.at(port=port))).status_code == 403
        host = world.gateway.host(ANAS, port)
        status, _ = await world.raw(host, {"Cookie": "moorage_session=tls.x"})
        assert status == 401
    await get(ana, world.at(port=port), PAGE)
    gone = await get(ana, world.at(port=port), PROGRAM)
    assert (gone.status_code, gone.json()["code"]) == (503, "nothing-listens")


@pytest.mark.parametrize("silent", [False, True])
async def test_a_port_that_is_said_to_speak_tls_and_does_not(world: World, silent: bool):
    """Devfiles from elsewhere say `https` of programs that speak HTTP, as a router in front did the
    rest: they are spoken to by HTTP, whether they refuse the handshake or say nothing to it."""

    greetings: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await reader.read(65_536)
        greetings.append(said[:1])
        if said.startswith(b"GET "):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
            await writer.drain()
        elif silent:
            await reader.read()

    async with listening(plain) as port:
        world.server.push(routes=(route(ANAS, ANA, "127.0.0.1", tls_ports=(port,)),))

        async def answers() -> bool:
            client = await world.person()
            found = await get(client, world.at(port=port), PAGE)
            return b"\x16" in greetings and (found.status_code, found.text) == (200, "plain")

        await eventually("it is spoken to by HTTP, after TLS was tried", answers)


async def test_cookies_pass_up_to_what_programs_may_need(world: World):
    """Sign-in services of companies set more than 16 kB of them."""
    ana = await world.signed_in(ANA, world.at())
    cookie = world.cookie(ana, world.gateway.host(ANAS, world.port))
    host = world.gateway.host(ANAS, world.port)
    for size in (15_500, 30_000, 45_000):
        many = "; ".join([cookie, *(f"c{n}={'x' * 990}" for n in range(size // 1000))])
        assert (await world.raw(host, {"Cookie": many}))[0] == 200, size


async def test_too_many_cookies_are_said_and_taken_away(world: World):
    """A page of a workspace set them; the browser sends them with every request. The person gets a
    page that says so, with a button that ends them, of use to that very page alone."""
    ana = await world.signed_in(ANA, world.at())
    host = world.gateway.host(ANAS, world.port)
    own = world.cookie(ana, host)
    bomb = "; ".join([own, *(f"bomb{n}={'x' * 3500}" for n in range(15))])
    page = await ana.get(world.at(), headers={**PAGE, "Cookie": bomb})
    assert page.status_code == 431
    assert "This address has too many cookies" in page.text
    assert 'action="/.moorage/clear-cookies"' in page.text
    program = await ana.get(world.at(), headers={**PROGRAM, "Cookie": bomb})
    assert (program.status_code, program.json()["code"]) == (431, "too-many-cookies")
    asked = {"Cookie": bomb, **PAGE, "Referer": world.at(path="/deep/page")}
    at = world.at(path="/.moorage/clear-cookies")
    origin = f"http://{host}:{world.gateway.port}"
    for foreign in ({}, {"Origin": f"http://{world.gateway.host(BOBS, world.port)}"}):
        refused = await ana.post(at, headers={**asked, **foreign})
        assert refused.status_code in (403, 404)
        assert "clear-site-data" not in refused.headers
    cleared = await ana.post(at, headers={**asked, "Origin": origin})
    assert cleared.status_code == 200
    assert cleared.headers["clear-site-data"] == '"cookies"'
    ended = cleared.headers.get_list("set-cookie")
    for number in range(15):
        assert f"bomb{number}=; Max-Age=0; Path=/" in ended
    assert any("Domain=" in each for each in ended)
    assert world.anas.seen[1:] == []


async def test_nothing_listens_is_told_of_a_refused_connection(world: World):
    """And of nothing else."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        ana = await world.person()
        await get(ana, world.at(port=port), PAGE)
        answer = await get(ana, world.at(port=port), PROGRAM)
    assert (answer.status_code, answer.json()["code"]) == (503, "nothing-listens")


async def test_what_is_not_understood_is_said_on_a_page(world: World):
    """HAProxy answers by itself, and knows of nobody who asks: with our page all the same."""
    host = f"{world.gateway.host(ANAS, world.port)}:{world.gateway.port}"
    cookies = "Cookie: a=b\r\n" * 4
    reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.port)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n{cookies}\r\n".encode())
        answer = (await reader.readuntil(b"</html>")).decode()
    finally:
        writer.close()
    assert answer.startswith("HTTP/1.1 400 ")
    assert "This request cannot be understood" in answer
    assert "content-security-policy" in answer.lower()
    assert world.anas.seen == []
