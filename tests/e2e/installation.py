"""A whole installation (`moor up`), driven by its own command line, and what tests look at beside it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

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


def eventually(what: str, probe: Callable[[], Any], *, within: float = 60, every: float = 0.1) -> Any:
    """The probe's first true value. Fails with `what` and the last value when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {what}; last seen: {value!r}")
        time.sleep(every)


def free_ports(count: int) -> int:
    """The first of `count` neighbouring free ports on the loopback address."""
    for _ in range(200):
        first = 20000 + secrets.randbelow(20000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    pytest.fail("no free ports")


@dataclass
class Installation:
    """One `moor up`, driven by its own command line."""

    home: Path
    port: int
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def run(
        self, *arguments: str, check: bool = True, timeout: float = 120, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **self.environ, "MOORAGE_HOME": str(self.home)}
        done = subprocess.run(
            [MOOR, *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **options,
        )
        if check and done.returncode:
            pytest.fail(f"moor {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *arguments: str, **options: Any) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", **options).stdout)

    def up(self, *arguments: str) -> None:
        bundle = ("--ca-bundle", str(CA_BUNDLE)) if CA_BUNDLE.exists() else ()
        self.run("up", "--detach", "--port", str(self.port), *bundle, *arguments)

    def processes(self) -> dict[str, dict[str, Any]]:
        return {process["name"]: process for process in self.json("status", check=False)["processes"]}

    def kill(self, name: str) -> int:
        """`kill -9`, by the process id that `moor status` gives; returns it."""
        pid = self.processes()[name]["pid"]
        os.kill(pid, signal.SIGKILL)
        return pid

    def api(self, token: str | None = None) -> httpx.Client:
        """A client of the REST API, by default with the administrator's token."""
        token = token or json.loads((self.home / "client.json").read_text())["token"]
        return httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=30,
        )

    def log(self, process: str) -> str:
        return (self.home / "logs" / f"{process}.log").read_text()


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout


def docker_objects() -> dict[str, set[str]]:
    """Names of all that Moorage could leave behind; the shared tools volumes stay on purpose."""
    volumes = set(docker("volume", "ls", "-q").split())
    return {
        "containers": set(docker("ps", "-a", "--format", "{{.Names}}").split()),
        "volumes": {name for name in volumes if not name.startswith("moorage-tools-")},
        "networks": set(docker("network", "ls", "--format", "{{.Name}}").split()),
    }


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


def sign_in(page: Page, installation: Installation, user: str) -> None:
    """As that person would: opens a one-time link and presses its button."""
    link = installation.json("sign-in-link", user)["url"]
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{installation.url}/")
