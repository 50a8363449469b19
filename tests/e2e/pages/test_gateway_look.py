"""How the gateway's pages look, in each of their states: they are drawn as the controller draws
them, and shown by a browser with their own stylesheet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import Route as Request
from starlette.requests import Request as Asked

from e2e.pages.backstage import passed
from e2e.pages.test_look import take
from moorage import theme
from moorage.contract import ActualState, Cause, DesiredState, StageState
from moorage.contract.gateway import Route, Session
from moorage.contract.hosts import WorkspaceHost
from moorage.gateway.decide import decide
from moorage.gateway.pages.rendering import ASSETS_AT, Pages
from moorage.gateway.pages.static import static_files
from moorage.gateway.table import Table
from moorage.gateway.zone import Zone
from moorage.kernel.clock import SystemClock

NAME = "workspace-1-1-abc123"
HOST = f"60001-{NAME}.moorage.localhost"
ANA = Session("s", 1, "ana", time.time() + 3600)
BOB = Session("b", 2, "bob", time.time() + 3600)
CAUSE = Cause(
    "image-not-found",
    "The image registry.example.com/app:lates does not exist.",
    "manifest for registry.example.com/app:lates not found: manifest unknown",
    "Check its name and tag in the devfile.",
)


def route(desired: DesiredState, state: ActualState, **values: object) -> Route:
    return Route(NAME, 1, "shop", desired, state, **values)  # type: ignore[arg-type]


RUNNING, STOPPED = DesiredState.RUNNING, DesiredState.STOPPED
STATES: dict[str, tuple[str, Session | None, Route | None, str]] = {
    "stopped": (HOST, ANA, route(STOPPED, ActualState.STOPPED), "This workspace is stopped."),
    "stopping": (HOST, ANA, route(STOPPED, ActualState.STOPPING), "is being stopped"),
    "starting": (
        HOST,
        ANA,
        route(RUNNING, ActualState.STARTING, stages=passed(4, detail="receiving objects, 45 %")),
        "is starting",
    ),
    "failed": (
        HOST,
        ANA,
        route(
            RUNNING, ActualState.FAILED, cause=CAUSE, stages=passed(2, StageState.FAILED, "refused")
        ),
        "could not start",
    ),
    "deleted": (
        HOST,
        ANA,
        route(DesiredState.TERMINATED, ActualState.TERMINATING),
        "has been deleted",
    ),
    "forbidden": (HOST, BOB, route(RUNNING, ActualState.RUNNING), "for its owner alone"),
    "unknown": (HOST, ANA, None, "No such workspace"),
    "no-workspace": ("elsewhere.moorage.localhost", ANA, None, "No workspace has this address"),
    "signed-out": (HOST, None, None, "Nobody is signed in here."),
}


@pytest.fixture
def shown(browser: Browser) -> Iterator[Callable[[bytes], Page]]:
    """A browser to which the gateway's host answers with that page, and with its assets."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()

    def show(html: bytes) -> Page:
        def answer(asked: Request) -> None:
            _, _, name = asked.request.url.partition(f"{ASSETS_AT}/{theme.DIGEST}/")
            asset = theme.asset(name)
            if asset is not None:
                asked.fulfill(body=asset.body, content_type=asset.content_type)
            elif asked.request.resource_type == "document":
                asked.fulfill(body=html, content_type="text/html; charset=utf-8")
            else:
                asked.abort()

        page.route("**/*", answer)
        page.goto(f"http://{HOST}/")
        return page

    yield show
    context.close()


@pytest.mark.parametrize("state", list(STATES))
def test_pages_of_a_workspace(state: str, shown: Callable[[bytes], Page], pictures: Path) -> None:
    """Each says what is so, on every screen, and axe-core finds nothing wrong with it."""
    host, session, known, words = STATES[state]
    zone = Zone("moorage.localhost", "http", 8080)
    table = Table(known=True, server_url="http://moorage.localhost:8080")
    if known is not None:
        table.routes[NAME] = known
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"accept", b"text/html")]}
    answer = Pages(zone, table, SystemClock()).of(
        Asked(scope), decide(host, session, table, zone), WorkspaceHost(NAME, 60001), "/"
    )
    page = shown(bytes(answer.body))
    expect(page.locator("main")).to_contain_text(words)
    helped = page.locator("footer").get_by_role("link", name="Help")
    expect(helped).to_have_attribute("href", "http://moorage.localhost:8080/help")
    take(page, pictures, f"gateway-{state}")


ZONE = Zone("moorage.localhost", "http", 8080)
BY_HAPROXY = sorted(name for name in static_files(ZONE) if name.endswith(".html"))


@pytest.mark.parametrize("name", BY_HAPROXY)
def test_pages_that_haproxy_answers_with(
    name: str, shown: Callable[[bytes], Page], pictures: Path
) -> None:
    """Each in every size and scheme, as it is when the port is filled in."""
    html = static_files(ZONE)[name].replace("%[var(sess.port)]", "8080").replace("%%", "%")
    page = shown(html.encode())
    expect(page.locator("h1")).to_be_visible()
    take(page, pictures, f"gateway-{name.removesuffix('.html').replace('_', '-')}")


@pytest.mark.parametrize("name", ["sign-out", "several-actions"])
def test_pages_that_ask(name: str, shown: Callable[[bytes], Page], pictures: Path) -> None:
    """Signing out, and a message with more than one way on: text and buttons stand apart."""
    pages = Pages(ZONE, Table(known=True, server_url=ZONE.origin), SystemClock())
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"accept", b"text/html")]}
    answers = {
        "sign-out": pages.sign_out,
        "several-actions": lambda: pages.message(
            Asked(scope),
            421,
            code="address-moved",
            title="This address has moved",
            message=f"It is {HOST}:8080 now. Nothing was changed by this request.",
            hint="Open the new address, and do it there. Programs with a token may go on here.",
            actions=[
                {"href": "/", "label": "Open the new address"},
                {"href": "/", "label": "Your workspaces"},
            ],
        ),
    }
    page = shown(bytes(answers[name]().body))
    text, button = (
        page.locator("main p").filter(has_not=page.locator(".button")).last.bounding_box(),
        page.locator("main .button").first.bounding_box(),
    )
    assert text
    assert button
    assert button["y"] - (text["y"] + text["height"]) >= 12
    take(page, pictures, f"gateway-{name}")
