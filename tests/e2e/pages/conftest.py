"""The pages of a real server, in a real browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from e2e.installation import SCREENSHOTS, visit
from e2e.pages.backstage import Agent, Git, Server
from moorage.contract import DesiredState

DEVFILE = """\
schemaVersion: 2.2.0
metadata:
  name: app
components:
  - name: py
    attributes:
      gl/inject-editor: true
    container:
      image: registry.example.com/python-workspace:latest
      memoryLimit: 2048M
      endpoints:
        - name: http-python
          targetPort: 8080
        - name: database
          targetPort: 5432
          protocol: tcp
"""

BROKEN_DEVFILE = DEVFILE.replace("2048M", "lots").replace("8080", "808080")


NETWORK_CHANGED = "net::ERR_NETWORK_CHANGED"
"""What Chromium says when a network interface comes or goes, as a container engine beside the tests
makes them do."""


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server()
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture(scope="session")
def agent(server: Server) -> Iterator[Agent]:
    connected = Agent(server)
    connected.start()
    yield connected
    connected.stop()


@pytest.fixture(scope="session")
def git() -> Iterator[Git]:
    serving = Git()
    yield serving
    serving.close()


@pytest.fixture(scope="session")
def repository(git: Git) -> str:
    return git.repository(
        "example-python-http-simple", {".devfile.yaml": DEVFILE, "hello.py": "print('hello')\n"}
    )


@pytest.fixture(scope="session")
def broken_repository(git: Git) -> str:
    return git.repository("broken", {".devfile.yaml": BROKEN_DEVFILE})


@dataclass
class Person:
    """Somebody with a browser of their own."""

    name: str
    server: Server
    context: BrowserContext
    page: Page

    def goto(self, path: str) -> Any:
        return visit(self.page, f"{self.server.url}{path}")

    def create(self, agent: Agent, repository: str) -> str:
        """A workspace of theirs, by the page; its name."""
        self.goto("/new")
        self.page.get_by_label("Repository").fill(repository)
        self.page.get_by_role("button", name="Create workspace").click()
        self.page.wait_for_url("**/workspaces/workspace-*")
        name = self.page.url.rsplit("/", 1)[1]
        agent.desired(name, DesiredState.RUNNING)
        return name


@pytest.fixture
def person(browser: Browser, server: Server) -> Iterator[Callable[..., Person]]:
    """Makes people, signed in, each a user of their own. At the end, nothing may have been amiss in
    their browsers: no error in the console, which is where a violation of the content security
    policy is told too."""
    contexts: list[BrowserContext] = []
    amiss: list[str] = []

    def make(
        prefix: str = "ana", *, name: str = "", expected: tuple[str | int, ...] = (), **options: Any
    ) -> Person:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()

        def listen(message: ConsoleMessage) -> None:
            known = any(str(words) in message.text for words in (*expected, NETWORK_CHANGED))
            if message.type in ("error", "warning") and not known:
                amiss.append(f"{page.url}: {message.text}")

        page.on("console", listen)
        page.on("pageerror", lambda error: amiss.append(f"{page.url}: {error}"))
        user = name or server.add_user(prefix)
        page.goto(server.sign_in_link(user))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{server.url}/")
        return Person(user, server, context, page)

    yield make
    for context in contexts:
        context.close()
    assert amiss == []


@pytest.fixture(scope="session")
def pictures() -> Path:
    folder = SCREENSHOTS / "pages"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def unique() -> str:
    return secrets.token_hex(3)
