"""Ports for what tests start: free, and taken by no other test, also when several runs or workers
are at it at once.

A process that is told a port binds it later; in between, nobody else may be told the same one. So
each process locks a byte of one file per port that it hands out, until it ends: the kernel takes
the locks back by itself. The range lies below the one from which the kernel takes ports for
outgoing connections.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, LAST = 20_000, 32_000
_LOCKS = Path(tempfile.gettempdir()) / f"moorage-test-ports-{os.geteuid()}"

_locks: list[int] = []
"""The open file, once there is one. It is never closed: that would give all of its locks back."""
_taken: set[int] = set()
"""What this process was told: a process's own locks do not keep it out."""


def free_port() -> int:
    """One that nobody listens on, at any address."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` neighbours."""
    for _ in range(1000):
        first = random.randrange(FIRST, LAST - count)
        wanted = range(first, first + count)
        if all(map(_take, wanted)):
            return first
    raise AssertionError("no free ports")


def _take(port: int) -> bool:
    """Whether the port is this process's from now on. One that proves to be in use stays locked,
    which does no harm."""
    if port in _taken:
        return False
    _taken.add(port)
    if not _locks:
        _locks.append(os.open(_LOCKS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        fcntl.lockf(_locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        with socket.socket() as probe:
            probe.bind(("0.0.0.0", port))
    except OSError:
        return False
    return True
