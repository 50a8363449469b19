"""One `moor up` in a short-lived home on free ports, driven by its own command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from moorage.kernel.home import Home
from moorage.supervisor import proc, processes, recover, state
from ports import free_ports

MOOR = Path(sys.executable).with_name("moor")
PROCESSES = tuple(process.name for process in processes.PROCESSES)


class Installation:
    """`environ` is added to every command's environment."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.home = Home(folder)
        self.port = free_ports(2)
        self.environ = {**os.environ, "MOORAGE_HOME": str(folder), "COLUMNS": "200", **environ}
        for name in ("MOORAGE_TOKEN", "MOORAGE_SERVER"):
            self.environ.pop(name, None)

    @property
    def url(self) -> str:
        return f"http://moorage.localhost:{self.port}"

    def moor(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environ = {**self.environ, **options.pop("env", {})}
        return subprocess.run(
            [MOOR, *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            **options,
        )

    def up(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.moor("up", "--detach", "--port", str(self.port), *arguments, **options)

    def started(self, *arguments: str) -> None:
        done = self.up(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def json(self, *arguments: str, **options: Any) -> Any:
        done = self.moor(*arguments, "-o", "json", **options)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def processes(self) -> dict[str, dict[str, Any]]:
        return {process["name"]: process for process in self.json("status")["processes"]}

    def report(self) -> dict[str, state.ChildReport]:
        found = state.read(self.home)
        return {child.name: child for child in found.children} if found else {}

    def alive(self) -> list[str]:
        """Command lines of all processes that have this home in them or work in it."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                pid = int(entry.name)
                line = " ".join(proc.command_line(pid))
                if str(self.home.path) in line or proc.folder(pid).startswith(str(self.home.path)):
                    found.append(line)
        return found

    def remove(self) -> None:
        self.moor("down")
        report = state.read(self.home)
        if report and report.alive:
            os.kill(report.supervisor.pid, signal.SIGKILL)
            recover.wait_for_end([report.supervisor], 5)
        recover.end_leftovers(self.home)
        shutil.rmtree(self.home.path, ignore_errors=True)


@contextmanager
def installation(**environ: str) -> Iterator[Installation]:
    made = Installation(Path(tempfile.mkdtemp(prefix="mr-sup")), **environ)
    try:
        yield made
    finally:
        made.remove()


def get(url: str) -> httpx.Response:
    """Asks for an address below the zone, found as browsers find it; this machine's resolver may
    not."""
    there = httpx.URL(url)
    host = {"Host": there.netloc.decode()}
    return httpx.get(there.copy_with(host="127.0.0.1"), headers=host, trust_env=False, timeout=5)


def until(what: str, probe: Callable[[], Any], within: float = 60, every: float = 0.02) -> Any:
    deadline = time.monotonic() + within
    while not (value := probe()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(every)
    return value
