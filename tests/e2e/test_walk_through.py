"""The main job, from end to end, as a person does it: the walk-through that the README promises."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from e2e.installation import (
    Installation,
    docker,
    docker_objects,
    eventually,
    expect_nothing_left,
    picture,
    sign_in,
    visit,
)
from e2e.vscode import expect_file, list_tasks, open_terminal, type_command, wait_until_loaded

WITHIN = 90_000


@dataclass
class Walk:
    """What one step hands to the next."""

    installation: Installation
    page: Page
    before: dict[str, set[str]]
    name: str = ""

    def url(self, port: int, path: str = "/") -> str:
        return f"http://{port}-{self.name}.moorage.localhost:{self.installation.port}{path}"

    def shell(self, command: str) -> str:
        """Looks into the main container from outside: not even an administrator runs commands in
        Ana's workspace."""
        return docker("exec", f"{self.name}.py", "sh", "-c", command).strip()


@pytest.fixture(scope="module")
def walk(installation: Installation, browser) -> Iterator[Walk]:
    """Ana, an ordinary user, signed in; and a second one, bob."""
    before = docker_objects(installation.id)
    installation.run("users", "add", "ana")
    installation.run("users", "add", "bob")
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    sign_in(page, installation, "ana")
    yield Walk(installation, page, before)
    context.close()


def test_create_from_a_repository(walk: Walk, repository: str):
    """Ana gives a repository's URL, sees the stages pass, and is told when the workspace runs."""
    visit(walk.page, f"{walk.installation.url}/new")
    picture(walk.page, "walk-1-new")
    walk.page.get_by_label("Repository").fill(repository)
    walk.page.get_by_role("button", name=re.compile("Create")).click()
    walk.page.wait_for_url(re.compile(r"/workspaces/workspace-1-\d+-[0-9a-z]{6}$"), timeout=WITHIN)
    walk.name = walk.page.url.rsplit("/", 1)[1]
    picture(walk.page, "walk-2-starting")
    expect(walk.page.get_by_text("Running", exact=True).first).to_be_visible(timeout=WITHIN)
    picture(walk.page, "walk-3-running")
    shown = walk.installation.json("show", walk.name)
    assert [stage["state"] for stage in shown["stages"]] == ["done"] * 8, shown["stages"]
    assert all(stage["duration"] >= 0 for stage in shown["stages"])


def test_the_editor_opens_on_the_clone(walk: Walk):
    """The workspace's URL leads through sign-in, unseen, to VS Code with the repository's files in
    its explorer."""
    visit(walk.page, walk.url(60001, "/?folder=/projects/python-http-simple"))
    wait_until_loaded(walk.page)
    for name in (".devfile.yaml", "hello.py", "requirements.txt"):
        expect_file(walk.page, name)
    picture(walk.page, "walk-4-editor")
    encoded, decoded = walk.page.evaluate(_BYTES_OF_WORKBENCH)
    assert encoded < 0.2 * decoded, "its program comes as Brotli, also by way of the gateway"


_BYTES_OF_WORKBENCH = """() => {
    const entries = performance.getEntriesByType('resource');
    const program = entries.find(entry => entry.name.endsWith('/workbench/workbench.js'));
    return [program.encodedBodySize, program.decodedBodySize];
}"""


def test_the_devfiles_commands_are_tasks(walk: Walk):
    """The editor lists them with the devfile's other tools; the default of the group build runs by
    its key."""
    tasks = list_tasks(walk.page)
    assert tasks == ["build", "serve"], tasks
    picture(walk.page, "walk-4-tasks")
    walk.page.keyboard.press("Escape")
    walk.page.keyboard.press("Control+Shift+B")
    eventually(
        "the default build has run",
        lambda: walk.shell("HOME=/projects/.home python -c 'import bottle' && echo yes || true"),
        within=120,
        every=1,
    )
    visit(walk.page, walk.url(60001, "/?folder=/projects/python-http-simple"))
    wait_until_loaded(walk.page)


def test_a_way_back_from_the_editor(walk: Walk):
    """The editor's status bar leads to the workspace's page."""
    item = walk.page.locator(".statusbar-item", has_text="Moorage")
    with walk.page.context.expect_page() as opened:
        item.locator("a").click(timeout=WITHIN)
    opened.value.wait_for_url(f"{walk.installation.url}/workspaces/{walk.name}")
    opened.value.close()


def test_the_app_is_installed_and_started_in_the_terminal(
    walk: Walk, new_context: Callable[..., BrowserContext]
):
    """`pip install` reaches the package registry, `python hello.py` serves, and its port has a URL
    for Ana alone."""
    open_terminal(walk.page)
    type_command(walk.page, "pip install -r requirements.txt && touch /tmp/installed")
    eventually(
        "pip install ended",
        lambda: walk.shell("ls /tmp/installed 2>/dev/null || true"),
        within=120,
        every=1,
    )
    type_command(walk.page, "python hello.py")
    app = walk.page.context.new_page()

    def answers() -> bool:
        response = visit(app, walk.url(8080))
        return response.status == 200

    eventually("8080 answers", answers, within=60, every=0.5)
    expect(app.locator("body")).to_contain_text(re.compile("hello", re.IGNORECASE))
    picture(app, "walk-5-app")
    picture(walk.page, "walk-6-terminal")
    app.close()


def test_a_preview_works_in_the_editor(walk: Walk):
    """What VS Code shows in a frame of its own (a webview, with its service worker and resources)
    is shown."""
    walk.shell("printf '# Heading of mine\\n' > /projects/python-http-simple/preview.md")
    walk.page.keyboard.press("Control+p")
    walk.page.locator(".quick-input-widget input").fill("preview.md")
    walk.page.get_by_role("option", name=re.compile("preview.md")).first.click()
    expect(walk.page.locator(".tab", has_text="preview.md").first).to_be_visible(timeout=WITHIN)
    walk.page.locator(".monaco-editor .view-lines").first.click()
    walk.page.keyboard.press("Control+Shift+v")
    preview = walk.page.frame_locator("iframe.webview").frame_locator("iframe#active-frame")
    expect(preview.get_by_role("heading", name="Heading of mine")).to_be_visible(timeout=WITHIN)


def test_a_port_is_shown_beside_the_code(walk: Walk):
    """By VS Code's Simple Browser, a frame in a frame of the editor's page: signed in, as in a tab
    of its own."""
    walk.page.keyboard.press("F1")
    walk.page.locator(".quick-input-widget input").fill(">Simple Browser: Show")
    walk.page.get_by_role("option", name=re.compile("Simple Browser: Show")).first.click()
    expect(walk.page.locator(".quick-input-widget")).to_contain_text("url to visit", timeout=WITHIN)
    walk.page.locator(".quick-input-widget input").fill(walk.url(8080))
    walk.page.keyboard.press("Enter")
    shown = walk.page.frame_locator("iframe.webview >> visible=true").frame_locator("#active-frame")
    app = shown.frame_locator("iframe")
    expect(app.locator("body")).to_contain_text(re.compile("hello", re.IGNORECASE), timeout=WITHIN)
    picture(walk.page, "walk-6-beside-the-code")


_FROM_ANOTHER_PORT = """
async editor => {
  const found = {};
  const heard = (element, name) => new Promise(tell => {
    element.onload = () => tell("load"); element.onerror = () => tell("error");
    element.src = editor + name; document.body.append(element);
  });
  found.script = await heard(document.createElement("script"), "_static/src/browser/pages/error.css");
  found.image = await heard(document.createElement("img"), "_static/src/browser/media/pwa-icon-192.png");
  await heard(document.createElement("iframe"), "");
  const address = editor.replace("http", "ws");
  found.socket = await new Promise(tell => {
    const socket = new WebSocket(address); socket.onopen = () => tell("open"); socket.onerror = () => tell("error");
  });
  for (const method of ["GET", "POST"])
    found[method] = await fetch(editor, {method, mode: "cors", credentials: "include"}).then(() => "answer", () => "error");
  await fetch(editor, {method: "POST", mode: "no-cors", credentials: "include"}).catch(() => "error");
  return found;
}
"""


def test_another_port_neither_loads_nor_drives_the_editor(walk: Walk):
    """A page of the same workspace's other port: its frame, script, picture, requests and WebSocket
    are refused; a window that it opens shows the editor to the person, and is none of its any
    more."""
    app = walk.page.context.new_page()
    visit(app, walk.url(8080))
    statuses: list[tuple[str, int]] = []
    app.on("response", lambda r: statuses.append((r.request.method, r.status)))
    found = app.evaluate(_FROM_ANOTHER_PORT, walk.url(60001))
    assert set(found.values()) == {"error"}, found
    assert statuses
    assert {status for _, status in statuses} == {403}, statuses
    assert all(frame.locator(".monaco-workbench").count() == 0 for frame in app.frames[1:])
    with app.context.expect_page() as opened:
        app.evaluate(
            "editor => { window.opened = window.open(editor) }",
            walk.url(60001, "/?folder=/projects/python-http-simple"),
        )
    wait_until_loaded(opened.value)
    assert opened.value.evaluate("window.opener") is None
    assert app.evaluate("window.opened.closed") is True, "the handle leads nowhere"
    opened.value.close()
    app.close()


def test_the_editors_paths_are_no_way_to_a_port(walk: Walk):
    """`/proxy/8080/` on the editor's host is a page that says where ports are, not the app."""
    page = walk.page.context.new_page()
    for path in ("/proxy/8080/", "/absproxy/8080/"):
        assert visit(page, walk.url(60001, path)).status == 404
        expect(page.get_by_text("Ports have addresses of their own")).to_be_visible()
    page.close()


def test_whoever_has_no_session_is_sent_to_sign_in(
    walk: Walk, new_context: Callable[..., BrowserContext]
):
    """A fresh browser gets the sign-in page for the editor and for any port, and nothing of the
    workspace."""
    for port in (60001, 8080):
        page = new_context().new_page()
        visit(page, walk.url(port))
        assert page.url.startswith(f"{walk.installation.url}/sign-in")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    picture(page, "walk-7-sign-in")


def test_another_person_is_refused(walk: Walk, new_context: Callable[..., BrowserContext]):
    """Bob is signed in, and gets 403 for Ana's editor and app."""
    page = new_context().new_page()
    sign_in(page, walk.installation, "bob")
    for port in (60001, 8080):
        response = visit(page, walk.url(port))
        assert response.status == 403
    picture(page, "walk-8-forbidden")
    assert visit(page, f"{walk.installation.url}/workspaces/{walk.name}").status == 404


def test_stop_keeps_files_and_home(walk: Walk):
    """A stopped workspace has a page that says so and starts it; the file and the home are still
    there."""
    walk.shell("echo kept > /projects/python-http-simple/note.txt; echo mine > ~/.mine")
    visit(walk.page, f"{walk.installation.url}/workspaces/{walk.name}")
    walk.page.get_by_role("button", name="Stop").click()
    expect(walk.page.get_by_text("Stopped", exact=True).first).to_be_visible(timeout=WITHIN)
    picture(walk.page, "walk-9-stopped-detail")
    visit(walk.page, walk.url(60001, "/?folder=/projects/python-http-simple"))
    picture(walk.page, "walk-10-stopped")
    walk.page.get_by_role("button", name=re.compile("Start")).click()
    wait_until_loaded(walk.page)
    expect_file(walk.page, "note.txt")
    assert walk.shell("cat /projects/python-http-simple/note.txt ~/.mine") == "kept\nmine"


def test_delete_leaves_nothing(walk: Walk):
    """Deleting asks first; then containers, volumes and networks are as before, and its URL is
    unknown."""
    visit(walk.page, f"{walk.installation.url}/workspaces/{walk.name}")
    walk.page.get_by_role("button", name=re.compile("Delete")).first.click()
    dialog = walk.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    picture(walk.page, "walk-11-delete")
    dialog.get_by_role("button", name=re.compile("Delete")).click()
    expect_nothing_left(walk.installation, walk.before)
    # The engine is rid of it a moment before the gateway has heard so; until then its URL says that
    # it is being deleted.
    eventually(
        "its URL is unknown", lambda: visit(walk.page, walk.url(60001)).status == 404, within=20
    )
    picture(walk.page, "walk-12-unknown")
