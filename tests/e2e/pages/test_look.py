"""How pages look: pictures for a person, and what a machine can tell (nothing sticks out,
everything can be reached)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from e2e.pages.accessibility import assert_accessible
from e2e.pages.backstage import Agent, Server, eventually, passed
from e2e.pages.conftest import Person
from moorage.agent.causes import crash_loop, in_rescue, of_exit, post_start_failed
from moorage.contract import (
    ActualState,
    Cause,
    ContainerState,
    ContainerStatus,
    DesiredState,
    StageState,
)

SCREENS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390), ("light", 360)]


def used(*, memory: int, cpu: float, killed: int = 0) -> bytes:
    """What a container with half a GiB and two cores says."""
    then = round(cpu * 500_000)
    return (
        f"memory {memory} 0 {512 << 20}\nquota 200000 100000\nkilled {killed}\n"
        f"cpu 0 1.00\ncpu {then} 1.50\ndisk {20 << 20} {50 << 20}\n"
    ).encode()


@pytest.fixture
def fleet(person: Callable, agent: Agent, repository: str) -> tuple[Person, dict[str, str]]:
    """Somebody with a workspace in each state worth looking at."""
    ana = person("ana", expected=(404, 409, 422))
    names = {}
    for state in ("running", "starting", "failed", "stopped", "trouble", "repair"):
        names[state] = ana.create(agent, repository)
    py = ContainerStatus(
        "py",
        "registry.example.com/python-workspace:latest",
        ContainerState.RUNNING,
        started_at=time.time() - 3700,
    )
    db = ContainerStatus(
        "db",
        "docker.io/library/postgres:16",
        ContainerState.EXITED,
        exit_code=1,
        restarts=3,
        detail="is started again in 20 s",
    )
    lines = b"".join(b"127.0.0.1 - - GET /item/%d HTTP/1.1 200\n" % number for number in range(12))
    agent.write(names["running"], "py", lines)
    agent.answers[names["running"], "py"] = used(memory=500 << 20, cpu=0.4, killed=1)
    agent.run(
        names["running"],
        containers=(py, db),
        post_start={"install": "done", "migrate": "exit code 2\npsql: refused"},
    )
    agent.report(
        names["starting"], ActualState.STARTING, stages=passed(4, detail="receiving objects, 45 %")
    )
    cause = Cause(
        "image-not-found",
        "The image registry.example.com/python-workspace:lates does not exist.",
        "manifest for registry.example.com/python-workspace:lates not found: manifest unknown",
        "Check its name and tag in the devfile.",
    )
    agent.report(
        names["failed"],
        ActualState.FAILED,
        stages=passed(2, StageState.FAILED, "pull refused"),
        cause=cause,
    )
    ended = Cause(
        "container-crashed",
        "Container db ended with exit code 1. The workspace goes on without it.",
        "FATAL: data directory has wrong ownership\nFATAL: could not open /var/lib/postgresql/data",
        "It is started again by itself, after ever longer pauses.",
        time.time() - 90,
    )
    agent.run(
        names["trouble"],
        containers=(py, db),
        trouble=(ended, post_start_failed("migrate ended with exit code 2.\npsql: refused")),
        post_start={"migrate": "migrate ended with exit code 2.\npsql: refused", "serve": ""},
    )
    looped = of_exit("py", 1, "bash: /opt/tools/env.sh: No such file or directory").cause
    repair = in_rescue(crash_loop(looped, 3).cause, "docker.io/library/debian:stable")
    agent.run(
        names["repair"],
        containers=(msgspec.structs.replace(py, image="docker.io/library/debian:stable"),),
        trouble=(repair,),
        rescue=True,
    )
    ana.goto(f"/workspaces/{names['stopped']}")
    ana.page.get_by_role("button", name="Stop").click()
    agent.desired(names["stopped"], DesiredState.STOPPED)
    agent.report(names["stopped"], ActualState.STOPPED)
    expect(ana.page.locator(".badge").first).to_have_text("Stopped")
    return ana, names


def take(page: Page, pictures: Path, name: str) -> None:
    """A picture on every screen; nothing may stick out to the right on any of them, and axe-core
    finds nothing wrong, in either colour scheme."""
    page.emulate_media(reduced_motion="reduce")
    for scheme, width in SCREENS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        sticking_out = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert sticking_out == 0, f"{name} at {width} px"
        assert_accessible(page, f"{name}, {scheme}, {width} px")
        page.screenshot(path=pictures / f"{name}-{scheme}-{width}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 800})


def test_pictures_of_workspaces(fleet: tuple[Person, dict[str, str]], pictures: Path, agent: Agent):
    """The list, and a workspace in each state."""
    ana, names = fleet
    ana.goto("/")
    expect(ana.page.locator(f"#row-{names['failed']}")).to_contain_text("does not exist")
    take(ana.page, pictures, "workspaces")
    for state, name in names.items():
        ana.goto(f"/workspaces/{name}")
        if state == "running":
            expect(ana.page.locator(".log-lines")).to_contain_text("/item/11")
            expect(ana.page.locator("#usage")).to_contain_text("500 MiB of 512 MiB: nearly all")
        take(ana.page, pictures, f"workspace-{state}")
    ana.page.locator("#actions").get_by_role("button", name="Delete").click()
    expect(ana.page.get_by_role("dialog")).to_be_visible()
    take(ana.page, pictures, "workspace-delete")
    ana.goto(f"/workspaces/{names['running']}/delete")
    take(ana.page, pictures, "workspace-delete-page")


def test_an_administrator_looks_at_others_from_outside(
    fleet: tuple[Person, dict[str, str]], person: Callable, pictures: Path
):
    """State, cause and containers; in the place of what its programs wrote, a word on whose that
    is."""
    ana, names = fleet
    admin = person(name="admin")
    for state, hidden, shown in (
        ("failed", "manifest unknown", "does not exist"),
        ("running", "psql: refused", "postgres:16"),
    ):
        ana.goto(f"/workspaces/{names[state]}")
        expect(ana.page.locator("#live")).to_contain_text(hidden)
        admin.goto(f"/workspaces/{names[state]}")
        expect(admin.page.locator("#live")).to_contain_text(shown)
        expect(admin.page.locator("#outside")).to_contain_text(f"for {ana.name} alone")
        assert hidden not in admin.page.content()
        take(admin.page, pictures, f"workspace-outside-{state}")


def test_pictures_of_forms(
    person: Callable, pictures: Path, repository: str, broken_repository: str, agent: Agent
):
    """The empty list, and the form of a new workspace with and without errors."""
    ana = person(expected=(404, 422))
    take(ana.page, pictures, "workspaces-none")
    ana.goto("/new")
    take(ana.page, pictures, "new")
    for address, ref, name in (
        (repository, "nowhere", "new-error"),
        (broken_repository, "", "new-devfile"),
    ):
        ana.goto("/new")
        ana.page.get_by_label("Repository").fill(address)
        ana.page.get_by_label("Branch, tag or commit").fill(ref)
        ana.page.get_by_role("button", name="Create workspace").click()
        expect(ana.page.locator(".field-error").first).to_be_visible()
        take(ana.page, pictures, name)
    ana.page.get_by_role("link", name="Help").click()
    expect(ana.page.get_by_role("heading", name="States")).to_be_visible()
    take(ana.page, pictures, "help")
    ana.goto("/nowhere")
    take(ana.page, pictures, "error-404")


def test_pictures_for_administrators_and_strangers(
    person: Callable, server: Server, pictures: Path, agent: Agent
):
    """Users, agents, and the pages of signing in."""
    admin = person(name="admin", expected=(404, 409, 422))
    someone = server.add_user("dora")
    admin.goto("/users")
    admin.page.get_by_role("button", name=f"Make a sign-in link for {someone}").click()
    take(admin.page, pictures, "users")
    pictures_of_agents(admin, pictures)
    admin.page.get_by_role("button", name="Sign out").click()
    admin.page.wait_for_url("**/sign-in**")
    expect(admin.page.get_by_role("heading", name="Sign in")).to_be_visible()
    take(admin.page, pictures, "sign-in")
    admin.page.goto(server.sign_in_link(someone))
    take(admin.page, pictures, "sign-in-link")
    admin.goto("/sign-in/link/wrong")
    take(admin.page, pictures, "sign-in-error")


def pictures_of_agents(admin: Person, pictures: Path) -> None:
    """The list, the form with an error, tokens that are shown once, and an agent's own page."""
    admin.goto("/new-agent")
    admin.page.get_by_label("Name").fill("local")
    admin.page.get_by_label("Address of its zone").fill("blue.example.dev")
    admin.page.get_by_role("button", name="Add it").click()
    expect(admin.page.locator(".field-error").first).to_be_visible()
    take(admin.page, pictures, "agent-new")
    admin.page.get_by_label("Name").fill("blue")
    admin.page.get_by_label("Address of its zone").fill("https://blue.example.dev")
    admin.page.get_by_role("button", name="Add it").click()
    expect(admin.page.get_by_role("heading", name="The agent blue is added")).to_be_visible()
    admin.page.get_by_text("On a machine with Docker").click()
    take(admin.page, pictures, "agent-tokens")
    admin.page.get_by_role("link", name="I have them").click()
    admin.page.get_by_role("button", name="Take no new workspaces").click()
    expect(admin.page.locator("#toasts")).to_contain_text("no new workspaces")
    take(admin.page, pictures, "agent-new-one")
    admin.goto("/agents")
    take(admin.page, pictures, "agents")
    admin.goto("/agents/local")
    text = "remote_development:\n  # The blue team's nodes.\n  node_selector: {pool: blue}\n  workspaces_per_user_quota: many\n"
    admin.page.get_by_label("Settings, in the format of").fill(text)
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.locator("#text-error")).to_be_visible()
    take(admin.page, pictures, "agent-settings-error")
    admin.page.get_by_label("Settings, in the format of").fill(text.replace("many", "500"))
    admin.page.get_by_role("button", name="Save").click()
    expect(admin.page.locator("#toasts")).to_contain_text("saved")
    admin.page.get_by_text("All of them, with the defaults").click()
    take(admin.page, pictures, "agent")
    admin.goto("/agents/blue/ask?what=token")
    take(admin.page, pictures, "agent-ask")
    admin.goto("/agents/blue")
    admin.page.get_by_role("button", name="Remove").click()
    expect(admin.page.get_by_role("dialog")).to_be_visible()
    take(admin.page, pictures, "agent-remove")
    admin.page.get_by_role("button", name="Remove it").click()
    expect(admin.page.locator("#toasts")).to_contain_text("removed")


REACHED = """() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  return {text: (e.getAttribute("aria-label") || e.textContent || e.id || "").trim().slice(0, 60), tag: e.tagName,
          outlined: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2,
          seen: r.width > 0 && r.height > 0 && r.right > 0 && r.bottom > 0}; }"""


def test_every_control_is_reached_by_tab_and_shows_it(fleet: tuple[Person, dict[str, str]]):
    """Tab leads through all controls, from the skip link on, and each shows that it has the
    focus."""
    ana, names = fleet
    ana.goto(f"/workspaces/{names['running']}")
    expect(ana.page.locator(".log-lines")).to_contain_text("/item/11")
    reached = []
    for _ in range(60):
        ana.page.keyboard.press("Tab")
        now = ana.page.evaluate(REACHED)
        if now["tag"] == "BODY":
            break
        assert now["seen"], now
        assert now["outlined"], now
        reached.append(now["text"])
    assert reached[0] == "Skip to the content"
    for control in (
        "Open editor",
        "Restart",
        "Stop",
        "Delete",
        "http-python",
        "Open it",
        "Log of py",
        "Pause",
        "Sign out",
    ):
        assert control in reached, (control, reached)


def test_the_skip_link_skips(person: Callable):
    """The first control leads past the header."""
    ana = person()
    ana.goto("/agents")
    ana.page.keyboard.press("Tab")
    ana.page.keyboard.press("Enter")
    eventually(
        "the content has the focus",
        lambda: ana.page.evaluate("document.activeElement.id") == "content",
    )


def test_less_motion_on_request(fleet: tuple[Person, dict[str, str]]):
    """Who asked their system for less motion sees nothing turn."""
    ana, names = fleet
    ana.page.emulate_media(reduced_motion="reduce")
    ana.goto(f"/workspaces/{names['starting']}")
    knot = ana.page.locator("#stage-clone .stage-knot .icon")
    assert knot.evaluate("e => getComputedStyle(e).animationIterationCount") == "1"
