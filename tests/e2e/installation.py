"""A whole installation (`moor up`), driven by its own command line, and what tests look at beside
it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Error, Page, Response

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
MOOR = Path(sys.executable).with_name("moor")
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CHROMIUM = {
    "executable_path": "/usr/bin/chromium",
    "args": [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
}


def eventually(
    what: str, probe: Callable[[], Any], *, within: float = 120, every: float = 0.1
) -> Any:
    """The probe's first true value. Fails with `what` and the last value when there is none in
    time."""
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {what}; last seen: {value!r}")
        time.sleep(every)


@dataclass
class Installation:
    """One `moor up`, driven by its own command line."""

    home: Path
    port: int
    environ: dict[str, str] = field(default_factory=dict)
    moor: Path = MOOR

    @property
    def url(self) -> str:
        return f"http://moorage.localhost:{self.port}"

    def run(
        self, *arguments: str, check: bool = True, timeout: float = 120, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **self.environ, "MOORAGE_HOME": str(self.home)}
        done = subprocess.run(
            [self.moor, *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )
        if check and done.returncode:
            pytest.fail(
                f"moor {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def json(self, *arguments: str, **options: Any) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", **options).stdout)

    def up(self, *arguments: str) -> None:
        bundle = ("--ca-bundle", str(CA_BUNDLE)) if CA_BUNDLE.exists() else ()
        self.run("up", "--detach", "--port", str(self.port), *bundle, *arguments)

    def processes(self) -> dict[str, dict[str, Any]]:
        return {
            process["name"]: process for process in self.json("status", check=False)["processes"]
        }

    def kill(self, name: str) -> int:
        """`kill -9`, by the process id that `moor status` gives, once there is one; returns it."""
        pid: int = eventually(f"{name} runs", lambda: self.processes()[name]["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid

    @property
    def id(self) -> str:
        """The id that its objects are labelled with, as its database has it."""
        with closing(sqlite3.connect(self.home / "moorage.db")) as database:
            return str(database.execute("SELECT id FROM installation").fetchone()[0])

    def settled(self, name: str) -> None:
        """Waits until a process has run for long enough that its next death counts as its first."""
        eventually(
            f"{name} has settled",
            lambda: (since := self.processes()[name]["since"]) and time.time() - since > 10,
        )

    def api(self, token: str | None = None) -> httpx.Client:
        """A client of the REST API, by default with the administrator's token."""
        token = token or json.loads((self.home / "client.json").read_text())["token"]
        return httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            transport=ZoneTransport(),
            trust_env=False,
            timeout=30,
        )

    def log(self, process: str) -> str:
        return (self.home / "logs" / f"{process}.log").read_text()


class ZoneTransport(httpx.HTTPTransport):
    """Finds every `*.localhost` on the loopback address, as browsers do; not every resolver
    does."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(
            httpx.Request(
                request.method,
                request.url.copy_with(host="127.0.0.1"),
                headers=request.headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        )


def http_browser() -> httpx.Client:
    """A browser without pages: it keeps cookies, follows redirects and finds the zone's hosts."""
    accept = {"Accept": "text/html"}
    return httpx.Client(
        transport=ZoneTransport(),
        headers=accept,
        trust_env=False,
        timeout=10,
        follow_redirects=True,
    )


KEEPER = "moorage-volumes-"


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def docker_objects(mine: str = "") -> dict[str, set[str]]:
    """Names of all containers, volumes and networks, but for the shared tools volumes, which stay
    on purpose, and what is labelled as another installation's. `mine`: an installation's id.

    The container that keeps an agent's volumes is one, whichever name it has by now.
    """
    label = '{{.Label "moorage.dev/installation"}}'
    lists = {"containers": ("ps", "-a", "{{.Names}}"), "volumes": ("volume", "ls", "{{.Name}}")}
    found: dict[str, set[str]] = {}
    for kind, (*command, name) in {**lists, "networks": ("network", "ls", "{{.Name}}")}.items():
        lines = (
            line.split("\t")
            for line in docker(*command, "--format", f"{name}\t{label}").splitlines()
        )
        found[kind] = {
            KEEPER if n.startswith(KEEPER) else n
            for n, owner in lines
            if owner in ("", mine) and not n.startswith("moorage-tools-")
        }
    return found


def expect_nothing_left(
    installation: Installation, before: dict[str, set[str]], *, within: float = 60
) -> None:
    """Waits until there is nothing beyond `before`; else fails with the names of what there is."""
    left: list[str] = []

    def none_left() -> bool:
        now = docker_objects(installation.id)
        left[:] = sorted(
            f"{kind}: {name}" for kind, names in now.items() for name in names - before[kind]
        )
        return not left

    try:
        eventually("nothing is left", none_left, within=within)
    except pytest.fail.Exception:
        pytest.fail(f"left over after {within} s: {', '.join(left)}")


def new_home() -> Path:
    return Path(tempfile.mkdtemp(prefix="mr-"))


def end(installation: Installation) -> None:
    """Ends the processes, and keeps their logs where a person can look at them."""
    installation.run("down", check=False)
    logs = ROOT / "build" / "logs" / installation.home.name
    shutil.copytree(installation.home / "logs", logs, dirs_exist_ok=True)
    shutil.rmtree(installation.home, ignore_errors=True)


def picture(page: Page, name: str) -> None:
    """Keeps a screenshot, where a person can look at it."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


_NETWORK_CHANGED = ("ERR_NETWORK_CHANGED", 'interrupted by another navigation to "chrome-error:')
"""What Chromium says of it, and of the next attempt while it still shows its own page for that."""


def visit(page: Page, url: str) -> Response:
    """Opens the address. Chromium gives up what it loads when a network interface comes or goes, as
    Docker's do."""
    for _ in range(10):
        try:
            response = page.goto(url)
        except Error as error:
            if not any(sign in str(error) for sign in _NETWORK_CHANGED):
                raise
            continue
        assert response is not None
        return response
    pytest.fail(f"the network changes all the time; could not open {url}")


def sign_in(page: Page, installation: Installation, user: str) -> None:
    """As that person would: opens a one-time link and presses its button."""
    link = installation.json("sign-in-link", user)["url"]
    visit(page, link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{installation.url}/")
