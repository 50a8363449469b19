"""Keeps one test's damage to the cluster's own processes from the next test."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from cluster.clusters import FOLDER, SCRIPT, OwnCluster, run


def restart_api_server() -> None:
    """Kills it, and starts it again once process and port are gone; it answers then."""
    run(SCRIPT, "restart-api")


def mend(cluster: OwnCluster) -> None:
    """Lets processes go on that a test stopped and left so, and starts the API server again if it
    is gone."""
    for file in (FOLDER / "run").glob("*.pid"):
        pid = int(file.read_text())
        if _state(pid) == "T":
            os.kill(pid, signal.SIGCONT)
    if _state(cluster.pid("apiserver")) in ("", "Z"):
        restart_api_server()


def _state(pid: int) -> str:
    """Of a process, in the kernel's letter; "" when there is none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
    return next(line.split()[1] for line in status.splitlines() if line.startswith("State:"))
