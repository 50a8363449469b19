"""Cookies of ours and of others, as browsers, old programs and attackers write them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator

import pytest

from integration.gateway.installation import ANA, BOB, eventually, route
from integration.gateway.world import ANAS, World

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]


async def ask(
    world: World, host: str, *cookies: str, path: str = "/", accept: str = "text/html"
) -> tuple[int, str]:
    """Status and head of the answer to a request with these Cookie headers, byte for byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.gateway.port)
    lines = [f"Cookie: {cookie}" for cookie in cookies]
    request = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{world.gateway.port}",
        f"Accept: {accept}",
        "Connection: close",
        *lines,
        "",
        "",
    ]
    writer.write("\r\n".join(request).encode("latin-1"))
    try:
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode("latin-1")
    finally:
        writer.close()
    return int(head.split()[1]), head


MANY = "; ".join(f"c{number}=v{number}" for number in range(60))
ODD = [
    # Cookie headers, S being ours; what is left of them.
    (['a="x; S'], 'a="x'),
    (['S; a="x'], 'a="x'),
    (['a="x; S; b=y"'], 'a="x; b=y"'),
    (['a="x\\"; S; b="'], 'a="x\\"; b="'),
    (["a='x; S"], "a='x"),
    (['"; S; "'], '"; "'),
    (['a="; S'], 'a="'),
    (["$Version=1; S; $Path=/; $Domain=x"], "$Version=1; $Path=/; $Domain=x"),
    (['$Version="1"; S; $Path="/"'], '$Version="1"; $Path="/"'),
    ([f"{MANY}; S; {MANY}"], f"{MANY}; {MANY}"),
    (["=; S; ="], "=; ="),
    (["=x; S"], "=x"),
    (["; S"], None),
    ([";;;S;;"], None),
    (["a; S; b"], "a; b"),
    (["a=\xe9\xff\x80; S; \xe4=1"], "a=\xe9\xff\x80; \xe4=1"),
    (["a=b,c; S"], "a=b,c"),
    (['a={"x": [1]}; S'], 'a={"x": [1]}'),
    (["a=1;S;b=2"], "a=1;b=2"),
    (["a=1;\tS\t;b=2"], "a=1;b=2"),
    (["a=1;   S   ; b=2"], "a=1; b=2"),
    (["a=1", "S"], "a=1; "),
    (["S", "a=1"], "a=1"),
    (["S", 'a="x', "b=2"], 'a="x; b=2'),
    (
        [
            "moorage=1; S; moorage_gateway=2; moorage_state=3; moorage_binding=4; moorage_x=5; Moorage_Session=6"
        ],
        None,
    ),
    (["__Host-moorage=1; S; __Secure-moorage_session=2; __host-MOORAGE=3; a=1"], "a=1"),
    (["mymoorage_session=1; S; moorages=2"], "mymoorage_session=1; moorages=2"),
]


@pytest.mark.parametrize(("headers", "left"), ODD)
async def test_odd_cookies_neither_lock_out_nor_let_ours_through(
    world: World, headers: list[str], left: str | None
):
    """Whatever stands around it, our cookie is found, and goes no further than this; other cookies
    stay as they are."""
    ana = await world.signed_in(ANA, world.at())
    host = world.gateway.host(ANAS, world.port)
    ours = world.cookie(ana, host)
    for accept in ("text/html", "*/*"):
        status, _ = await ask(
            world,
            host,
            *(header.replace("S", ours, 1) if "S" in header else header for header in headers),
            accept=accept,
        )
        assert status == 200
        seen = world.anas.seen[-1].get("cookie")
        assert (seen or "").strip("; ") == (left or "").strip("; ")
        assert ours.partition("=")[2] not in str(world.anas.seen[-1])


async def test_too_many_cookie_headers(world: World):
    """A browser sends one, a balancer may send a few; more are refused in words, and reach
    nobody."""
    ana = await world.signed_in(ANA, world.at())
    host = world.gateway.host(ANAS, world.port)
    world.anas.seen.clear()
    status, _ = await ask(world, host, "a=1", "b=2", "c=3", world.cookie(ana, host))
    assert status == 400
    assert world.anas.seen == []


def planted(ours: str, bobs: str) -> Iterator[str]:
    name, value = ours.split("=")
    session, mac = value.split(".")
    yield from (
        f"{name}=",
        f"{name}=x",
        f'{name}="{value}"',
        f"{name}={session}.{'0' * len(mac)}",
        f"{name}=\xe9",
        bobs,
    )


async def test_a_planted_cookie_beside_ours_changes_nothing(world: World):
    """Before it or after it, nonsense or another person's own: who is signed in goes on as who they
    are."""
    place = world.at()
    ana, bob = await world.signed_in(ANA, place), await world.signed_in(BOB, place)
    host = world.gateway.host(ANAS, world.port)
    ours, bobs = world.cookie(ana, host), world.cookie(bob, host)
    for other in planted(ours, bobs):
        for cookies in (
            (f"{other}; {ours}", f"{ours}; {other}") if other != bobs else (f"{bobs}; {ours}",)
        ):
            assert (await ask(world, host, cookies))[0] == 200, cookies


async def test_planted_cookies_are_taken_away(world: World):
    """Where ours cannot be told from the rest, nobody is let in or sent in a circle: the planted
    ones end, whatever folder they were set for, ours stays, and the page comes again by itself."""
    place = world.at()
    ana, bob = await world.signed_in(ANA, place), await world.signed_in(BOB, place)
    host = world.gateway.host(ANAS, world.port)
    ours, bobs = world.cookie(ana, host), world.cookie(bob, host)
    name = ours.partition("=")[0]
    world.anas.seen.clear()
    for cookies in (
        f"{name}=x; {ours}; {name}=y",
        f"{ours}; {bobs}",
        f"{name}=x; {name}=y",
        f"{ours}; moorage_binding=1; moorage_binding=2; {bobs}",
    ):
        for accept in ("text/html", "*/*"):
            status, head = await ask(world, host, cookies, path="/deep/page", accept=accept)
            assert status == 400
            ended = [
                line[12:]
                for line in head.split("\r\n")
                if line.lower().startswith(f"set-cookie: {name}=")
            ]
            assert all("Max-Age=0" in line for line in ended)
            assert {(found[1], found[2]) for line in ended if (found := re.search(r"Path=([^;]*)(?:; Domain=([^;]*))?", line))} >= {
                ("/deep", None), ("/deep/", None), ("/deep/page", None), ("/", "moorage.localhost"), ("/deep", "moorage.localhost"), ("/deep", host), ("/", host),
            }  # fmt: skip
            assert f"{name}=; Max-Age=0; Path=/" not in ended
            assert re.search(r"^refresh: 1\r$", head, re.IGNORECASE | re.MULTILINE)
    assert world.anas.seen == []


@pytest.mark.parametrize("name", ["moorage", "moorage_gateway", "moorage_state"])
async def test_planted_cookies_of_the_zone_reach_no_server(world: World, name: str):
    """On the zone's own host too: two of one name sign nobody in as somebody else; one does what it
    always did."""
    world.server.seen.clear()
    for path in ("/", "/workspaces/x", "/auth/start", "/api/v1/me"):
        status, head = await ask(
            world, "moorage.localhost", f"a=1; {name}=1; b=2; {name}=2", path=path
        )
        assert status == 400
        for apart in ("", "; Secure; Partitioned"):
            assert f"{name}=; Max-Age=0; Path=/; Domain=moorage.localhost{apart}\r\n" in head
        assert f"{name}=; Max-Age=0; Path=/\r\n" not in head
    assert world.server.seen == []
    assert (await ask(world, "moorage.localhost", f"{name}=1; x{name}=2", path="/page"))[0] == 200
    assert world.server.seen[-1]["cookie"] == f"{name}=1; x{name}=2"


async def test_planted_cookies_of_a_deep_path_are_taken_away(world: World):
    """However many there are to end: HAProxy would take an answer with all these headers for
    none."""
    host = world.gateway.host(ANAS, world.port)
    for place, names in (("moorage.localhost", ("moorage", "moorage_gateway", "moorage_state")), (host, ("moorage_session", "moorage_binding"))):  # fmt: skip
        cookies = "; ".join(f"{name}=1; {name}=2" for name in names)
        for path in ("/a/b/c/d/e/f/g/h/i/j/k/l", f"/{'x' * 3000}/{'y' * 3000}/z"):
            status, head = await ask(world, place, cookies, path=path)
            assert status == 400
            assert "Max-Age=0" in head


@pytest.mark.parametrize("value", ["x", "\xe9", '"quoted"', "", "a b"])
async def test_a_sign_in_is_bound_by_a_secret_of_ours(world: World, value: str):
    """What we cannot have set binds nothing: a new secret does, and the person gets in."""
    host = world.gateway.host(ANAS, world.port)
    status, head = await ask(world, host, f"moorage_binding={value}")
    assert status == 303
    found = re.search(r"^set-cookie: moorage_binding=([^;\r]*)", head, re.IGNORECASE | re.MULTILINE)
    assert found
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", found[1])


DROPPED = [
    "moorage=1", "moorage=1; Path=/", "Moorage=1", "MOORAGE_SESSION=1", " moorage=1", "\tmoorage=1", "moorage =1", "moorage\t= 1", "moorage",
    "moorage;Path=/", "=moorage=1", " = moorage=1", "==moorage=1", "moorage_session=1", "moorage_gateway=1", "moorage_state=1", "moorage_binding=1",
    "moorage_anything=1", "moorage_=1", "__Host-moorage=1; Secure; Path=/", "__host-moorage=1", "__HOST-Moorage=1", "__Secure-moorage=1; Secure",
    "=__Host-moorage=1", "__Host-moorage_gateway=1", "a=1; Domain=moorage.localhost", "a=1; Domain=localhost", "a=1; domain=.moorage.localhost", "a=1; DOMAIN = moorage.localhost", "a=1;Domain=MOORAGE.LOCALHOST",
    "a=1; Path=/; Domain=\tmoorage.localhost; Secure", "a=1; Domain=com", 'a=1; Domain="moorage.localhost"', "a=1; Domain={host}; Domain=moorage.localhost", "a=1; Domain=moorage.localhost; Domain={host}",
    "a=1; Domain=x.{host}", "; Domain=moorage.localhost", "a=; Domain=workspace-1-1-aaaaaa.moorage.localhost",
]  # fmt: skip
KEPT = [
    "a=1", "a=1; Path=/; HttpOnly; Secure; SameSite=Lax", "mymoorage=1", "moorages=1", "a=moorage=1", "a=1; Domain={host}", "a=1; Domain=.{host}",
    "a=1; Domain=", "a=1; Domain", "domain=1; Path=/", "a=domain=localhost", "moorage-of-mine=1", "__Host-a=1; Secure; Path=/", 'a="x; Path=/',
]  # fmt: skip


@contextlib.asynccontextmanager
async def setting(
    address: str, port: int, cookies: list[str], header: str = "Set-Cookie"
) -> AsyncIterator[None]:
    """A program that sets these cookies, byte for byte: no library tidies them up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        lines = [
            "HTTP/1.1 200 OK",
            *(f"{header}:{cookie}" for cookie in cookies),
            "Content-Length: 0",
            "Connection: close",
            "",
            "",
        ]
        writer.write("\r\n".join(lines).encode("latin-1"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, address, port)
    async with server:
        yield


async def test_what_a_workspace_may_set(world: World):
    """No cookie of a name of ours, the server's included, in whatever way it is written; none for
    the zone or what is above; else all."""
    ana = await world.signed_in(ANA, world.at())
    host = world.gateway.host(ANAS, world.port)
    ours = world.cookie(ana, host)
    world.server.push(routes=(route(ANAS, ANA, "127.0.0.3"),))
    await eventually("the gateway knows", lambda: world.knows(world.server.revision))
    for batch in (DROPPED, KEPT, [*DROPPED, *KEPT]):
        async with setting(
            "127.0.0.3", world.port, [cookie.replace("{host}", host) for cookie in batch]
        ):
            status, head = await ask(world, host, ours)
        assert status == 200
        found = [
            line[11:].strip()
            for line in head.split("\r\n")
            if line.lower().startswith("set-cookie:")
        ]
        kept = [cookie.replace("{host}", host) for cookie in batch if cookie in KEPT]
        assert [cookie for cookie in found if cookie] == kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ('"cookies"', False),
        ('"*"', False),
        ('"cache", "Cookies"', False),
        ('"storage"', True),
        ('"cache", "storage"', True),
    ],
)
async def test_a_workspace_signs_nobody_out(world: World, value: str, kept: bool):
    """A browser that clears cookies for one host clears those of the whole zone, ours included;
    what is the host's own it may clear."""
    ana = await world.signed_in(ANA, world.at())
    host = world.gateway.host(ANAS, world.port)
    world.server.push(routes=(route(ANAS, ANA, "127.0.0.3"),))
    await eventually("the gateway knows", lambda: world.knows(world.server.revision))
    async with setting("127.0.0.3", world.port, [value], "Clear-Site-Data"):
        status, head = await ask(world, host, world.cookie(ana, host))
    assert (status, "clear-site-data" in head.lower()) == (200, kept)
