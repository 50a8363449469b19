"""What an agent has and the server does not know, on its pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from e2e.pages.backstage import Agent, eventually
from e2e.pages.test_look import take
from moorage.contract import Container, DesiredState, FoundWorkspace, WorkspaceSpec

SPEC = WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py")


def found(suffix: str, title: str, **fields: object) -> FoundWorkspace:
    name = f"workspace-1-1-{suffix}"
    memo = {
        "title": title,
        "owner": "eve",
        "repository": "https://git.example.com/team/shop.git",
        "ref": "main",
    }
    given: dict[str, object] = {
        "mark": f"mark-of-{suffix}",
        "generation": 7,
        "owner": 900,
        "since": time.time() - 90_000,
        "desired": DesiredState.RUNNING,
        "objects": (f"volume {name}", f"volume {name}.cache", f"container {name}.py"),
        "spec": SPEC,
        "memo": memo,
        **fields,
    }
    return FoundWorkspace(name=name, **given)  # type: ignore[arg-type]


@pytest.fixture
def things(agent: Agent) -> Iterator[tuple[FoundWorkspace, ...]]:
    """One with all that is known, one of an agent of an earlier version, one that another agent
    works on."""
    told = (
        found("aaaaaa", "shop"),
        found("bbbbbb", "", spec=None, memo={}, owner=0),
        found(
            "cccccc",
            "till",
            elsewhere="the state folder /srv/copy on machine 1a2b3c4d",
            running=True,
        ),
    )
    agent.find(*told)
    yield told
    agent.find()


def test_adopting_and_removing_what_was_found(
    person: Callable, agent: Agent, things: tuple[FoundWorkspace, ...], pictures: Path
):
    """An administrator sees on the agents' pages what was found, and that the server was set back;
    adopts one for somebody, who has it again; is told what a removal loses; and the agent is told
    just what was shown. Nobody else sees any of it."""
    ana, admin = person("ana", expected=(403,)), person(name="admin", expected=(403, 404, 422))
    admin.goto("/agents")
    expect(admin.page.locator("#agent-local")).to_contain_text("3 found")
    take(admin.page, pictures, "agents-found")
    admin.page.get_by_role("link", name="3 found").click()
    panel = admin.page.locator("#found")
    expect(panel).to_contain_text("They are stopped and kept")
    expect(panel).to_contain_text("another agent works on it")
    expect(admin.page.get_by_text("was set back to an earlier state")).to_be_visible()
    take(admin.page, pictures, "agent-found")

    panel.get_by_role("link", name="workspace-1-1-bbbbbb").click()
    expect(admin.page.get_by_label("Repository")).to_be_visible()
    take(admin.page, pictures, "found-without-record")
    admin.goto("/agents/local/found/workspace-1-1-cccccc")
    expect(admin.page.get_by_text("/srv/copy")).to_be_visible()
    expect(admin.page.get_by_role("button", name="Remove it")).to_have_count(0)
    take(admin.page, pictures, "found-elsewhere")

    admin.goto("/agents/local/found/workspace-1-1-aaaaaa")
    expect(admin.page.get_by_text("what was not pushed is lost")).to_be_visible()
    take(admin.page, pictures, "found")
    admin.page.get_by_role("button", name="Adopt it").click()
    expect(admin.page.locator("#owner-error")).to_contain_text("whose it is")
    take(admin.page, pictures, "found-error")
    admin.page.get_by_label("Owner").select_option(ana.name)
    admin.page.get_by_role("button", name="Adopt it").click()
    expect(admin.page.locator("#toasts")).to_contain_text("It is a workspace again")
    ana.goto("/")
    expect(ana.page.locator("#row-workspace-1-1-aaaaaa")).to_contain_text("shop")
    assert agent.desired("workspace-1-1-aaaaaa", DesiredState.STOPPED).generation == 8

    ana.goto("/agents/local")
    expect(ana.page.locator("#found")).to_have_count(0)
    ana.goto("/agents/local/found/workspace-1-1-bbbbbb")
    expect(ana.page.get_by_text("Only an administrator may do this")).to_be_visible()

    admin.goto("/agents/local/found/workspace-1-1-bbbbbb")
    admin.page.get_by_role("button", name="Remove it, with all its files").click()
    expect(admin.page.locator("#toasts")).to_contain_text("It is being removed")
    expect(admin.page.locator("#found-workspace-1-1-bbbbbb")).to_contain_text("is being removed")
    eventually(
        "the agent is told", lambda: ("workspace-1-1-bbbbbb", "mark-of-bbbbbb") in agent.removed
    )
