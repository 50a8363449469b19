"""Creating a workspace, watching it, and what its buttons do."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from e2e.installation import visit
from e2e.pages.backstage import Agent, Git, Server, eventually, passed
from e2e.pages.test_look import take, used
from moorage.contract import (
    ActualState,
    Cause,
    ContainerState,
    ContainerStatus,
    DesiredState,
    StageState,
)


def mark(page: Page) -> None:
    """Leaves a mark in the page that a reload would wipe out."""
    page.evaluate("window.neverReloaded = true")


def reloaded(page: Page) -> bool:
    return not page.evaluate("window.neverReloaded === true")


def badge(page: Page):
    return page.locator(".badge").first


def test_the_first_page_explains_what_to_do(person: Callable):
    """Somebody new is led to their first workspace."""
    ana = person()
    expect(ana.page.get_by_text("Nothing is moored here yet")).to_be_visible()
    ana.page.get_by_role("link", name="Create your first workspace").click()
    expect(ana.page.get_by_label("Repository")).to_be_focused()


def test_a_start_is_seen_live(person: Callable, agent: Agent, repository: str):
    """Stages pass, times run and the state changes without a reload; at the end the editor and the
    ports can be opened."""
    ana = person()
    name = ana.create(agent, repository)
    mark(ana.page)
    agent.report(name, ActualState.STARTING, stages=passed(4, detail="receiving objects, 45 %"))
    expect(badge(ana.page)).to_have_text("Starting")
    clone = ana.page.locator("#stage-clone")
    expect(clone).to_have_class(re.compile("stage-running"))
    expect(clone).to_contain_text("receiving objects, 45 %")
    expect(ana.page.locator("p.unseen[role=status]")).to_contain_text(
        "Clone: receiving objects, 45 %"
    )
    seen = clone.locator(".lasted").inner_text()
    expect(clone.locator(".lasted")).not_to_have_text(seen)
    agent.run(name)
    expect(badge(ana.page)).to_have_text("Running")
    expect(clone).to_have_class(re.compile("stage-done"))
    editor = ana.page.get_by_role("link", name="Open editor")
    expect(editor).to_have_attribute(
        "href", re.compile(rf"^http://60001-{name}\.localhost:\d+/\?folder=/projects/")
    )
    port = ana.page.get_by_role("link", name="http-python")
    expect(port).to_have_attribute("href", re.compile(rf"^http://8080-{name}\.localhost:\d+/"))
    expect(ana.page.locator("#port-5432")).to_contain_text("tcp, not for a browser")
    assert not reloaded(ana.page)


def test_a_failure_says_why(person: Callable, agent: Agent, repository: str):
    """The cause appears where one looks, with its hint and the line behind it; a start tries again,
    in place."""
    ana = person()
    name = ana.create(agent, repository)
    mark(ana.page)
    cause = Cause(
        "image-not-found",
        "The image does not exist.",
        "manifest unknown <b>x</b>",
        "Check its name.",
    )
    agent.report(
        name, ActualState.FAILED, stages=passed(2, StageState.FAILED, "pull refused"), cause=cause
    )
    box = ana.page.get_by_role("region", name="What went wrong")
    expect(box).to_contain_text("The image does not exist.")
    expect(box).to_contain_text("Check its name.")
    expect(box.locator("pre")).to_be_visible()
    expect(box.locator("pre")).to_have_text("manifest unknown <b>x</b>")
    generation = agent.wanted[name].generation
    ana.page.get_by_role("button", name="Start", exact=True).click()
    eventually("a new generation is asked for", lambda: agent.wanted[name].generation > generation)
    agent.report(name, ActualState.STARTING, stages=passed(2))
    expect(box).not_to_be_visible()
    expect(badge(ana.page)).to_have_text("Starting")
    assert not reloaded(ana.page)


def test_trouble_is_amber_and_goes(person: Callable, agent: Agent, repository: str):
    """A side container that has ended is told in place, in words and colour, and the editor opens
    all the same; the list says so; once it runs again, all is green without a reload."""
    ana = person()
    name = ana.create(agent, repository)
    mark(ana.page)
    agent.run(name)
    expect(badge(ana.page)).to_have_text("Running")
    trouble = Cause("container-crashed", "Container db ended with exit code 9.", "no data", "Look.")
    agent.run(name, trouble=(trouble,))
    expect(badge(ana.page)).to_have_text("Running, with trouble")
    expect(badge(ana.page)).to_have_class(re.compile("tone-warn"))
    box = ana.page.get_by_role("region", name="What went wrong")
    expect(box).to_contain_text("Container db ended with exit code 9.")
    expect(box.locator("pre")).to_have_text("no data")
    expect(ana.page.get_by_role("link", name="Open editor")).to_be_visible()
    agent.run(name)
    expect(badge(ana.page)).to_have_text("Running")
    expect(badge(ana.page)).to_have_class(re.compile("tone-good"))
    expect(box).not_to_be_visible()
    assert not reloaded(ana.page)
    ana.goto("/")
    row = ana.page.locator(f"#row-{name}")
    expect(row.locator(".badge")).to_have_text("Running")
    agent.run(name, trouble=(trouble,))
    expect(row.locator(".badge")).to_have_text("Running, with trouble")
    expect(row).to_contain_text("Container db ended with exit code 9.")


def test_a_start_for_repair(person: Callable, agent: Agent, repository: str):
    """A workspace that has failed is started for repair by a button, says so while it runs, and a
    restart tries its own environment again; all of it in place."""
    ana = person()
    name = ana.create(agent, repository)
    mark(ana.page)
    cause = Cause("image-not-found", "The image does not exist.")
    agent.report(name, ActualState.FAILED, stages=passed(2, StageState.FAILED), cause=cause)
    ana.page.get_by_role("button", name="Start for repair").click()
    eventually("a start for repair is asked for", lambda: agent.wanted[name].rescue)
    why = Cause("rescue-asked", "It was to be started for repair.", "", "Restart it.")
    agent.run(name, rescue=True, trouble=(why,))
    expect(badge(ana.page)).to_have_text("Running, for repair")
    expect(badge(ana.page)).to_have_class(re.compile("tone-warn"))
    expect(ana.page.get_by_role("link", name="Open editor")).to_be_visible()
    ana.page.get_by_role("button", name="Restart").click()
    eventually("its own environment is asked for", lambda: not agent.wanted[name].rescue)
    agent.run(name)
    expect(badge(ana.page)).to_have_text("Running")
    assert not reloaded(ana.page)


def test_what_goes_on_after_the_start(person: Callable, agent: Agent, repository: str):
    """A postStart command that runs on is named, and its output is read live; the list names it,
    too."""
    ana = person()
    name = ana.create(agent, repository)
    agent.write(name, "postStart", b"serving on 3000\n")
    agent.run(name, post_start={"install": "done", "serve": ""})
    expect(badge(ana.page)).to_have_text("Running")
    expect(ana.page.locator(".state-line")).to_contain_text("After its start, serve goes on.")
    ana.page.get_by_role("link", name="Log of the postStart commands").click()
    log = ana.page.locator(".log-lines")
    expect(log).to_contain_text("serving on 3000")
    agent.write(name, "postStart", b"GET / 200\n")
    expect(log).to_contain_text("GET / 200")
    ana.goto("/")
    expect(ana.page.locator(f"#row-{name}")).to_contain_text("After its start, serve goes on.")


def test_what_a_person_folded_stays_folded(person: Callable, agent: Agent, repository: str):
    """An update does not open what was closed, nor take away what was typed or where one is."""
    ana = person()
    name = ana.create(agent, repository)
    agent.run(name)
    ana.page.get_by_label("Another port").fill("3000")
    ana.page.locator("#start-fold summary").click()
    open_before = ana.page.locator("#start-fold").evaluate("e => e.open")
    restart = ana.page.get_by_role("button", name="Restart")
    restart.focus()
    agent.run(name, post_start={"install": "done"})
    expect(ana.page.locator("#post-start-panel")).to_contain_text("install")
    expect(ana.page.get_by_label("Another port")).to_have_value("3000")
    expect(restart).to_be_focused()
    assert ana.page.locator("#start-fold").evaluate("e => e.open") == open_before


def test_stop_and_start_in_place(person: Callable, agent: Agent, repository: str):
    """Buttons act without leaving the page, and say so."""
    ana = person()
    name = ana.create(agent, repository)
    agent.run(name)
    mark(ana.page)
    ana.page.get_by_role("button", name="Stop").click()
    expect(ana.page.locator("#toasts")).to_contain_text("It is being stopped.")
    expect(badge(ana.page)).to_have_text("Stopping")
    agent.desired(name, DesiredState.STOPPED)
    agent.report(name, ActualState.STOPPED)
    expect(badge(ana.page)).to_have_text("Stopped")
    expect(ana.page.get_by_role("link", name="Open editor")).not_to_be_visible()
    ana.page.get_by_role("button", name="Start", exact=True).click()
    agent.desired(name, DesiredState.RUNNING)
    expect(badge(ana.page)).to_have_text("Starting")
    ana.page.get_by_role("button", name="Stop").wait_for()
    assert not reloaded(ana.page)


def test_the_keyboard_keeps_its_place(person: Callable, agent: Agent, repository: str):
    """Whoever presses Stop by keyboard is on Start when that comes, in the page and in the list,
    and on the way there never on what deletes."""
    ana = person()
    name = ana.create(agent, repository)
    for path, stop, start in (
        (f"/workspaces/{name}", "Stop", "Start"),
        ("/", "Stop example-python-http-simple", "Start example-python-http-simple"),
    ):
        agent.run(name)
        ana.goto(path)
        expect(badge(ana.page)).to_have_text("Running")
        ana.page.get_by_role("button", name=stop).focus()
        ana.page.keyboard.press("Enter")
        agent.desired(name, DesiredState.STOPPED)
        expect(badge(ana.page)).to_have_text("Stopping")
        eventually(
            "the focus is among the buttons, on none that deletes",
            lambda: ana.page.evaluate(
                "!!document.activeElement.closest('[data-focus-home]') && !document.activeElement.matches('.danger')"
            ),
        )
        agent.report(name, ActualState.STOPPED)
        expect(ana.page.get_by_role("button", name=start)).to_be_focused()
        ana.page.keyboard.press("Enter")
        agent.desired(name, DesiredState.RUNNING)


def test_the_editor_opens_when_it_is_ready(person: Callable, agent: Agent, repository: str):
    """Who asked for it is led to the editor as soon as the workspace runs, also when the page was
    loaded again meanwhile; who did not, stays."""
    ana = person(expected=("Failed to load resource", "ERR_"))
    name = ana.create(agent, repository)
    agent.report(name, ActualState.STARTING, stages=passed(4))
    ana.page.get_by_label("Open the editor here as soon as it is ready").check()
    ana.page.reload()
    expect(ana.page.get_by_label("Open the editor here as soon as it is ready")).to_be_checked()
    agent.report(name, ActualState.STARTING, stages=passed(5))
    expect(ana.page.locator("#stage-clone")).to_have_class(re.compile("stage-done"))
    agent.run(name)
    ana.page.wait_for_url(re.compile(rf"^http://60001-{name}\."))
    ana.goto(f"/workspaces/{name}")
    expect(ana.page.get_by_role("link", name="Open editor")).to_be_visible()
    expect(ana.page.locator("#open-when-ready")).to_have_count(0)
    assert ana.page.url.endswith(f"/workspaces/{name}")


def test_rename(person: Callable, agent: Agent, repository: str, pictures: Path):
    """A new title is asked for on a page of its own, which says what is wrong with one."""
    ana = person(expected=(409, 422))
    name = ana.create(agent, repository)
    ana.page.get_by_role("link", name="Rename").click()
    for wrong, words in (("Not A Title", "no DNS label"), (name, "has the form of the names")):
        ana.page.get_by_label("Title").fill(wrong)
        ana.page.get_by_role("button", name="Rename").click()
        expect(ana.page.locator("#title-error")).to_contain_text(words)
    take(ana.page, pictures, "workspace-rename")
    ana.page.get_by_label("Title").fill("shop")
    ana.page.get_by_role("button", name="Rename").click()
    ana.page.wait_for_url(f"**/workspaces/{name}")
    expect(ana.page.get_by_role("heading", level=1)).to_have_text("shop")
    expect(ana.page.locator("#toasts")).to_contain_text("It has its new title.")


def test_restart(person: Callable, agent: Agent, repository: str):
    """A restart asks for new containers."""
    ana = person()
    name = ana.create(agent, repository)
    agent.run(name)
    ana.page.get_by_role("button", name="Restart").click()
    eventually("a restart is asked for", lambda: agent.wanted[name].restarts == 1)


def test_delete_by_keyboard(person: Callable, agent: Agent, repository: str):
    """Deleting asks; Escape and the first button keep the workspace, and the focus goes back; the
    second deletes."""
    ana = person()
    name = ana.create(agent, repository)
    agent.run(name)
    opener = ana.page.locator("#actions").get_by_role("button", name="Delete")
    dialog = ana.page.get_by_role("dialog")
    for leave in ("Escape", "Enter"):
        opener.focus()
        ana.page.keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
        ana.page.keyboard.press(leave)
        expect(dialog).not_to_be_visible()
        expect(opener).to_be_focused()
    ana.page.keyboard.press("Enter")
    ana.page.keyboard.press("Tab")
    ana.page.keyboard.press("Enter")
    ana.page.wait_for_url(f"{ana.server.url}/")
    expect(ana.page.locator("#toasts")).to_contain_text("It is being deleted.")
    expect(badge(ana.page)).to_have_text("Deleting")
    agent.desired(name, DesiredState.TERMINATED)
    agent.report(name, ActualState.TERMINATED)
    expect(ana.page.get_by_text("Nothing is moored here yet")).to_be_visible()


def test_a_page_that_is_open_follows_a_deletion(person: Callable, agent: Agent, repository: str):
    """Who looks at a workspace that somebody deletes is led to the list, and told."""
    ana = person()
    name = ana.create(agent, repository)
    agent.run(name)
    expect(badge(ana.page)).to_have_text("Running")
    ana.server.api("DELETE", f"/workspaces/{name}")
    agent.desired(name, DesiredState.TERMINATED)
    agent.report(name, ActualState.TERMINATED)
    ana.page.wait_for_url(f"{ana.server.url}/")
    expect(ana.page.locator("#toasts")).to_contain_text("The workspace is deleted.")


def test_logs_live(person: Callable, agent: Agent, repository: str):
    """The running container's log is followed by itself; markup is text; a pause holds lines back;
    another container's is a click away."""
    ana = person()
    name = ana.create(agent, repository)
    agent.write(name, "py", b"first line\n\x1b[32mgreen\x1b[0m <script>alert(1)</script>\n")
    side = ContainerStatus("db", "postgres", ContainerState.EXITED, exit_code=1, restarts=2)
    running = ContainerStatus("py", "img", ContainerState.RUNNING, started_at=1.0)
    agent.run(name, containers=(running, side))
    lines = ana.page.locator(".log-lines")
    expect(lines).to_have_text("first line\ngreen <script>alert(1)</script>\n", use_inner_text=True)
    expect(ana.page.locator(".log-state")).to_have_text("following")
    eventually("somebody follows", lambda: agent.followers)
    agent.write(name, "py", "grüße, whole ".encode())
    agent.write(name, "py", b"line\n")
    expect(lines).to_contain_text("grüße, whole line")
    ana.page.get_by_role("button", name="Pause").click()
    agent.write(name, "py", b"held back\n")
    expect(ana.page.locator(".log-state")).to_have_text("1 new")
    expect(lines).not_to_contain_text("held back")
    ana.page.get_by_role("button", name="Go on").click()
    expect(lines).to_contain_text("held back")
    expect(ana.page.locator("#container-db")).to_contain_text(
        "has ended, exit code 1, restarted 2 times"
    )


def test_logs_that_cannot_be_had(person: Callable, agent: Agent, repository: str):
    """A log that is refused says why, in the panel."""
    ana = person(expected=(422,))
    name = ana.create(agent, repository)
    ghost = ContainerStatus("ghost", "img", ContainerState.RUNNING, started_at=1.0)
    agent.run(name, containers=(ghost,))
    expect(ana.page.locator(".log-state")).to_contain_text("has no container ghost")


def test_another_port(person: Callable, agent: Agent, repository: str):
    """Any port can be opened by its number, in a tab of its own."""
    ana = person()
    name = ana.create(agent, repository)
    agent.run(name)
    ana.page.get_by_label("Another port").fill("3000")
    with ana.context.expect_page() as opened:
        ana.page.get_by_role("button", name="Open it").click()
    opened.value.wait_for_url(re.compile(rf"^http://3000-{name}\.localhost:{ana.server.port}/"))


def test_a_command_is_copied(person: Callable, agent: Agent, repository: str):
    """A command line is copied whole, without its prompt."""
    ana = person(permissions=["clipboard-read", "clipboard-write"])
    ana.create(agent, repository)
    ana.page.get_by_role("button", name="Copy the command for A shell in it").click()
    expect(ana.page.locator("#toasts")).to_contain_text("Copied.")
    assert (
        ana.page.evaluate("navigator.clipboard.readText()")
        == "moor exec example-python-http-simple -- sh"
    )


def test_the_list_is_live(person: Callable, agent: Agent, repository: str):
    """The list changes while one looks: a state, and a workspace that is made elsewhere."""
    ana = person()
    name = ana.create(agent, repository)
    ana.goto("/")
    mark(ana.page)
    row = ana.page.locator(f"#row-{name}")
    agent.report(name, ActualState.STARTING, stages=passed(4, detail="receiving objects"))
    expect(row).to_contain_text("Clone: receiving objects")
    agent.run(name)
    expect(row.get_by_role("link", name="Open")).to_be_visible()
    agent.report(
        name, ActualState.FAILED, cause=Cause("container-crashed", "The container py has crashed.")
    )
    expect(row).to_contain_text("The container py has crashed.")
    row.get_by_role("button", name="Start").click()
    expect(ana.page.locator("#toasts")).to_contain_text("It is being started.")
    assert not reloaded(ana.page)
    row.get_by_role("link", name="example-python-http-simple", exact=True).click()
    ana.page.wait_for_url(f"**/workspaces/{name}")


def test_an_agent_that_is_away_is_the_cause(person: Callable, agent: Agent, repository: str):
    """A workspace that waits for its agent says so, while one looks, and goes on when it is
    back."""
    ana = person()
    name = ana.create(agent, repository)
    box = ana.page.get_by_role("region", name="What it waits for")
    agent.stop()
    try:
        expect(box).to_contain_text("The agent local is not connected.")
    finally:
        agent.start()
    agent.desired(name, DesiredState.RUNNING)
    agent.run(name)
    expect(box).not_to_be_visible()
    expect(badge(ana.page)).to_have_text("Running")


def test_the_page_outlives_the_server(person: Callable, agent: Agent, repository: str):
    """While the server is away the page says that it may be old; then it goes on by itself."""
    ana = person(expected=("net::ERR_", 503))
    name = ana.create(agent, repository)
    agent.run(name)
    expect(badge(ana.page)).to_have_text("Running")
    mark(ana.page)
    ana.server.stop()
    expect(ana.page.get_by_text("The live connection is lost")).to_be_visible()
    ana.server.start()
    agent.start()
    agent.run(name, post_start={"install": "done"})
    expect(ana.page.locator("#post-start-panel")).to_contain_text("install")
    expect(ana.page.get_by_text("The live connection is lost")).not_to_be_visible()
    assert not reloaded(ana.page)


def test_a_page_that_is_refused_says_why_and_tries_again(
    person: Callable, server: Server, agent: Agent, repository: str, pictures: Path
):
    """Somebody who watches from too many places learns so on the page, which goes on by itself once
    there is room."""
    ana = person(expected=(429, "[object Event]"))
    name = ana.create(agent, repository)
    agent.run(name)
    ana.goto("/agents")
    token = server.api("POST", f"/users/{ana.name}/tokens", {})["token"]
    with ExitStack() as places:
        client = places.enter_context(
            httpx.Client(
                base_url=server.url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=30,
                limits=httpx.Limits(max_connections=None),
            )
        )
        while places.enter_context(client.stream("GET", "/api/v1/workspaces/events")).is_success:
            pass
        ana.goto(f"/workspaces/{name}")
        expect(ana.page.locator(".live-lost")).to_contain_text(
            "as many as one person may have at once"
        )
        mark(ana.page)
        take(ana.page, pictures, "workspace-refused")
    expect(ana.page.locator(".live-lost")).not_to_be_visible(timeout=60_000)
    agent.run(name, post_start={"install": "done"})
    expect(ana.page.locator("#post-start-panel")).to_contain_text("install")
    assert not reloaded(ana.page)


HIDE = """hidden => { Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
                      document.dispatchEvent(new Event("visibilitychange")); }"""


def test_a_hidden_tab_holds_no_connection(person: Callable, agent: Agent, repository: str):
    """Streams of a tab that nobody looks at end after a while, and come back with whoever looks
    again."""
    ana = person()
    ana.page.clock.install()
    name = ana.create(agent, repository)
    agent.run(name)
    eventually("the log is followed", lambda: [f for f in agent.followers if f.workspace == name])
    ana.page.evaluate(HIDE, True)
    ana.page.clock.fast_forward(3_000)
    eventually("the log is let go", lambda: not [f for f in agent.followers if f.workspace == name])
    agent.run(name, post_start={"install": "done"})
    expect(ana.page.locator("#post-start-panel")).not_to_be_visible()
    ana.page.evaluate(HIDE, False)
    expect(ana.page.locator("#post-start-panel")).to_contain_text("install")
    eventually(
        "the log is followed again", lambda: [f for f in agent.followers if f.workspace == name]
    )


def test_forty_tabs_leave_connections_for_the_next_page(
    person: Callable, server: Server, agent: Agent, repository: str
):
    """A browser opens six connections to a host. However many pages of running workspaces are open,
    the next one comes, and each goes on to say what is so."""
    ana = person()
    names = []
    for _ in range(4):
        names.append(ana.create(agent, repository))
        agent.run(names[-1])
    tabs = []
    for number in range(40):
        page = ana.context.new_page()
        response = visit(page, f"{server.url}/workspaces/{names[number % 4]}")
        assert response.ok
        mark(page)
        tabs.append(page)
    for tab in tabs[-4:]:
        expect(tab.locator("#logs .log-state")).to_contain_text(
            re.compile("following|read every"), timeout=30_000
        )
    assert _streams(server) <= 4
    for name in names:
        agent.run(name, post_start={"install": "done"})
    for tab in tabs:
        expect(tab.locator("#post-start-panel")).to_contain_text("install", timeout=30_000)
        assert not reloaded(tab)
    for tab in tabs[:20]:  # those that followed for the others among them
        tab.close()
    for name in names:
        agent.report(name, ActualState.STARTING)
    for tab in tabs[20:]:
        expect(badge(tab)).to_have_text("Starting", timeout=30_000)
        assert not reloaded(tab)


def test_pages_are_live_where_a_browser_has_no_locks(
    person: Callable, server: Server, agent: Agent, repository: str
):
    """Over plain HTTP to another name than localhost, browsers have no Web Locks: pages ask every
    few seconds, and hold nothing."""
    ana = person()
    ana.context.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined })"
    )
    name = ana.create(agent, repository)
    agent.run(name)
    expect(badge(ana.page)).to_have_text("Running")
    expect(ana.page.locator("#logs .log-state")).to_contain_text("read every")
    eventually("no stream is left open", lambda: _streams(server) == 0)
    mark(ana.page)
    agent.run(name, post_start={"install": "done"})
    expect(ana.page.locator("#post-start-panel")).to_contain_text("install", timeout=30_000)
    assert not reloaded(ana.page)


def _streams(server: Server) -> float:
    """Streams of events that are open at the server."""
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    found = re.search(r"^moorage_server_event_streams ([0-9.]+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


ERRORS = [
    ({"Repository": "ftp://git.example.com/x"}, "repository", "by http, https or ssh"),
    ({"Branch, tag or commit": "nowhere"}, "ref", "nowhere"),
    ({"Name": "Not A Label"}, "name", "no DNS label"),
    ({"Devfile": "missing.yaml"}, "devfile", "missing.yaml"),
]


@pytest.mark.parametrize("wrong", ERRORS, ids=[field for _, field, _ in ERRORS])
def test_an_error_stands_beside_its_field(
    person: Callable, agent: Agent, repository: str, wrong: tuple[dict[str, str], str, str]
):
    """What is wrong is told where it is wrong; the rest of the form stays as it was."""
    ana = person(expected=(404, 409, 422))
    changed, field, text = wrong
    ana.goto("/new")
    values = {"Repository": repository, "Branch, tag or commit": "main", "Name": "fine"} | changed
    for label, value in values.items():
        ana.page.get_by_label(label, exact=False).first.fill(value)
    ana.page.get_by_role("button", name="Create workspace").click()
    expect(ana.page.locator(f"#{field}-error")).to_contain_text(text)
    expect(ana.page.locator(f"#{field}")).to_be_focused()
    for label, value in values.items():
        expect(ana.page.get_by_label(label).first).to_have_value(value)
    assert ana.page.locator(".field-error").count() == 1


def test_a_name_that_is_taken(person: Callable, agent: Agent, repository: str):
    """A second workspace of the same name is refused beside the field."""
    ana = person(expected=(409,))
    for _ in range(2):
        ana.goto("/new")
        ana.page.get_by_label("Repository").fill(repository)
        ana.page.get_by_label("Name").fill("twice")
        ana.page.get_by_role("button", name="Create workspace").click()
        ana.page.wait_for_load_state()
    expect(ana.page.locator("#name-error")).to_contain_text("already")


def test_devfile_problems_beside_the_lines(person: Callable, agent: Agent, broken_repository: str):
    """Each mistake in a devfile is shown at its line."""
    ana = person(expected=(422,))
    ana.goto("/new")
    ana.page.get_by_label("Repository").fill(broken_repository)
    ana.page.get_by_role("button", name="Create workspace").click()
    shown = ana.page.locator(".devfile-lines")
    wrong = shown.locator(".line-wrong")
    expect(wrong.filter(has_text="memoryLimit: lots")).to_have_count(1)
    expect(wrong.filter(has_text="targetPort: 808080")).to_have_count(1)
    expect(wrong.filter(has_text="memoryLimit: lots").locator(".line-number")).to_have_text("10")
    expect(ana.page.locator("#devfile-error")).to_contain_text("things are wrong")


def test_the_button_says_that_it_reads(person: Callable, agent: Agent, git: Git, repository: str):
    """While the devfile is read, the button cannot be pressed again, and says what goes on."""
    ana = person()
    ana.goto("/new")
    ana.page.get_by_label("Repository").fill(repository)
    ana.page.evaluate(
        "window.addEventListener('submit', event => event.preventDefault())"
    )  # it reads for ever
    ana.page.get_by_role("button", name="Create workspace").click()
    button = ana.page.get_by_role("button", name="Reading the devfile…")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("aria-busy", "true")


def test_another_persons_workspace_is_not_there(
    person: Callable, agent: Agent, repository: str, server: Server
):
    """Nobody but the owner and administrators learn that a workspace exists; an administrator may
    stop it."""
    ana, bob = person("ana"), person("bob", expected=(404,))
    name = ana.create(agent, repository)
    agent.run(name)
    response = bob.goto(f"/workspaces/{name}")
    assert response.status == 404
    expect(bob.page.get_by_role("link", name="To your workspaces")).to_be_visible()
    admin = person(name="admin")
    admin.goto("/?all=true")
    expect(admin.page.locator(f"#row-{name}")).to_contain_text(ana.name)
    admin.goto(f"/workspaces/{name}")
    expect(admin.page.get_by_role("link", name="Open editor")).not_to_be_visible()
    expect(admin.page.locator("#logs")).to_have_count(0)
    admin.page.get_by_role("button", name="Stop").click()
    agent.desired(name, DesiredState.STOPPED)


def test_what_containers_use_is_seen_live(person: Callable, agent: Agent, repository: str):
    """CPU, memory and disk of each running container against its limits, in words and bars, again
    and again; of one that says nothing, that it is not known. Only while somebody looks: a hidden
    page and a workspace that does not run have no command run anywhere."""
    ana = person()
    name = ana.create(agent, repository)
    two = [
        ContainerStatus(name=each, image="image", state=ContainerState.RUNNING)
        for each in ("py", "db")
    ]
    agent.answers[name, "py"] = used(memory=100 << 20, cpu=0.4)
    agent.run(name, containers=tuple(two))
    usage = ana.page.locator("#usage")
    expect(usage).to_contain_text("0.40 of 2.00", timeout=20_000)
    expect(usage).to_contain_text("100 MiB of 512 MiB")
    expect(usage).to_contain_text("20 GiB of 50 GiB")
    expect(usage).to_contain_text("Not known: ")
    agent.answers[name, "py"] = used(memory=480 << 20, cpu=1.5, killed=2)
    expect(usage).to_contain_text("480 MiB of 512 MiB: nearly all", timeout=20_000)
    expect(usage).to_contain_text("was ended 2 times for want of memory at its limit of 512 MiB")
    expect(usage.get_by_role("meter", name="Memory of py")).to_be_visible()
    agent.report(name, ActualState.STOPPED)
    expect(usage).to_be_hidden(timeout=20_000)
    agent.run(name, containers=tuple(two))
    ana.page.add_init_script(
        "Object.defineProperty(document, 'visibilityState', {get: () => 'hidden'})"
    )
    asked = len(agent.commands)
    ana.goto(f"/workspaces/{name}")
    expect(ana.page.locator("#container-py")).to_be_visible()
    assert len(agent.commands) <= asked + 2, "a hidden page asks"
    expect(usage).to_be_hidden()
