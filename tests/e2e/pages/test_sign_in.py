"""Coming in and going out."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.pages.backstage import Agent, Server
from e2e.pages.test_look import take


@pytest.fixture
def stranger(browser: Browser) -> Page:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_who_is_not_signed_in_comes_back_after_signing_in(server: Server, stranger: Page):
    """A page asks to sign in first; a pasted link leads back to just that page."""
    stranger.goto(
        f"{server.url}/new?repository=https%3A%2F%2Fgit.example.com%2Fteam%2Fapp&ref=main"
    )
    expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
    stranger.get_by_label("Link or code").fill(server.sign_in_link(server.add_user("ana")))
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_label("Repository")).to_have_value("https://git.example.com/team/app")
    expect(stranger.get_by_label("Branch, tag or commit")).to_have_value("main")


def test_looking_at_a_link_does_not_use_it_up(server: Server, stranger: Page):
    """The link's page can be opened often; its button works once, and says so the second time."""
    link = server.sign_in_link(server.add_user("ana"))
    for _ in range(3):
        stranger.goto(link)
    stranger.get_by_role("button", name=re.compile("Sign in as ana")).click()
    expect(stranger.get_by_role("heading", name="Workspaces")).to_be_visible()
    stranger.get_by_role("button", name="Sign out").click()
    expect(stranger.get_by_role("status")).to_contain_text("You are signed out.")
    response = stranger.goto(link)
    assert response.status == 404
    expect(stranger.locator("#link-error")).to_contain_text("has been used already")


@pytest.mark.parametrize(
    "pasted", ["nonsense", "http://localhost/sign-in/link/nonsense", "<b>bold</b>"]
)
def test_a_wrong_link_is_told_beside_the_field(server: Server, stranger: Page, pasted: str):
    """What was pasted stays in the field, and the field is where one goes on."""
    stranger.goto(f"{server.url}/sign-in")
    stranger.get_by_label("Link or code").fill(pasted)
    stranger.get_by_role("button", name="Continue").click()
    expect(stranger.locator("#link-error")).to_contain_text("is not valid")
    expect(stranger.get_by_label("Link or code")).to_have_value(pasted)
    expect(stranger.get_by_label("Link or code")).to_be_focused()


def test_a_link_opened_in_another_tab_signs_this_one_in(server: Server, stranger: Page):
    """A tab that waits at sign-in goes on, once its browser is signed in, when somebody looks at it
    again."""
    stranger.goto(f"{server.url}/agents")
    expect(stranger.get_by_role("heading", name="Sign in")).to_be_visible()
    other = stranger.context.new_page()
    other.goto(server.sign_in_link(server.add_user("ana")))
    other.get_by_role("button", name="Sign in as ana").click()
    expect(other.get_by_role("heading", name="Workspaces")).to_be_visible()
    stranger.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(stranger.get_by_role("heading", name="Agents")).to_be_visible()


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example"]
)
def test_next_leads_nowhere_else(server: Server, stranger: Page, elsewhere: str):
    """An address to go on to that is not this server's leads to the list instead."""
    stranger.goto(f"{server.url}/sign-in")
    stranger.evaluate("next => document.querySelector('input[name=next]').value = next", elsewhere)
    stranger.get_by_label("Link or code").fill(server.sign_in_link(server.add_user("ana")))
    stranger.get_by_role("button", name="Continue").click()
    stranger.wait_for_url(f"{server.url}/")


def test_who_is_blocked_sees_nothing_new(
    server: Server, agent: Agent, person: Callable, repository: str
):
    """A page that is open shows no further change to somebody who was blocked; it leads out
    instead."""
    # 503: the log, when the block comes while it is being opened.
    ana = person(expected=(403, 503))
    name = ana.create(agent, repository)
    agent.run(name)
    expect(ana.page.locator(".badge").first).to_have_text("Running")
    server.api("POST", f"/users/{ana.name}/block")
    agent.run(name, post_start={"secret-step": "done"})
    expect(ana.page.locator("#live")).to_have_count(0)
    expect(ana.page.get_by_text("secret-step")).to_have_count(0)


def test_a_form_of_another_site_is_refused(server: Server, person: Callable):
    """A page of a workspace's host cannot make this browser stop or delete anything."""
    ana = person(expected=(403,))
    other = ana.context.new_page()
    other.route(
        "http://8080-workspace-1-1-abcdef.localhost/**",
        lambda route: route.fulfill(body="<p>app</p>", content_type="text/html"),
    )
    other.goto("http://8080-workspace-1-1-abcdef.localhost/")
    with other.expect_navigation() as navigation:
        other.evaluate(
            """url => { const f = document.createElement("form"); f.method = "post"; f.action = url + "/sign-out";
                       document.body.append(f); f.submit(); }""",
            server.url,
        )
    assert navigation.value.status == 403
    expect(other.get_by_text("comes from another site")).to_be_visible()
    ana.goto("/")
    expect(ana.page.get_by_role("heading", name="Workspaces")).to_be_visible()


def test_a_session_that_has_lasted_long_enough(person: Callable, server: Server, pictures: Path):
    """A page that is open leads to signing in when the session's longest life is over, and says
    that this is why."""
    ana = person(expected=(401,))
    expect(ana.page.get_by_text("Nothing is moored here yet")).to_be_visible()
    with closing(sqlite3.connect(server.home / "moorage.db", timeout=30)) as database, database:
        whose = "user_id = (SELECT id FROM users WHERE name = ?)"
        soon = time.time() + 2
        database.execute(
            f"UPDATE sessions SET ends_at = ?, expires_at = ? WHERE {whose}", (soon, soon, ana.name)
        )
    ana.goto("/")
    expect(ana.page.locator("#ended")).to_contain_text("a session lasts 7 days at most")
    expect(ana.page.get_by_role("heading", name="Sign in")).to_be_visible()
    take(ana.page, pictures, "sign-in-ended")
    ana.page.goto(server.sign_in_link(ana.name))
    ana.page.get_by_role("button", name="Sign in").click()
    expect(ana.page.get_by_text("Nothing is moored here yet")).to_be_visible()
