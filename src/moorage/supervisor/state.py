"""The supervisor's report of itself, in `run/supervisor.json`: for `moor status`, `moor down` and
the next `moor up`.

It is written whenever something changes and never read by the process that writes it.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

from moorage.kernel.errors import Conflict
from moorage.kernel.home import Home, write_private
from moorage.supervisor.proc import Identity, identify

ChildState = Literal["running", "waiting", "failed", "stopped"]
"""waiting: it ended, and is started again soon. failed: it says that it cannot run like this.
stopped: by `moor down`."""


class Exit(NamedTuple):
    """How a process ended last: by a code or by a signal's name."""

    code: int | None
    signal: str
    at: float
    """Seconds since the epoch."""
    lines: list[str]
    """The last lines that it wrote."""

    def __str__(self) -> str:
        return f"killed by {self.signal}" if self.signal else f"exit code {self.code}"


class ChildReport(NamedTuple):
    name: str
    state: ChildState
    process: Identity | None
    since: float
    """Seconds since the epoch: when it came into this state."""
    restarts: int
    last_exit: Exit | None


class Report(NamedTuple):
    supervisor: Identity
    since: float
    children: list[ChildReport]
    accounts: str = ""
    """Under which the processes run, for a person."""

    @property
    def alive(self) -> bool:
        return self.supervisor.alive


def state_file(home: Home) -> Path:
    return home.run / "supervisor.json"


def write(home: Home, report: Report) -> None:
    """Also `run/supervisor.pid`, for others' scripts: process id and start time."""
    document = {
        "boot": _boot(),
        "pid": report.supervisor.pid,
        "started": report.supervisor.started,
        "since": report.since,
        "accounts": report.accounts,
        "children": [_child_document(child) for child in report.children],
    }
    write_private(state_file(home), json.dumps(document, indent=1) + "\n")
    write_private(
        home.run / "supervisor.pid", f"{report.supervisor.pid} {report.supervisor.started}\n"
    )


def read(home: Home) -> Report | None:
    """The last report; None when there is none, or only one from before this start of the
    machine."""
    try:
        document = json.loads(state_file(home).read_text())
        if document["boot"] != _boot():
            return None
        return Report(
            supervisor=Identity(document["pid"], document["started"]),
            since=document["since"],
            children=[_child(item) for item in document["children"]],
            accounts=document.get("accounts", ""),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def lock(home: Home) -> int:
    """Holds the home for this process until it ends; returns the descriptor. Raises `Conflict` when
    another holds it."""
    descriptor = os.open(home.run / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Conflict(
            f"Moorage is running already in {home.path}.",
            code="already-running",
            hint="See it with `moor status`, end it with `moor down`.",
        ) from error
    return descriptor


def locked(home: Home) -> bool:
    """Whether a supervisor holds this home now."""
    if not (home.run / "supervisor.lock").exists():
        return False
    try:
        os.close(lock(home))
    except Conflict:
        return True
    return False


def own_identity() -> Identity:
    found = identify(os.getpid())
    assert found is not None
    return found


def _child_document(child: ChildReport) -> dict[str, Any]:
    return {
        "name": child.name,
        "state": child.state,
        "pid": child.process.pid if child.process else None,
        "started": child.process.started if child.process else None,
        "since": child.since,
        "restarts": child.restarts,
        "last_exit": child.last_exit._asdict() if child.last_exit else None,
    }


def _child(item: dict[str, Any]) -> ChildReport:
    last = item["last_exit"]
    return ChildReport(
        name=item["name"],
        state=item["state"],
        process=None if item["pid"] is None else Identity(item["pid"], item["started"]),
        since=item["since"],
        restarts=item["restarts"],
        last_exit=None if last is None else Exit(**last),
    )


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
