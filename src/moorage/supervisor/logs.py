"""Where the processes' lines go: a file each, bounded in size, and the console; and the
supervisor's own lines.

The own lines have the form of `kernel.log`, without structlog: it alone would take more memory than
the whole rest of the resident process.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

LIMIT = 5 * 1024 * 1024
"""Bytes of a log file; then it becomes `<name>.log.1`, and that `<name>.log.2`."""
KEPT = 2
LONGEST_LINE = 16 * 1024
"""Bytes; a longer line is cut in pieces."""
REMEMBERED = 20
"""Lines of a process that `moor status` can show after its end."""


class RotatingFile:
    """A log file that is moved aside when it grows over `limit` bytes."""

    def __init__(self, path: Path, limit: int = LIMIT, kept: int = KEPT) -> None:
        self._path = path
        self._limit = limit
        self._kept = kept
        self._open()

    def write(self, data: bytes) -> None:
        """A full disk loses the line and disturbs nothing else."""
        if self._size + len(data) > self._limit and self._size:
            self._rotate()
        try:
            self._size += os.write(self._descriptor, data)
        except OSError:
            return

    def close(self) -> None:
        os.close(self._descriptor)

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        for number in range(self._kept, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = (
                self._path
                if number == 1
                else self._path.with_name(f"{self._path.name}.{number - 1}")
            )
            try:
                newer.replace(older)
            except OSError:
                continue
        self.close()
        self._open()


class Lines:
    """Cuts the bytes of one process into lines, and remembers the last ones."""

    def __init__(self) -> None:
        self._rest = b""
        self.last: deque[str] = deque(maxlen=REMEMBERED)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, each with its newline."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        return [self._remember(line) for line in lines]

    def end(self) -> list[bytes]:
        """The rest without a newline, as a line."""
        rest, self._rest = self._rest, b""
        return [self._remember(rest)] if rest else []

    def _remember(self, line: bytes) -> bytes:
        self.last.append(line.decode(errors="replace"))
        return line + b"\n"


class Console:
    """The lines of all processes on one descriptor, each with the name of its process. None writes
    nowhere."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._colour = descriptor is not None and os.isatty(descriptor)

    def write(self, name: str, line: bytes, colour: str) -> None:
        if self._descriptor is None:
            return
        prefix = f"{name:<8}| "
        if self._colour:
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        try:
            os.write(self._descriptor, prefix.encode() + line)
        except OSError:  # a console that went away ends nothing
            self._descriptor = None


def event_line(fmt: str, level: str, event: str, fields: dict[str, Any], *, now: float) -> bytes:
    """One record of the supervisor, as `kernel.log` would write it (format `console` or `json`)."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
    if fmt == "json":
        record = {
            "process": "supervisor",
            **fields,
            "event": event,
            "level": level,
            "timestamp": stamp,
        }
        return json.dumps(record, ensure_ascii=False, default=str).encode() + b"\n"
    pairs = " ".join(
        f"{key}={value!r}" if " " in str(value) else f"{key}={value}"
        for key, value in fields.items()
    )
    return f"{stamp} [{level:<9}] {event:<30} {pairs}".rstrip().encode() + b"\n"
