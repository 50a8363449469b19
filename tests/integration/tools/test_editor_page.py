"""How the editor's page comes: its files compressed once, something to see at once, the system's
colours, and the way back to Moorage's own pages."""

from __future__ import annotations

import gzip
import json
import re
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect

import browsers
from integration.tools.containers import Workspace, open_folder
from moorage.contract import EditorSpec

pytestmark = pytest.mark.docker

WORKBENCH = "/out/vs/code/browser/workbench/workbench.js"
PAGE = "http://moorage.test:8080/workspaces/workspace-1-1-abcdef"
"""No host of this machine's: VS Code asks before it opens one that it does not trust."""
ENCODED = """name => {
    const entry = performance.getEntriesByType('resource').find(entry => entry.name.endsWith(name));
    return [entry.encodedBodySize, entry.decodedBodySize];
}"""


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    yield from browsers.contexts(browser)


def static(workspace: Workspace) -> str:
    """The address that the page gives for the editor's own files."""
    with urllib.request.urlopen(workspace.origin + "/?folder=/projects", timeout=60) as response:
        found = re.search(r'src="([^"]*)' + re.escape(WORKBENCH), response.read().decode())
    assert found
    return workspace.origin + "/" + found[1].lstrip("./")


def get(url: str, accept: str, method: str = "GET") -> tuple[dict[str, str], bytes]:
    request = urllib.request.Request(url, headers={"Accept-Encoding": accept}, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return {name.lower(): value for name, value in response.getheaders()}, response.read()


def test_the_editors_files_are_compressed_when_the_image_is_built(
    start_editor: Callable[..., Workspace], base_image: str
) -> None:
    """A reader gets the smallest form that it takes, of a known length and for good; who takes none
    gets the file as it is."""
    files = static(start_editor(base_image))
    url = files + WORKBENCH
    plain, content = get(url, "identity")
    assert "content-encoding" not in plain
    assert b"isDetectingColorScheme" in content
    for accept, encoding, most in (
        ("gzip, deflate, br, zstd", "br", 0.2),
        ("gzip, deflate", "gzip", 0.27),
        ("br;q=0, gzip;q=0.5", "gzip", 0.27),
    ):
        headers, body = get(url, accept)
        assert headers["content-encoding"] == encoding, accept
        assert headers["content-type"] == plain["content-type"].partition(";")[0]
        assert headers["vary"] == "Accept-Encoding"
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        assert int(headers["content-length"]) == len(body) <= most * len(content)
        if encoding == "gzip":
            assert gzip.decompress(body) == content
    headers, body = get(url, "br", method="HEAD")
    assert body == b""
    assert int(headers["content-length"]) > 1_000_000
    for other in ("/../../start", "/%2e%2e/%2e%2e/start", "/out/missing.js"):
        with pytest.raises(urllib.error.HTTPError):
            get(files + other, "br")


def test_a_splash_is_there_before_the_editors_files(
    new_context: Callable[..., BrowserContext],
    start_editor: Callable[..., Workspace],
    base_image: str,
    editor: EditorSpec,
) -> None:
    """While style sheet and program are on their way, the page says what it does; it makes way for
    the workbench, whose program comes as Brotli, and says so when the program does not come."""
    workspace = start_editor(base_image)
    page = new_context().new_page()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/workbench\.(js|css)$"), hold)
    page.goto(
        workspace.origin + editor.open_path.format(folder="/projects/demo"), wait_until="commit"
    )
    expect(page.get_by_text("Opening the editor…", exact=True)).to_be_visible(timeout=60_000)
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    assert not page.locator(".monaco-workbench").count()
    for route in held:
        route.continue_()
    expect(page.locator(".explorer-folders-view")).to_be_visible(timeout=60_000)
    assert page.locator("#splash").count() == 0
    encoded, decoded = page.evaluate(ENCODED, WORKBENCH)
    assert encoded < 0.2 * decoded

    broken = new_context().new_page()
    broken.route(f"**{WORKBENCH}", lambda route: route.abort())
    broken.goto(workspace.origin)
    expect(broken.get_by_text("files did not arrive. Load this page again")).to_be_visible(
        timeout=60_000
    )


def test_the_editor_follows_the_systems_colours_until_somebody_chooses(
    new_context: Callable[..., BrowserContext],
    start_editor: Callable[..., Workspace],
    base_image: str,
    editor: EditorSpec,
) -> None:
    """Dark in a dark system, light in a light one, also when the system changes; a theme that a
    person, or the repository, has chosen stays."""
    workspace = start_editor(base_image)
    page = new_context(color_scheme="dark").new_page()
    open_folder(page, workspace, editor)
    workbench = page.locator(".monaco-workbench")
    expect(workbench).to_have_class(re.compile(r"\bvs-dark\b"))
    page.emulate_media(color_scheme="light")
    expect(workbench).to_have_class(re.compile(r"(^| )vs( |$)"))
    page.context.close()

    for file, chosen in (
        ("/projects/demo/.vscode/settings.json", "Solarized Dark"),
        ("/projects/.home/.local/share/code-server/User/settings.json", "Solarized Light"),
    ):
        wanted = json.dumps({"workbench.colorTheme": chosen})
        workspace.shell(f"mkdir -p $(dirname {file}); echo '{wanted}' > {file}")
        scheme = "light" if "Dark" in chosen else "dark"
        page = new_context(color_scheme=scheme).new_page()
        open_folder(page, workspace, editor)
        solarized = chosen.lower().replace(" ", "-")
        expect(page.locator(".monaco-workbench")).to_have_class(
            re.compile(rf"theme-{solarized}"), timeout=30_000
        )
        page.context.close()
        workspace.shell(f"rm {file}")


def test_a_way_back_from_the_editor(
    new_context: Callable[..., BrowserContext],
    start_editor: Callable[..., Workspace],
    base_image: str,
    editor: EditorSpec,
) -> None:
    """The status bar leads to the workspace's page, and a command to the list, without a question;
    in a folder that is not trusted, too."""
    workspace = start_editor(
        base_image, but=("--disable-workspace-trust",), MOORAGE_WORKSPACE_PAGE=PAGE
    )
    settings = "/projects/.home/.local/share/code-server/User/settings.json"
    trust = {
        "security.workspace.trust.enabled": True,
        "security.workspace.trust.startupPrompt": "never",
    }
    workspace.shell(f"mkdir -p $(dirname {settings}); echo '{json.dumps(trust)}' > {settings}")
    context = new_context()
    context.route("http://moorage.test:8080/**", lambda route: route.fulfill(body="Moorage's own"))
    page = context.new_page()
    open_folder(page, workspace, editor)
    expect(page.locator(".statusbar-item", has_text="Restricted Mode")).to_be_visible()
    with context.expect_page() as opened:
        page.locator(".statusbar-item", has_text="Moorage").locator("a").click(timeout=60_000)
    opened.value.wait_for_url(PAGE)
    page.bring_to_front()
    page.keyboard.press("F1")
    page.keyboard.type("Moorage: Show All Workspaces")
    with context.expect_page() as opened:
        page.locator(".quick-input-list-entry", has_text="Show All Workspaces").click()
    opened.value.wait_for_url("http://moorage.test:8080/")


def test_an_editor_that_knows_no_page_has_no_link(
    new_context: Callable[..., BrowserContext],
    start_editor: Callable[..., Workspace],
    base_image: str,
    editor: EditorSpec,
) -> None:
    """A workspace of an earlier version goes on without, until it starts anew."""
    page = new_context().new_page()
    open_folder(page, start_editor(base_image), editor)
    expect(page.get_by_role("button", name="No Ports Forwarded")).to_be_visible(timeout=60_000)
    expect(page.locator(".statusbar-item", has_text="Moorage")).to_have_count(0)
