"""A whole installation with real Docker, Git, HAProxy, VS Code and Chromium, shared by the tests
here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

import browsers
from e2e.installation import CHROMIUM, ROOT, Installation, end, new_home
from ports import free_ports


@pytest.fixture(scope="session")
def installation(repository: str) -> Iterator[Installation]:
    """Running, empty, and may read the example; what it left on Docker is checked by the tests, and
    removed at the end."""
    here = Installation(new_home(), free_ports(2))
    try:
        here.up("--repository-network", urlsplit(repository).netloc)
        yield here
    finally:
        end(here)


@pytest.fixture(scope="session")
def repository() -> Iterator[str]:
    """The URL of the example, served by Git over HTTP on this machine."""
    state = Path(tempfile.mkdtemp(prefix="mr-git-"))
    serve = [sys.executable, str(ROOT / "scripts" / "serve-example"), "--state", str(state)]
    started = subprocess.run(
        [*serve, "--detach", "--port", "0"], capture_output=True, text=True, check=True
    )
    match = re.search(r"http://\S+", started.stdout)
    assert match, started.stdout
    try:
        yield match[0]
    finally:
        subprocess.run([*serve, "--stop"], check=True)
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module: while it is there, Playwright's event loop counts as running, and no
    asynchronous test could run."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(**CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser contexts (each a browser of somebody else's), closed at the end of the test."""
    yield from browsers.contexts(browser)
