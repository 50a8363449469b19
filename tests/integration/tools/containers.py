"""Scripts and the container engine as the tests here call them, and a container that stands for a
workspace."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from moorage.contract import EditorSpec
from moorage.contract.spec import TOOLS_ROOT

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "scripts"
PROXY = "http://{{port}}-workspace-1-1-abcdef.localhost:8080/"


def run(
    *command: str | Path, check: bool = True, **environ: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        errors="surrogateescape",  # names of files are any bytes
        timeout=280,
        check=False,
    )
    if check and done.returncode:
        pytest.fail(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def docker(*arguments: str, check: bool = True) -> str:
    return run("docker", *arguments, check=check).stdout.strip()


def unique(what: str) -> str:
    return f"mtools-{what}-{secrets.token_hex(4)}"


def until(what: str, probe: Callable[[], Any], *, within: float = 90.0) -> Any:
    """The probe's first true value."""
    deadline = time.monotonic() + within
    while not (value := probe()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {what}")
        time.sleep(0.02)
    return value


@dataclass(frozen=True)
class Workspace:
    """A container that is as restricted as a workspace's, with a volume for projects and home."""

    name: str
    origin: str

    def shell(self, line: str) -> str:
        found = f"PATH=$PATH:{TOOLS_ROOT}/bin; {line}"
        return docker("exec", self.name, f"{TOOLS_ROOT}/bin/busybox", "sh", "-c", found)

    @property
    def logs(self) -> str:
        done = run("docker", "logs", self.name, check=False)
        return done.stdout + done.stderr


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def open_folder(page: Page, workspace: Workspace, editor: EditorSpec) -> None:
    page.goto(workspace.origin + editor.open_path.format(folder="/projects/demo"))
    expect(
        page.locator(".explorer-folders-view").get_by_text("hello.txt", exact=True)
    ).to_be_visible(timeout=60_000)
