"""Reads about processes from `/proc` (proc(5)). Imports little: the resident supervisor reads
it too."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
_LISTEN = "0A"
"""The state LISTEN in /proc/net/tcp."""


class Identity(NamedTuple):
    """A process for good: its id is used again one day, but never with the same start time."""

    pid: int
    started: int
    """Clock ticks since the machine started."""

    @property
    def alive(self) -> bool:
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state not in "ZX"


def identify(pid: int) -> Identity | None:
    """The process that has this id now; None when there is none."""
    stat = _stat(pid)
    return None if stat is None else Identity(pid, stat.started)


def memory(pid: int) -> int:
    """Resident bytes, what it shares with others included; 0 when it is gone."""
    try:
        pages = (PROC / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def command_line(pid: int) -> list[str]:
    """Its arguments; empty when it is gone or not to be read."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(part) for part in raw.split(b"\0")[:-1]]


def folder(pid: int) -> str:
    """Its current folder; "" when it is gone or not to be read."""
    try:
        return str((PROC / str(pid) / "cwd").readlink())
    except OSError:
        return ""


def group(pgid: int) -> list[Identity]:
    """The living processes of a process group."""
    found = []
    for pid in _pids():
        stat = _stat(pid)
        if stat is not None and stat.group == pgid and stat.state not in "ZX":
            found.append(Identity(pid, stat.started))
    return found


def listener(port: int) -> str:
    """Which process listens on a TCP port, as `name (pid 12)`; "" when that cannot be told."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not inodes:
        return ""
    for pid in _pids():
        try:
            for descriptor in (PROC / str(pid) / "fd").iterdir():
                if str(descriptor.readlink()) in inodes:
                    return f"{_name(pid)} (pid {pid})"
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return ""


class _Stat(NamedTuple):
    state: str
    group: int
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    # The name, in parentheses, may hold blanks and parentheses itself.
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(state=fields[0], group=int(fields[2]), started=int(fields[19]))


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]


def _name(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "a process"


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(fields[9])
    return found
