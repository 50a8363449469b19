"""Users, agents, and pages that say no."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from e2e.pages.backstage import Agent, Server
from e2e.pages.test_look import take


def test_a_user_is_added_and_let_in(
    person: Callable, browser: Browser, server: Server, unique: str
):
    """An administrator adds somebody and makes their link, which is shown once and works in another
    browser."""
    admin = person(name="admin")
    admin.page.get_by_role("link", name="Users").click()
    admin.page.get_by_label("Name").fill(f"cleo-{unique}")
    admin.page.get_by_role("button", name="Add").click()
    expect(admin.page.locator("#toasts")).to_contain_text("The user is added.")
    admin.page.get_by_role("button", name=f"Make a sign-in link for cleo-{unique}").click()
    shown = admin.page.get_by_role("alert")
    link = shown.locator("code").inner_text()
    assert link.startswith(f"{server.url}/sign-in/link/")
    admin.page.get_by_role("link", name="Users").click()
    expect(admin.page.get_by_role("alert")).to_have_count(0)
    context = browser.new_context()
    other = context.new_page()
    other.goto(link)
    other.get_by_role("button", name=f"Sign in as cleo-{unique}").click()
    expect(other.get_by_role("heading", name="Workspaces")).to_be_visible()
    expect(other.get_by_role("link", name="Users")).to_have_count(0)
    context.close()


def test_ones_own_link(person: Callable, browser: Browser, server: Server, pictures: Path):
    """Who may list no users gets a link of their own, on a page of its own that works; and none for
    somebody else."""
    ana = person("ana", expected=(404,))
    ana.goto("/agents")
    post = "name => { const f = document.createElement('form'); f.method = 'post'; f.action = `/users/${name}/sign-in-link`; document.body.append(f); f.submit(); }"
    ana.page.evaluate(post, ana.name)
    link = ana.page.get_by_role("alert").locator("code").inner_text()
    expect(ana.page.get_by_role("heading", name="Sign in somewhere else")).to_be_visible()
    take(ana.page, pictures, "sign-in-link-made")
    context = browser.new_context()
    other = context.new_page()
    other.goto(link)
    other.get_by_role("button", name=f"Sign in as {ana.name}").click()
    expect(other.get_by_role("heading", name="Workspaces")).to_be_visible()
    context.close()
    ana.page.evaluate(post, "admin")
    expect(ana.page.get_by_text("There is no user admin")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "text"), [("admin", "There is a user admin already."), ("-no-", "")]
)
def test_a_name_that_cannot_be_used(person: Callable, name: str, text: str):
    """What is wrong with a user's name is told beside the field."""
    admin = person(name="admin", expected=(409, 422))
    admin.goto("/users")
    admin.page.get_by_label("Name").fill(name)
    admin.page.get_by_role("button", name="Add").click()
    expect(admin.page.locator("#name-error")).to_contain_text(text)
    expect(admin.page.get_by_label("Name")).to_have_value(name)
    expect(admin.page.get_by_label("Name")).to_be_focused()


def test_a_role_is_changed_and_the_audit_says_so(person: Callable, server: Server, pictures: Path):
    """An administrator makes somebody an auditor, who reads in the audit who did so, finds what was
    refused, and is offered nothing to do."""
    admin = person(name="admin")
    eva = person("eva", expected=(403,))
    eva.goto("/users")
    admin.page.get_by_role("link", name="Users").click()
    row = admin.page.locator(f"#user-{eva.name}")
    row.get_by_role("combobox").select_option("auditor")
    row.get_by_role("button", name="Change the role").click()
    expect(admin.page.locator("#toasts")).to_contain_text("Their role is changed.")
    take(admin.page, pictures, "users-roles")
    eva.goto(f"/audit?target={eva.name}")
    rows = eva.page.locator(".audit-table tbody tr")
    expect(rows.first).to_contain_text("from developer to auditor")
    take(eva.page, pictures, "audit-filtered")
    eva.goto("/audit")
    take(eva.page, pictures, "audit")
    eva.page.get_by_label("Who", exact=True).fill(f"{eva.name}")
    eva.page.get_by_label("Outcome").select_option("denied")
    eva.page.get_by_role("button", name="Show", exact=True).click()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("list users")
    expect(eva.page.get_by_role("link", name="New workspace")).to_have_count(0)
    eva.goto("/users")
    expect(eva.page.get_by_role("button", name="Change the role")).to_have_count(0)


def test_block_and_unblock(person: Callable, server: Server):
    """Somebody who is blocked is out at once, and may come in again when unblocked."""
    admin, ana = person(name="admin"), person("ana", expected=(403,))
    admin.goto("/users")
    row = admin.page.locator(f"#user-{ana.name}")
    row.get_by_role("button", name="Block").click()
    expect(row.get_by_text("Blocked")).to_be_visible()
    expect(row.get_by_role("button", name="Make a sign-in link")).to_have_count(0)
    # Her open page leads there by itself: another way to go on would be cut off by it.
    expect(ana.page).to_have_url(re.compile("/sign-in"))
    expect(ana.page.get_by_role("heading", name="Workspaces")).to_have_count(0)
    row.get_by_role("button", name=f"Unblock {ana.name}").click()
    expect(row.get_by_text("Blocked")).to_have_count(0)


def test_agents(person: Callable, agent: Agent):
    """An agent is shown with its state, and with when it was last heard of when it is away."""
    ana = person()
    ana.page.get_by_role("link", name="Agents").click()
    row = ana.page.get_by_role("row").filter(has_text="local")
    expect(row).to_contain_text("Connected")
    expect(row).to_contain_text("memory")
    agent.stop()
    try:
        ana.page.reload()
        expect(row).to_contain_text("Not connected")
        expect(row).to_contain_text(re.compile("last seen (just now|1 minute ago)"))
    finally:
        agent.start()


def test_an_agent_is_added_and_removed(person: Callable, server: Server, unique: str):
    """An administrator adds an agent: its tokens are in one answer and never again; new ones end
    the old; it can be switched off, revoked and removed."""
    admin, name = person(name="admin"), f"blue-{unique}"
    admin.page.get_by_role("link", name="Agents").click()
    admin.page.get_by_role("link", name="Add an agent").click()
    admin.page.get_by_label("Name").fill(name)
    admin.page.get_by_label("Address of its zone").fill(f"https://{name}.example.dev")
    admin.page.get_by_role("button", name="Add it").click()
    command = admin.page.get_by_role("alert").locator("pre").inner_text()
    assert command.startswith("helm upgrade --install")
    assert f"workspaceDomain: {name}.example.dev" in command
    token = re.search(r"token: (moor_agent_\S+)", command)
    assert token is not None
    admin.page.get_by_role("link", name="I have them").click()
    expect(admin.page.locator(".badge").first).to_have_text("Never connected")
    assert token[1] not in admin.page.content()
    admin.page.get_by_role("button", name="Take no new workspaces").click()
    expect(admin.page.get_by_role("note")).to_contain_text("takes no new workspaces")
    admin.page.get_by_role("button", name="Take new workspaces").click()
    expect(admin.page.get_by_role("note")).to_have_count(0)
    admin.page.get_by_role("button", name="New tokens").click()
    admin.page.get_by_role("button", name="Make new tokens").click()
    other = admin.page.get_by_role("alert").locator("pre").inner_text()
    assert "moor_agent_" in other
    assert token[1] not in other
    admin.page.get_by_role("link", name="I have them").click()
    admin.page.get_by_role("button", name="Revoke").click()
    admin.page.get_by_role("button", name="Revoke them").click()
    expect(admin.page.locator(".badge").first).to_have_text("Revoked")
    admin.page.get_by_role("button", name="Remove").click()
    admin.page.get_by_role("button", name="Remove it").click()
    expect(admin.page.locator("#toasts")).to_contain_text("The agent is removed.")
    expect(admin.page.locator(f"#agent-{name}")).to_have_count(0)


def test_settings_are_changed_and_kept_in_versions(person: Callable, unique: str):
    """A wrong setting is told with its line, and the text stays; a right one makes a version; an
    earlier one can be seen, and what somebody else changed meanwhile is not overwritten."""
    admin, name = person(name="admin", expected=(409, 422)), f"green-{unique}"
    admin.goto("/new-agent")
    admin.page.get_by_label("Name").fill(name)
    admin.page.get_by_label("Address of its zone").fill(f"https://{name}.example.dev")
    admin.page.get_by_role("button", name="Add it").click()
    admin.page.get_by_role("link", name="I have them").click()
    text = admin.page.get_by_label("Settings, in the format of")
    text.fill("remote_development:\n  workspaces_quoter: 3\n")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.locator("#text-error")).to_contain_text("line 2")
    expect(text).to_have_value("remote_development:\n  workspaces_quoter: 3\n")
    text.fill("remote_development:\n  workspaces_quota: 3 # for now\n")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.locator("#toasts")).to_contain_text("The settings are saved.")
    expect(admin.page.locator("#settings")).to_contain_text("Version 1")
    second = admin.page.context.new_page()
    second.goto(admin.page.url)
    text.fill("remote_development:\n  workspaces_quota: 4\n")
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.locator("#settings")).to_contain_text("Version 2")
    second.get_by_label("Settings, in the format of").fill(
        "remote_development:\n  workspaces_quota: 5\n"
    )
    second.get_by_role("button", name="Save").click()
    expect(second.locator("#text-error")).to_contain_text("changed meanwhile")
    second.close()
    admin.page.get_by_role("link", name="Version 1").click()
    expect(text).to_have_value("remote_development:\n  workspaces_quota: 3 # for now\n")
    expect(admin.page.locator("#settings")).to_contain_text("This is an earlier version.")


def test_an_agent_that_cannot_be_added(person: Callable, unique: str):
    """What is wrong with a name or a zone is told beside its field, and what was written stays."""
    admin = person(name="admin", expected=(409, 422))
    admin.goto("/new-agent")
    for name, zone, field, text in (
        ("Blue Team", "https://blue.example.dev", "name", "no name for an agent"),
        (f"blue-{unique}", "blue", "zone_url", "no origin of a zone"),
        (
            f"blue-{unique}",
            "http://localhost:1234",
            "zone_url",
            "the zone of the agent local already",
        ),
    ):
        admin.page.get_by_label("Name").fill(name)
        admin.page.get_by_label("Address of its zone").fill(zone)
        admin.page.get_by_role("button", name="Add it").click()
        expect(admin.page.locator(f"#{field}-error")).to_contain_text(text)
        expect(admin.page.get_by_label("Name")).to_have_value(name)


def test_agents_are_an_administrators(person: Callable, agent: Agent):
    """A developer sees agents, and nothing to change them with."""
    ana = person("ana", expected=(403,))
    ana.page.get_by_role("link", name="Agents").click()
    expect(ana.page.get_by_role("link", name="Add an agent")).to_have_count(0)
    ana.page.get_by_role("link", name="local").click()
    expect(ana.page.get_by_role("heading", name="local")).to_be_visible()
    expect(ana.page.locator("main form")).to_have_count(0)
    assert ana.goto("/new-agent").status == 403


@pytest.mark.parametrize(
    ("path", "status", "heading"),
    [
        ("/nowhere", 404, "Nothing is moored here"),
        ("/workspaces/workspace-1-1-zzzzzz", 404, "Nothing is moored here"),
        ("/users", 403, "This is not yours to do"),
        ("/agents/nowhere", 404, "Nothing is moored here"),
        ("/workspaces/x/open?port=many", 422, "This is not accepted"),
    ],
)
def test_pages_that_say_no(person: Callable, path: str, status: int, heading: str):
    """An error has the look of all pages, says what it is, names its request, and leads back."""
    ana = person(expected=(status,))
    response = ana.goto(path)
    assert response.status == status
    expect(ana.page.get_by_role("heading", name=heading)).to_be_visible()
    expect(ana.page.locator(".request-id code")).to_have_text(response.headers["x-request-id"])
    ana.page.get_by_role("link", name="To your workspaces").click()
    expect(ana.page.get_by_role("heading", name="Workspaces", exact=True)).to_be_visible()
