"""The editor in a browser, in containers as restricted as a workspace's."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from integration.tools.containers import (
    PROXY,
    ROOT,
    Workspace,
    answers,
    docker,
    open_folder,
    until,
)
from moorage.contract import EditorSpec

pytestmark = pytest.mark.docker

SCREENSHOTS = ROOT / "build" / "screenshots"


def type_in_terminal(page: Page, line: str) -> None:
    page.locator(".explorer-folders-view").click()
    page.keyboard.press("Control+`")
    terminal = page.locator(".terminal-wrapper.active .xterm-helper-textarea")
    terminal.wait_for(state="attached", timeout=30_000)
    terminal.focus()
    page.keyboard.type(line)
    page.keyboard.press("Enter")


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_editor_opens_the_folder_and_a_terminal_without_asking_anything(
    page: Page, start_editor: Callable[..., Workspace], base_image: str, editor: EditorSpec
) -> None:
    """The explorer shows the files, the terminal runs commands, and no question of trust, welcome
    or telemetry is in the way."""
    workspace = start_editor(base_image, PATH="/projects/own-bin:/usr/local/bin:/usr/bin:/bin")
    open_folder(page, workspace, editor)
    type_in_terminal(
        page,
        'echo "$USER-$(id -un):$PATH" > proof.txt; git --version >> proof.txt; command -v pip >> proof.txt',
    )
    proof = until(
        "the terminal wrote",
        lambda: (
            "pip" in (text := workspace.shell("cat /projects/demo/proof.txt 2>/dev/null || true"))
            and text
        ),
    )
    keep(page, "tools-editor")
    who, git, pip = proof.splitlines()
    assert "moorage" in who
    assert ":/projects/.home/.local/bin:/projects/own-bin:" in who, "the image's PATH is kept"
    assert who.endswith(":/opt/moorage/bin"), "what the image has goes before the tree"
    assert git.startswith("git version")
    assert pip == "/usr/bin/pip"
    assert page.locator(".monaco-dialog-box").count() == 0
    assert page.locator(".notifications-toasts .notification-toast").count() == 0
    assert page.get_by_text("Do you trust the authors").count() == 0
    assert page.locator(".editor-group-container .tab").count() == 0, "no welcome page"


def test_editor_and_terminal_work_in_an_image_without_a_c_library(
    page: Page, start_editor: Callable[..., Workspace], bare_image: str, editor: EditorSpec
) -> None:
    """The tree brings its own C library, shell and Git: an image that holds one static program is
    enough."""
    workspace = start_editor(bare_image)
    open_folder(page, workspace, editor)
    type_in_terminal(
        page,
        "git init repository && git -C repository log 2> proof.txt; git --version >> proof.txt",
    )
    proof = until(
        "the terminal wrote",
        lambda: (
            "version"
            in (text := workspace.shell("cat /projects/demo/proof.txt 2>/dev/null || true"))
            and text
        ),
    )
    keep(page, "tools-editor-without-c-library")
    assert "does not have any commits yet" in proof
    assert workspace.shell("/busybox ls /").split() == sorted(
        ["busybox", "dev", "etc", "opt", "proc", "projects", "sys"]
    )


def test_page_takes_links_to_ports_from_the_gateway(
    start_editor: Callable[..., Workspace], base_image: str
) -> None:
    """The Ports view's links lead to the gateway's hosts, as VSCODE_PROXY_URI says, and default
    settings are given to the page."""
    workspace = start_editor(base_image)
    with urllib.request.urlopen(
        workspace.origin + "/?folder=/projects/demo", timeout=30
    ) as response:
        html = response.read().decode().replace("&quot;", '"')
    assert f'"proxyEndpointTemplate":"{PROXY}"' in html
    assert '"workbench.startupEditor":"none"' in html
    assert '"enableWorkspaceTrust":false' in html


@pytest.mark.parametrize(
    "path", ["/proxy/60001/healthz", "/absproxy/60001/healthz", "/PROXY/60001/"]
)
def test_the_editor_passes_no_port_on(
    start_editor: Callable[..., Workspace], base_image: str, path: str
) -> None:
    """A program's page under the editor's paths would be one of the editor's; links to ports lead
    to hosts of their own."""
    workspace = start_editor(base_image)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(workspace.origin + path, timeout=30)
    with refused.value as answer:
        assert answer.code in (403, 404)


def test_home_keeps_what_a_person_changed(
    start_editor: Callable[..., Workspace], base_image: str
) -> None:
    """A new home gets the image's skeleton files once; a second start leaves them alone."""
    workspace = start_editor(base_image)
    assert "PS1" in workspace.shell("cat /projects/.home/.bashrc")
    workspace.shell("echo '# mine' > /projects/.home/.bashrc")
    docker("restart", "--time", "2", workspace.name)
    port = docker("port", workspace.name, "60001/tcp").rpartition(":")[2]
    until("it serves again", lambda: answers(f"http://localhost:{port}/healthz"))
    assert workspace.shell("cat /projects/.home/.bashrc") == "# mine"
