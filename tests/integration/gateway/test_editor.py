"""The editor is its own page's and its person's: no other port, workspace or site loads or drives
it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from integration.gateway.installation import ANA, eventually, route
from integration.gateway.world import ANAS, BOBS, World

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]

WEBSOCKET = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


@dataclass
class Editor:
    """Ana's workspace, with an editor at the port that her program listens on."""

    world: World
    host: str
    cookie: str

    @property
    def origins(self) -> dict[str, str]:
        port, gateway = self.world.gateway.port, self.world.gateway
        return {
            "own": f"http://{self.host}:{port}",
            "kin": f"http://{gateway.host(ANAS, 3000)}:{port}",
            "other": f"http://{gateway.host(BOBS, 3000)}:{port}",
            "other's editor": f"http://{gateway.host(BOBS, 60001)}:{port}",
            "zone": f"http://moorage.localhost:{port}",
            "foreign": "https://evil.example",
            "scheme": f"https://{self.host}:{port}",
            "port": f"http://{self.host}:1",
            "longer": f"http://{self.host}:{port}.evil.example",
            "null": "null",
        }

    async def ask(self, target: str = "/", method: str = "GET", **headers: str) -> int:
        """The status of one request with these headers alone, `_` for `-`."""
        return (await self.answer(target, method, **headers))[0]

    async def answer(
        self, target: str = "/", method: str = "GET", **headers: str
    ) -> tuple[int, str]:
        """Status and head of the answer to a request, as it is written here: no client tidies it
        up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.world.gateway.port)
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if method not in ("GET", "HEAD", "OPTIONS"):
            lines.append("Content-Length: 0")
        if "Upgrade" not in headers:
            lines.append("Connection: close")
        request = [
            f"{method} {target} HTTP/1.1", f"Host: {self.host}:{self.world.gateway.port}", f"Cookie: {self.cookie}", *lines, "", "",
        ]  # fmt: skip
        writer.write("\r\n".join(request).encode("latin-1"))
        try:
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode("latin-1")
        finally:
            writer.close()
        return int(head.split()[1]), head


@pytest_asyncio.fixture(loop_scope="module")
async def editor(world: World) -> AsyncIterator[Editor]:
    """Its port is not the usual one: the gateway knows it by the route."""
    world.server.push(routes=(route(ANAS, ANA, "127.0.0.1", editor_port=world.port),))
    await eventually("the gateway knows", lambda: world.knows(world.server.revision))
    ana = await world.signed_in(ANA, world.at())
    host = world.gateway.host(ANAS, world.port)
    yield Editor(world, host, world.cookie(ana, host))


async def test_who_may_write_to_the_editor(editor: Editor):
    """Its own page alone: by Origin, or, where a browser sends none, by Sec-Fetch-Site. Whatever
    the method is."""
    for method in ("POST", "PUT"):
        assert await editor.ask("/", method, Origin=editor.origins["own"]) == 200
        assert (
            await editor.ask(
                "/", method, Origin=editor.origins["own"], Sec_Fetch_Site="same-origin"
            )
            == 200
        )
        assert await editor.ask("/", method, Sec_Fetch_Site="same-origin") == 200
    editor.world.anas.seen.clear()
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "MERGE"):
        assert await editor.ask("/", method) == 403, method
        for site in ("same-site", "cross-site", "none", "anything"):
            assert await editor.ask("/", method, Sec_Fetch_Site=site) == 403, (method, site)
        for name, origin in editor.origins.items():
            if name != "own":
                assert await editor.ask("/", method, Origin=origin) == 403, (method, name)
                assert (
                    await editor.ask("/", method, Origin=origin, Sec_Fetch_Site="same-origin")
                    == 403
                ), (
                    method,
                    name,
                )
    assert editor.world.anas.seen == []


async def test_who_may_open_a_websocket_to_the_editor(editor: Editor):
    """Its own page alone. A browser says always who asks; who says nothing is refused."""
    assert await editor.ask("/ws", Origin=editor.origins["own"], **WEBSOCKET) == 101
    assert await editor.ask("/ws", **WEBSOCKET) == 403
    assert await editor.ask("/ws", Sec_Fetch_Site="same-origin", **WEBSOCKET) == 403
    assert (
        await editor.ask("/ws", Sec_Fetch_Site="none", Sec_Fetch_Mode="navigate", **WEBSOCKET)
        == 403
    )
    for name, origin in editor.origins.items():
        if name != "own":
            assert await editor.ask("/ws", Origin=origin, **WEBSOCKET) == 403, name
    assert (
        await editor.ask(
            "/ws", Origin=editor.origins["own"], Sec_Fetch_Site="same-site", **WEBSOCKET
        )
        == 403
    )


LOADS = [
    # site, mode, destination, passes
    ("same-origin", "navigate", "iframe", True),
    ("same-origin", "no-cors", "script", True),
    ("same-origin", "cors", "empty", True),
    ("same-origin", "same-origin", "serviceworker", True),
    ("none", "navigate", "document", True),
    ("same-site", "navigate", "document", True),
    ("cross-site", "navigate", "document", True),
    *(
        (site, mode, destination, False)
        for site in ("same-site", "cross-site", "unheard-of")
        for mode, destination in [
            ("navigate", "iframe"), ("navigate", "frame"), ("navigate", "object"), ("navigate", "embed"), ("navigate", "fencedframe"),
            ("no-cors", "script"), ("no-cors", "image"), ("no-cors", "style"), ("no-cors", "empty"), ("no-cors", "document"),
            ("cors", "empty"), ("cors", "font"), ("websocket", "websocket"), ("navigate", "empty"), ("", "document"),
        ]
    ),
]  # fmt: skip


async def test_what_loads_the_editor(editor: Editor):
    """Its own page, and a person who goes there; no frame, script, picture or other part of another
    origin's page, whether it is another port of the workspace or somebody else's."""
    for site, mode, destination, passes in LOADS:
        for referrer in ("own", "kin", "other", "foreign"):
            headers = {
                "Sec_Fetch_Site": site,
                "Sec_Fetch_Mode": mode,
                "Sec_Fetch_Dest": destination,
            }
            status = await editor.ask("/", Referer=f"{editor.origins[referrer]}/page", **headers)
            assert status == (200 if passes else 403), (site, mode, destination, referrer)
    assert await editor.ask("/") == 200
    assert await editor.ask("/", Referer=f"{editor.origins['own']}/page") == 200
    assert await editor.ask("/", Referer=f"{editor.origins['zone']}/page") == 200
    for referrer in ("kin", "other", "other's editor"):
        assert await editor.ask("/", Referer=f"{editor.origins[referrer]}/page") == 403, referrer
    for name, origin in editor.origins.items():
        assert await editor.ask("/", Origin=origin) == (200 if name == "own" else 403), name


@pytest.mark.parametrize(
    "target",
    [
        "/?payload=[]", "/?folder=/projects&payload=%5B%5D", "/?%70ayload=x", "/?a=1&pay%6Coad=x", "/?PAYLOAD=x", "/?payload=x&b=%zz",
        "/vscode-remote-resource?path=/projects/x.html", "/stable-x/vscode-remote-resource?path=/x", "/%76scode-remote-resource?path=/x",
    ],
)  # fmt: skip
async def test_a_link_gives_the_editor_no_orders(editor: Editor, target: str):
    """From elsewhere a link opens a folder; what tells the editor to do more, or shows a file as
    its page, comes from itself."""
    headers = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    for site in ("same-site", "cross-site"):
        assert await editor.ask(target, Sec_Fetch_Site=site, **headers) == 403
        assert (
            await editor.ask("/?folder=/projects/my%20project", Sec_Fetch_Site=site, **headers)
            == 200
        )
    for site in ("same-origin", "none"):
        assert await editor.ask(target, Sec_Fetch_Site=site, **headers) == 200


PROXIED = [
    "/proxy/8080/", "/proxy/8080", "/absproxy/8080/", "/proxy", "/proxy/", "/PROXY/8080/", "/Proxy/8080/", "/AbsProxy/1/", "//proxy/8080/",
    "///proxy/8080/", "/./proxy/8080/", "/././/proxy/8080/", "/x/../proxy/8080/", "/x/y/../../proxy/8080/", "/x/..//./proxy/1/",
    "/%70roxy/8080/", "/%50ROXY/8080/", "/p%72oxy/8080/", "/proxy%2f8080%2f", "/proxy%2F8080/", "/%2fproxy/8080/", "/%2e/proxy/8080/",
    "/x/%2e%2e/proxy/8080/", "/x%2f..%2fproxy%2f8080", "/%2570roxy/8080/", "/abs%70roxy/8080/", "/proxy%5c8080/", "/\\proxy/8080/",
    "/proxy/8080/%zz", "/%zz/../proxy/8080/", "/%0a/../proxy/8080/", "/%00/../proxy/8080/", "/proxy;x/8080/", "/proxy?8080",
    "http://{host}/proxy/8080/", "http://{host}//proxy/8080/", "HTTP://{host}/%70roxy/8080/", "http://evil.example/proxy/8080/",
    "/proxy/8080/ws", "/x/%25%32%65%25%32%65/proxy/1/",
]  # fmt: skip


@pytest.mark.parametrize("target", PROXIED)
async def test_the_editors_host_passes_no_port_on(editor: Editor, target: str):
    """In whatever way the path is written, even its own page gets no other port by it; nothing of
    it reaches the editor."""
    target = target.replace("{host}", f"{editor.host}:{editor.world.gateway.port}")
    editor.world.anas.seen.clear()
    own = {"Sec_Fetch_Site": "same-origin", "Origin": editor.origins["own"]}
    for method in ("GET", "POST"):
        assert await editor.ask(target, method, **own) in (400, 404), method
    assert await editor.ask(target, **own, **WEBSOCKET) in (400, 404)
    assert editor.world.anas.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "/proxyx/1",
        "/a/proxy/1",
        "/https-proxy-agent/x",
        "/static/x/proxy.js",
        "/x%20y/z",
        "/?u=/proxy/1/",
    ],
)
async def test_what_only_looks_like_it_passes(editor: Editor, target: str):
    """The editor's own files are its own, whatever they are called."""
    assert await editor.ask(target, Sec_Fetch_Site="same-origin") == 200


async def test_other_ports_have_such_paths_as_they_like(world: World):
    """What is no editor is a program of the person's."""
    ana = await world.signed_in(ANA, world.at())
    for path in ("/proxy/8080/", "/absproxy/1/"):
        assert (await ana.get(world.at(path=path))).json()["path"] == path
    answer = await ana.get(world.at())
    assert "cross-origin-opener-policy" not in answer.headers
    assert "x-frame-options" not in answer.headers


async def test_the_editors_answers_keep_others_out(editor: Editor):
    """Framed by itself alone, no part of another origin's page, and in no group of windows with
    one: an opener is cut off."""
    _, head = await editor.answer("/", Sec_Fetch_Site="same-origin")
    found = [line.lower() for line in head.split("\r\n")]
    assert "x-frame-options: sameorigin" in found
    assert "content-security-policy: frame-ancestors 'self'" in found
    assert "cross-origin-opener-policy: same-origin" in found
    assert "cross-origin-resource-policy: same-origin" in found


async def test_a_connection_that_served_another_port_knows_the_editor(editor: Editor):
    """Who is who is found out again with each host, also on a connection that is known."""
    world, port = editor.world, editor.world.gateway.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def ask(host: str, method: str) -> int:
        request = f"{method} / HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {editor.cookie}\r\nContent-Length: 0\r\n\r\n"
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line[15:])
            for line in head.lower().split("\r\n")
            if line.startswith("content-length:")
        )
        await reader.readexactly(length)
        return int(head.split()[1])

    bobs = world.gateway.host(BOBS, world.port)
    found = [await ask(host, method) for host, method in [
        (editor.host, "GET"), (editor.host, "POST"), (editor.host, "GET"), (bobs, "POST"), (editor.host, "POST"), (editor.host, "GET"),
    ]]  # fmt: skip
    writer.close()
    assert found == [200, 403, 200, 401, 403, 200]


async def test_the_usual_port_is_the_editors_too(world: World):
    """Port 60001 needs no entry for that; nobody listens there in this test, and what is refused is
    refused before."""
    ana = await world.signed_in(ANA, world.at(port=60001))
    host = world.gateway.host(ANAS, 60001)
    editor = Editor(world, host, world.cookie(ana, host))
    assert await editor.ask("/", "POST") == 403
    assert await editor.ask("/proxy/8080/", Sec_Fetch_Site="same-origin") == 404
    assert (
        await editor.ask(
            "/", Sec_Fetch_Site="same-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe"
        )
        == 403
    )
    assert await editor.ask("/", Sec_Fetch_Site="same-origin") == 503
