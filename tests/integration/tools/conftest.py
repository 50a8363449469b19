"""What the tests here share: the images as the scripts make them, and containers run as the agent
runs them."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator

import msgspec
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from e2e.installation import CHROMIUM
from integration.tools.containers import (
    PROXY,
    ROOT,
    SCRIPTS,
    Workspace,
    answers,
    docker,
    run,
    unique,
    until,
)
from locks import only_one
from moorage.contract import EditorSpec
from moorage.contract.spec import TOOLS_ROOT

sys.path.insert(0, str(SCRIPTS))

MAIN = (f"{TOOLS_ROOT}/bin/busybox", "sh", f"{TOOLS_ROOT}/bin/workspace-main")
"""The process that keeps the editor running, and makes the home directory."""


@pytest.fixture(scope="session")
def base_image() -> str:
    with only_one("images"):
        return run(SCRIPTS / "base-image").stdout.strip()


@pytest.fixture(scope="session")
def tools_image() -> str:
    with only_one("images"):
        return run(SCRIPTS / "tools-image").stdout.strip()


@pytest.fixture(scope="module")
def tools_volume(tools_image: str) -> Iterator[str]:
    """The tree as workspaces have it: a new volume, which Docker fills from the image."""
    name = unique("tree")
    docker("volume", "create", name)
    docker("run", "--rm", "-v", f"{name}:/opt/moorage", tools_image, "true")
    yield name
    docker("volume", "rm", "-f", name)


@pytest.fixture(scope="module")
def bare_image() -> Iterator[str]:
    """An image with a shell and nothing else: no C library, no Git, no /etc/passwd."""
    name = f"mtools-bare:{secrets.token_hex(4)}"
    box = unique("busybox")
    docker("create", "--name", box, run(SCRIPTS / "tools-image").stdout.strip())
    try:
        archive = subprocess.run(
            ["docker", "cp", f"{box}:/opt/moorage/bin/busybox", "-"],
            capture_output=True,
            check=True,
        )
    finally:
        docker("rm", "-f", box)
    flags = ["--change", "ENV PATH=/"]
    subprocess.run(
        ["docker", "import", *flags, "-", name],
        input=archive.stdout,
        capture_output=True,
        check=True,
    )
    yield name
    docker("rmi", "-f", name)


@pytest.fixture
def start_workspace(tools_volume: str, tools_image: str) -> Iterator[Callable[..., Workspace]]:
    """Starts the editor in an image, the way that `editors.toml` says; ended with all that it had
    at the end of the test."""
    names: list[str] = []

    def start(image: str, *command: str, **env: str) -> Workspace:
        name = unique("workspace")
        names.append(name)
        docker("volume", "create", name)
        docker(
            "run",
            "--rm",
            "-v",
            f"{name}:/projects",
            tools_image,
            "sh",
            "-c",
            "mkdir demo && echo Hello > demo/hello.txt",
        )
        restrictions = [
            "--user",
            "5001:0",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--pids-limit",
            "512",
        ]
        mounts = ["-v", f"{tools_volume}:/opt/moorage:ro", "-v", f"{name}:/projects"]
        environment = {"HOME": "/projects/.home", **env}
        flags = [flag for key, value in environment.items() for flag in ("-e", f"{key}={value}")]
        publish = ["-p", "127.0.0.1::60001"]
        docker(
            "run", "-d", "--name", name, *restrictions, *mounts, *flags, *publish, image, *command
        )
        port = docker("port", name, "60001/tcp").rpartition(":")[2]
        return Workspace(name, f"http://localhost:{port}")

    yield start
    for name in names:
        docker("rm", "-f", name)
        docker("volume", "rm", "-f", name)


@pytest.fixture(scope="module")
def editor() -> EditorSpec:
    """The first editor of the product's own definitions."""
    tables = tomllib.loads((ROOT / "src/moorage/server/editors.toml").read_text())
    name, table = next(iter(tables.items()))
    return msgspec.convert({"name": name, **table}, EditorSpec)


@pytest.fixture
def start_editor(
    start_workspace: Callable[..., Workspace], editor: EditorSpec
) -> Callable[..., Workspace]:
    """Starts the editor in an image, without those words of its command that `but` names."""

    def start(image: str, *, but: tuple[str, ...] = (), **env: str) -> Workspace:
        def filled(text: str) -> str:
            return text.replace("{tools}", TOOLS_ROOT).replace("{port}", str(editor.port))

        command = [*MAIN, *(filled(part) for part in editor.command if part not in but)]
        own = {name: filled(value) for name, value in editor.env.items()}
        workspace = start_workspace(image, *command, **own, VSCODE_PROXY_URI=PROXY, **env)
        until("the editor is healthy", lambda: answers(workspace.origin + editor.health_path))
        return workspace

    return start


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 1280, "height": 800})
