"""The main actions in a browser that runs no script, and through plain requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from e2e.pages.backstage import Agent, Server
from moorage import theme
from moorage.contract import ActualState, DesiredState


def test_the_whole_life_of_a_workspace(person: Callable, agent: Agent, repository: str):
    """Create, see it run, read a log, stop, start, delete with a question: all by links and plain
    forms."""
    ana = person(java_script_enabled=False)
    name = ana.create(agent, repository)
    expect(ana.page.locator(".badge").first).to_have_text("Waiting")
    agent.write(name, "py", b"hello <b>world</b>\n")
    agent.run(name)
    # Without scripts a page shows what was so when it was loaded.
    for _ in range(50):
        ana.page.reload()
        if ana.page.locator(".badge").first.inner_text() == "Running":
            break
    expect(ana.page.locator(".badge").first).to_have_text("Running")
    address = ana.page.get_by_role("link", name="Log of py").get_attribute("href")
    log = ana.page.request.get(f"{ana.server.url}{address}")
    assert log.text() == "hello <b>world</b>\n"
    ana.page.get_by_role("button", name="Stop").click()
    ana.page.wait_for_url(f"**/workspaces/{name}?done=stop")
    expect(ana.page.locator("#toasts")).to_contain_text("It is being stopped.")
    agent.desired(name, DesiredState.STOPPED)
    ana.page.get_by_role("button", name="Start", exact=True).click()
    agent.desired(name, DesiredState.RUNNING)
    ana.page.get_by_role("button", name="Delete").click()
    expect(
        ana.page.get_by_role("heading", name="Delete example-python-http-simple?")
    ).to_be_visible()
    ana.page.get_by_role("link", name="Keep it").click()
    ana.page.get_by_role("button", name="Delete").click()
    ana.page.get_by_role("button", name="Delete it").click()
    ana.page.wait_for_url("**/?done=delete")
    agent.desired(name, DesiredState.TERMINATED)
    agent.report(name, ActualState.TERMINATED)


class Visitor:
    """Somebody who signs in and sends forms as a browser would, without one."""

    def __init__(self, server: Server) -> None:
        self.client = httpx.Client(
            base_url=server.url, headers={"Accept": "text/html", "Origin": server.url}, timeout=30
        )
        link = urlsplit(server.sign_in_link(server.add_user("ana"))).path
        self.signed_in = self.client.post(link, data={"next": "/new"})


@pytest.fixture
def visitor(server: Server):
    someone = Visitor(server)
    yield someone
    someone.client.close()


def test_sign_in_and_out(visitor: Visitor):
    """A form signs in and leads on; afterwards pages answer; signing out ends it, in the server
    too."""
    assert visitor.signed_in.status_code == 303
    assert visitor.signed_in.headers["location"] == "/new"
    cookie = visitor.signed_in.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    kept = dict(visitor.client.cookies)
    assert visitor.client.get("/").status_code == 200
    assert visitor.client.post("/sign-out").headers["location"] == "/sign-in?done=signed-out"
    visitor.client.cookies.update(kept)
    assert visitor.client.get("/agents").headers["location"] == "/sign-in?next=%2Fagents"


def test_create_stop_and_delete(visitor: Visitor, agent: Agent, repository: str):
    """Each form answers with a redirect, so that going back repeats nothing."""
    made = visitor.client.post(
        "/new", data={"repository": repository, "name": "plain", "env": "A=1\nB=x=y"}
    )
    assert made.status_code == 303
    here = made.headers["location"]
    assert re.fullmatch(r"/workspaces/workspace-1-\d+-[0-9a-z]{6}", here)
    name = here.rsplit("/", 1)[1]
    spec = agent.desired(name, DesiredState.RUNNING).spec
    assert spec.container(spec.main_container).env.items() >= {"A": "1", "B": "x=y"}.items()
    for action in ("stop", "start", "restart"):
        assert (
            visitor.client.post(f"{here}/{action}").headers["location"] == f"{here}?done={action}"
        )
    assert visitor.client.post(f"{here}/delete").headers["location"] == "/?done=delete"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://8080-workspace-1-1-abcdef.localhost", "null", None]
)
def test_a_form_from_elsewhere_does_nothing(visitor: Visitor, server: Server, origin: str | None):
    """A form that does not come from a page of the server's own is refused with a page that says
    why."""
    headers = {"Accept": "text/html"} | ({"Origin": origin} if origin else {})
    refused = httpx.post(
        f"{server.url}/sign-out", headers=headers, cookies=dict(visitor.client.cookies)
    )
    assert refused.status_code == 403
    assert "This is not yours to do" in refused.text
    assert visitor.client.get("/").status_code == 200


def test_streams_are_for_whom_pages_are_for(visitor: Visitor, server: Server):
    """The live list of everybody is refused to whom its page is refused, and nothing is streamed to
    strangers."""
    assert visitor.client.get("/live?all=true").status_code == 403
    assert visitor.client.get("/workspaces/workspace-1-1-zzzzzz/live").status_code == 404
    assert httpx.get(f"{server.url}/live").status_code == 401


def test_pages_are_not_kept_and_allow_no_foreign_code(visitor: Visitor):
    """No page is kept by a browser or a proxy; scripts and styles come from the server's own assets
    alone."""
    for path in ("/", "/new", "/agents", "/nowhere"):
        response = visitor.client.get(path)
        assert response.headers["cache-control"] == "no-store"
        policy = response.headers["content-security-policy"]
        assert "script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy


def test_assets_are_kept_for_ever(visitor: Visitor):
    """What a page names may be kept for ever, for its address changes with its content; nothing
    else is served."""
    html = visitor.client.get("/").text
    named = set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', html))
    assert len(named) >= 6
    for path in named:
        response = visitor.client.get(path)
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]
    assert (
        visitor.client.get(f"/assets/{'0' * 16}/moorage.css").headers["cache-control"] == "no-cache"
    )
    for path in ("nothing.css", "..%2Fwords.py", "%2e%2e/__init__.py"):
        assert visitor.client.get(f"/assets/{theme.DIGEST}/{path}").status_code == 404


def test_too_long_a_field_is_told_beside_it(visitor: Visitor):
    """A limit of the API holds for the form, and is told where it was broken."""
    refused = visitor.client.post("/new", data={"repository": "https://x/y", "name": "a" * 200})
    assert refused.status_code == 422
    assert 'id="name-error"' in refused.text
