"""A devfile that changes after a workspace was made from it: told, shown, and taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from e2e.pages.backstage import Agent, Git, eventually
from e2e.pages.conftest import BROKEN_DEVFILE, DEVFILE, Person
from e2e.pages.test_look import take

OTHER = DEVFILE.replace("python-workspace:latest", "python-workspace:2").replace(
    "        - name: database\n          targetPort: 5432\n          protocol: tcp\n",
    "        - name: metrics\n          targetPort: 9090\n      env:\n        - name: MODE\n          value: fast\n",
)


def until_told(person: Person, name: str) -> None:
    """Looks at the workspace again and again, as people do who wait for what they have pushed."""

    def told() -> bool:
        person.goto(f"/workspaces/{name}")
        return person.page.locator("#devfile-changed").is_visible()

    eventually("the page says that the devfile has changed", told)


def test_a_rebuild(person: Callable, agent: Agent, git: Git, pictures: Path):
    """The page says that the devfile has changed; the difference is shown, and taken by a button.
    What is wrong with a devfile stands beside its lines, and another ref is asked for below."""
    repository = git.repository("rebuilt", {".devfile.yaml": DEVFILE})
    ana = person(expected=(422,))
    name = ana.create(agent, repository)
    agent.run(name)
    git.push("rebuilt", {".devfile.yaml": OTHER.replace("fast", "slow")})
    git.push("rebuilt", {".devfile.yaml": OTHER}, branch="other")
    until_told(ana, name)
    take(ana.page, pictures, "workspace-devfile-changed")
    ana.goto("/")
    expect(ana.page.locator(f"#row-{name}")).to_contain_text("has changed")
    take(ana.page, pictures, "workspaces-devfile-changed")
    ana.goto(f"/workspaces/{name}")
    ana.page.get_by_role("link", name="Show the difference").click()
    expect(ana.page.get_by_role("heading", level=1)).to_have_text("Rebuild rebuilt")
    expect(ana.page.locator("#changes")).to_contain_text("python-workspace:2 instead of")
    take(ana.page, pictures, "workspace-rebuild")

    ana.page.locator("#ref").fill("other")
    ana.page.get_by_role("button", name="Show the difference").click()
    expect(ana.page.locator("#changes")).to_contain_text("git fetch origin && git switch other")
    take(ana.page, pictures, "workspace-rebuild-ref")
    ana.page.get_by_role("button", name="Rebuild").click()
    ana.page.wait_for_url("**/workspaces/workspace-*?done=rebuilt")
    expect(ana.page.locator("#toasts")).to_contain_text("Its files stay.")
    eventually("it is restarted", lambda: agent.wanted[name].restarts == 1)
    assert agent.wanted[name].spec.container("py").env["MODE"] == "fast"

    git.push("rebuilt", {".devfile.yaml": BROKEN_DEVFILE}, branch="broken")
    ana.goto(f"/workspaces/{name}/rebuild?ref=broken")
    expect(ana.page.locator(".line-wrong").first).to_be_visible()
    take(ana.page, pictures, "workspace-rebuild-broken")
    ana.goto(f"/workspaces/{name}/rebuild")
    expect(ana.page.get_by_role("heading", name="Nothing has changed")).to_be_visible()
    take(ana.page, pictures, "workspace-rebuild-unchanged")


@pytest.fixture
def without_scripts(person: Callable) -> Person:
    made: Person = person(java_script_enabled=False)
    return made


def test_a_rebuild_without_scripts(without_scripts: Person, agent: Agent, git: Git):
    """Links and forms are enough."""
    repository = git.repository("rebuilt-plainly", {".devfile.yaml": DEVFILE})
    name = without_scripts.create(agent, repository)
    git.push("rebuilt-plainly", {".devfile.yaml": OTHER})
    page = without_scripts.page
    page.get_by_role("link", name="Rebuild").click()
    page.get_by_role("button", name="Rebuild").click()
    page.wait_for_url("**/workspaces/workspace-*?done=rebuilt")
    eventually("it is made anew", lambda: agent.wanted[name].restarts == 1)
