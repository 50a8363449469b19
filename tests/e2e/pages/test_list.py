"""The list of workspaces: searched, filtered, and acted on, one by one and several at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from e2e.pages.backstage import Agent, Server, eventually
from e2e.pages.conftest import Person
from e2e.pages.test_look import take
from moorage.contract import ActualState, DesiredState


def several(ana: Person, agent: Agent, repository: str, count: int) -> list[str]:
    """Workspaces of hers, named `one`, `two`, …; made through the API, which is quicker."""
    made = []
    token = ana.server.api("POST", f"/users/{ana.name}/tokens", {})["token"]
    headers = {"Authorization": f"Bearer {token}"}
    titles = ("one", "two", "three", "four", "five", *(f"more-{n}" for n in range(count)))
    for title in titles[:count]:
        answer = httpx.post(
            f"{ana.server.url}/api/v1/workspaces",
            json={"repository": repository, "name": title},
            headers=headers,
            timeout=60,
        )
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["name"])
        agent.desired(made[-1], DesiredState.RUNNING)
    return made


def seen(page: Page) -> list[str]:
    return page.locator(".berth:visible h2").all_inner_texts()


def test_the_list_is_searched_as_one_types(person: Callable, agent: Agent, repository: str):
    """Words and a state leave what fits, also after a live change; the address keeps them, and
    what is hidden is not chosen."""
    ana = person()
    one, two, three = several(ana, agent, repository, 3)
    agent.run(one)
    agent.run(two)
    ana.goto("/")
    expect(ana.page.locator(".list-count")).to_have_text("3 workspaces")
    ana.page.get_by_label("Choose two").check()
    ana.page.get_by_label("Search").fill("t")
    expect(ana.page.locator(".list-count")).to_have_text("3 workspaces")
    ana.page.get_by_label("Search").fill("THREE")
    expect(ana.page.locator(".list-count")).to_have_text("1 of 3")
    assert seen(ana.page) == ["three"]
    assert ana.page.url.endswith("/?q=THREE")
    ana.page.get_by_label("Search").fill("")
    expect(ana.page.get_by_label("Choose two")).not_to_be_checked()
    ana.page.get_by_label("State").select_option("Running")
    expect(ana.page.locator(".list-count")).to_have_text("2 of 3")
    agent.run(three)
    expect(ana.page.locator(".list-count")).to_have_text("3 workspaces")
    agent.report(one, ActualState.FAILED)
    expect(ana.page.locator(".list-count")).to_have_text("2 of 3")
    ana.page.reload()
    expect(ana.page.locator(".list-count")).to_have_text("2 of 3")
    assert sorted(seen(ana.page)) == ["three", "two"]
    ana.page.get_by_label("Search").fill("nothing like that")
    expect(ana.page.get_by_text("None of these workspaces is what you look for.")).to_be_visible()
    ana.page.get_by_role("link", name="Show all").click()
    expect(ana.page.locator(".list-count")).to_have_text("3 workspaces")


def test_several_are_stopped_started_and_deleted(person: Callable, agent: Agent, repository: str):
    """What is chosen is stopped and started in place, through live changes; a deletion is asked
    about once, by name; what is not chosen stays."""
    ana = person()
    one, two, three = several(ana, agent, repository, 3)
    for name in (one, two, three):
        agent.run(name)
    ana.goto("/")
    expect(ana.page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    ana.page.get_by_label("Choose one").check()
    ana.page.get_by_label("Choose two").check()
    agent.run(three, post_start={"install": "done"})
    agent.report(three, ActualState.FAILED)
    expect(ana.page.locator(f"#row-{three} .badge")).to_have_text("Failed")
    expect(ana.page.locator(".pick-said")).to_have_text("2 chosen")
    ana.page.get_by_role("button", name="Stop", exact=True).click()
    expect(ana.page.locator("#toasts")).to_contain_text("2 workspaces are being stopped")
    for name in (one, two):
        agent.desired(name, DesiredState.STOPPED)
        agent.report(name, ActualState.STOPPED)
    assert agent.wanted[three].desired is DesiredState.RUNNING
    expect(ana.page.locator(".pick-said")).to_have_text("Choose all")
    ana.page.get_by_label("Choose all").check()
    expect(ana.page.locator(".pick-said")).to_have_text("3 chosen")
    ana.page.get_by_label("Choose three").uncheck()
    ana.page.get_by_role("button", name="Start", exact=True).click()
    for name in (one, two):
        agent.desired(name, DesiredState.RUNNING)
    expect(ana.page.locator(".pick-said")).to_have_text("Choose all")
    ana.page.get_by_label("Choose one").check()
    ana.page.get_by_label("Choose three").check()
    ana.page.get_by_role("button", name="Delete…").click()
    expect(ana.page.get_by_role("heading", name="Delete 2 workspaces?")).to_be_visible()
    assert ana.page.locator("main li strong").all_inner_texts() == ["three", "one"]
    ana.page.get_by_role("link", name="Keep them").click()
    ana.page.get_by_label("Choose one").check()
    ana.page.get_by_label("Choose three").check()
    ana.page.get_by_role("button", name="Delete…").click()
    ana.page.get_by_role("button", name="Delete them").click()
    expect(ana.page.locator("#toasts")).to_contain_text("They are being deleted.")
    for name in (one, three):
        agent.desired(name, DesiredState.TERMINATED)
    assert agent.wanted[two].desired is DesiredState.RUNNING


def test_one_is_stopped_and_deleted_from_the_list(person: Callable, agent: Agent, repository: str):
    """Each row has its own buttons, named for screen readers; a deletion asks."""
    ana = person()
    one, two = several(ana, agent, repository, 2)
    agent.run(one)
    ana.goto("/")
    ana.page.get_by_role("button", name="Stop one").click()
    agent.desired(one, DesiredState.STOPPED)
    agent.report(one, ActualState.STOPPED)
    expect(ana.page.locator(f"#row-{one} .badge")).to_have_text("Stopped")
    ana.page.get_by_role("link", name="Delete two").click()
    ana.page.get_by_role("button", name="Delete it").click()
    agent.desired(two, DesiredState.TERMINATED)
    agent.report(two, ActualState.TERMINATED)
    expect(ana.page.locator(f"#row-{two}")).to_have_count(0)
    expect(ana.page.locator(f"#row-{one}")).to_be_visible()


def test_several_without_a_script(person: Callable, agent: Agent, repository: str):
    """Search, choice and what is done with several are plain forms."""
    ana = person(java_script_enabled=False)
    one, two = several(ana, agent, repository, 2)
    agent.run(one)
    ana.goto("/")
    ana.page.get_by_label("Search").fill("two")
    ana.page.get_by_role("button", name="Show").click()
    ana.page.wait_for_url(re.compile(r"/\?q=two"))
    assert seen(ana.page) == ["two"]
    ana.page.get_by_label("Choose two").check()
    ana.page.get_by_role("button", name="Stop", exact=True).click()
    ana.page.wait_for_url("**/?done=several-stop")
    agent.desired(two, DesiredState.STOPPED)
    assert agent.wanted[one].desired is DesiredState.RUNNING
    ana.page.get_by_label("Choose one").check()
    ana.page.get_by_role("button", name="Delete…").click()
    ana.page.get_by_role("button", name="Delete it").click()
    ana.page.wait_for_url("**/?done=several-delete")
    agent.desired(one, DesiredState.TERMINATED)


def test_what_is_refused_is_said_and_the_others_go_on(
    person: Callable, server: Server, agent: Agent, repository: str
):
    """Somebody else's workspace among the chosen is left alone, and not told of."""
    ana, bob = person("ana"), person("bob", expected=(404, 409))
    (hers,) = several(ana, agent, repository, 1)
    (his,) = several(bob, agent, repository, 1)
    answer = bob.page.request.post(
        f"{server.url}/several",
        form={"do": "stop", "workspace": hers},
        headers={"Origin": server.url},
    )
    assert answer.status == 409
    assert f"There is no workspace {hers}." in answer.text()
    answer = bob.page.request.post(
        f"{server.url}/several",
        form={"do": "delete", "agreed": "true", "workspace": his},
        headers={"Origin": server.url},
    )
    assert answer.ok
    agent.desired(his, DesiredState.TERMINATED)
    assert agent.wanted[hers].desired is DesiredState.RUNNING
    eventually("hers is still there", lambda: ana.goto(f"/workspaces/{hers}").ok)


def test_sixty_rows_are_compact(person: Callable, agent: Agent, repository: str, pictures: Path):
    """A row takes at most 56 pixels on a wide screen: sixty workspaces are no more than five
    screens."""
    ana = person()
    several(ana, agent, repository, 12)
    ana.goto("/")
    height = ana.page.locator(".fleet").evaluate("e => e.getBoundingClientRect().height")
    assert height <= 12 * 56
    ana.page.get_by_label("Choose two").check()
    take(ana.page, pictures, "workspaces-many")
    ana.page.get_by_role("button", name="Delete…").click()
    take(ana.page, pictures, "workspaces-delete")
