"""What a page of one port may do to another, in Chromium, below `moorage.localhost`: to its browser
all workspaces are one site there, and cookies come along with whatever a page asks for.

Each attack stands beside the honest request of the same form.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from e2e.installation import CHROMIUM
from integration.gateway.conftest import new_world
from integration.gateway.installation import ANA, BOB, echo_websocket, route, serving
from integration.gateway.world import ANAS, BOBS, World
from moorage.contract.gateway import Grant
from ports import free_port

pytestmark = [pytest.mark.haproxy, pytest.mark.asyncio(loop_scope="module")]

ANAS_OTHER = "workspace-1-1-cccccc"
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


@dataclass
class Program:
    """A program of a workspace that lets every page do everything, as development servers do."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of what reached it with a page's `q`."""

    @property
    def app(self) -> Starlette:
        everything = Route("/{path:path}", self.answer, methods=["GET", "POST", "PUT"])
        return Starlette(routes=[WebSocketRoute("/socket", echo_websocket), everything])

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append((request.method, path))
        origin = {
            "Access-Control-Allow-Origin": request.headers.get("origin", "*"),
            "Access-Control-Allow-Credentials": "true",
        }
        if path == "/picture":
            return Response(PICTURE, media_type="image/svg+xml", headers=origin)
        if path == "/script":
            return Response("window.ran = true", media_type="text/javascript", headers=origin)
        if path == "/data":
            return JSONResponse({"said": "mine"}, headers=origin)
        policy = {"Referrer-Policy": request.query_params.get("policy", "")}
        words = "posted" if request.method == "POST" else "shown"
        return HTMLResponse(f"<!doctype html><p>{words}</p>", headers=policy)


@dataclass
class Neighbours:
    """Two ports of one workspace of Ana's, another workspace of hers, one of Bob's that she may
    open, and another site; she is signed in everywhere."""

    world: World
    context: BrowserContext
    target: Program
    port: int
    other_port: int

    def at(self, who: str, path: str) -> str:
        port = self.other_port if who == "kin" else self.port
        place = {"own": ANAS, "kin": ANAS, "other": ANAS_OTHER, "bobs": BOBS}.get(who)
        if place is None:
            return f"http://evil.localhost:{self.other_port}{path}"
        return self.world.gateway.at(place, port, path)

    async def does(self, who: str, what: str, policy: str = "") -> bool:
        """Whether the page of that origin reaches Ana's program, or shows it, by doing that."""
        async with self._page(who, policy) as page:
            return bool(await page.evaluate(_ACTIONS[what], self.at("own", "")))

    async def frames(self, who: str, policy: str = "") -> str:
        """What that page shows in a frame of Ana's program."""
        async with self._page(who, policy) as page:
            await page.evaluate(_FRAME, self.at("own", "/frame"))
            return (await page.frames[1].text_content("body") or "").strip()

    async def submits(self, who: str, policy: str = "") -> str:
        """What the person sees who presses a button of that page, whose form is for Ana's
        program."""
        async with self._page(who, policy) as page:
            async with page.expect_navigation():
                await page.evaluate(_FORM, self.at("own", "/form"))
            return (await page.text_content("body") or "").strip()

    @contextlib.asynccontextmanager
    async def _page(self, who: str, policy: str) -> AsyncIterator[Page]:
        page = await self.context.new_page()
        try:
            await page.goto(self.at(who, f"/page?policy={policy}"))
            self.target.asked.clear()
            yield page
        finally:
            await page.close()


_ELEMENT = """async target => {{
  const element = document.createElement("{tag}"); {more}
  const end = new Promise(tell => {{ element.onload = () => tell(true); element.onerror = () => tell(false); }});
  element.src = target + "{path}"; document.body.append(element); return await end;
}}"""
_FETCH = """async target => {{
  try {{ return (await fetch(target + "/data", {{credentials: "include", {more}}})).ok; }} catch {{ return false; }}
}}"""
_FRAME = """async target => {
  const frame = document.createElement("iframe"), end = new Promise(tell => { frame.onload = tell; });
  frame.src = target; document.body.append(frame); await end;
}"""
_FORM = """target => {
  const form = document.createElement("form"); form.method = "post"; form.action = target;
  document.body.append(form); form.submit();
}"""
_ACTIONS = {
    "get": _FETCH.format(more=""),
    "put": _FETCH.format(more='method: "PUT", headers: {"X-Mine": "1"}'),
    "post": _FETCH.format(more='method: "POST", body: "a=1"'),
    "picture": _ELEMENT.format(tag="img", path="/picture", more=""),
    "script": _ELEMENT.format(tag="script", path="/script", more=""),
    "script-with-origin": _ELEMENT.format(
        tag="script", path="/script", more='element.crossOrigin = "use-credentials";'
    ),
    "socket": """async target => await new Promise(tell => {
      const socket = new WebSocket(target.replace("http", "ws") + "/socket");
      socket.onopen = () => tell(true); socket.onerror = () => tell(false);
    })""",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def neighbours() -> AsyncIterator[Neighbours]:
    target, others = Program(), Program()
    async with new_world() as world, async_playwright() as playwright:
        port, other = free_port(), free_port()
        async with (
            serving(target.app, host="127.0.0.1", port=port),
            serving(others.app, host="127.0.0.1", port=other),
            serving(others.app, host="127.0.0.2", port=port),
            serving(others.app, host="127.0.0.3", port=port),
        ):
            world.server.push(
                routes=(
                    route(ANAS_OTHER, ANA, "127.0.0.3"),
                    route(BOBS, BOB, "127.0.0.2"),
                ),
                grants=(Grant(workspace=BOBS, user=ANA, port=port),),
            )
            chromium = await playwright.chromium.launch(**CHROMIUM)
            context = await chromium.new_context()
            await context.add_cookies(
                [{"name": "moorage", "value": str(ANA), "url": world.gateway.url}]
            )
            made = Neighbours(world, context, target, port, other)
            page = await context.new_page()
            for who in ("own", "kin", "other", "bobs"):
                await page.goto(made.at(who, "/page"))
                assert await page.text_content("p") == "shown", who
            yield made
            await chromium.close()


@pytest.mark.parametrize("what", list(_ACTIONS))
async def test_another_port_of_the_workspace_reaches_it(neighbours: Neighbours, what: str):
    """With its cookies; those that are no simple requests after a preflight."""
    assert await neighbours.does("kin", what)
    assert neighbours.target.asked or what == "socket"


@pytest.mark.parametrize("who", ["other", "bobs", "evil"])
@pytest.mark.parametrize("policy", ["", "no-referrer", "unsafe-url"])
async def test_nobody_else_does(neighbours: Neighbours, who: str, policy: str):
    """Not another workspace of the same person, nor another person's, nor another site, whatever
    they say or do not say of themselves; nothing of it reaches the program."""
    for what in _ACTIONS:
        assert not await neighbours.does(who, what, policy), what
        assert neighbours.target.asked == [], what


@pytest.mark.parametrize("what", ["get", "put", "post", "script-with-origin", "socket"])
async def test_a_page_that_sends_no_referrer_reaches_it(neighbours: Neighbours, what: str):
    """By whatever has an `Origin`, which such a page sends all the same."""
    assert await neighbours.does("kin", what, "no-referrer")


async def test_frames(neighbours: Neighbours):
    """A page of the same workspace shows another port beside its own; nobody else does."""
    assert await neighbours.frames("kin") == "shown"
    for who in ("other", "bobs", "evil"):
        for policy in ("", "no-referrer"):
            assert "shown" not in await neighbours.frames(who, policy), (who, policy)
            assert neighbours.target.asked == [], (who, policy)


async def test_forms(neighbours: Neighbours):
    """A page may send a form to its own address, also when it says nothing of itself, and to
    another port of its workspace; nobody else does."""
    for who, policy in [("own", ""), ("own", "no-referrer"), ("kin", "")]:
        assert await neighbours.submits(who, policy) == "posted", (who, policy)
    for who in ("other", "bobs", "evil"):
        for policy in ("", "no-referrer"):
            assert "posted" not in await neighbours.submits(who, policy), (who, policy)
            assert ("POST", "/form") not in neighbours.target.asked, (who, policy)


async def test_a_form_of_a_page_that_sends_no_referrer(neighbours: Neighbours):
    """It cannot be told from another workspace's: refused, and told why and what helps."""
    said = await neighbours.submits("kin", "no-referrer")
    assert "Referrer-Policy" in said
    assert neighbours.target.asked == []
