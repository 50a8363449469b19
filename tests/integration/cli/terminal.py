"""`moor` in a terminal of its own, as a person has it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import termios
import time
from types import TracebackType
from typing import Self

from integration.supervisor.installation import MOOR, Installation


class Terminal:
    """Runs a command; what it shows is read until something appears."""

    def __init__(
        self, installation: Installation, *arguments: str, columns: int = 100, rows: int = 30
    ) -> None:
        self.shown = ""
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            environ = {**installation.environ, "TERM": "xterm-256color"}
            for size in ("COLUMNS", "LINES"):  # as parallel workers of pytest have them
                environ.pop(size, None)
            _set_size(0, columns, rows)  # before anybody looks
            os.execve(MOOR, [str(MOOR), *arguments], environ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self._descriptor)

    def resize(self, columns: int, rows: int) -> None:
        _set_size(self._descriptor, columns, rows)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def until(self, text: str, within: float = 60) -> str:
        """All that was shown since the last call, once `text` is in it."""
        deadline = time.monotonic() + within
        while text not in self.shown:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} was not shown within {within} s, but {self.shown!r}"
            if not self._read(left):
                assert text in self.shown, f"it ended without {text!r}: {self.shown!r}"
        before, self.shown = self.shown, ""
        return before

    def exit_code(self, within: float = 60) -> int:
        """Reads on until it ends."""
        deadline = time.monotonic() + within
        while self._read(deadline - time.monotonic()):
            assert time.monotonic() < deadline, f"it did not end within {within} s: {self.shown!r}"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self, seconds: float) -> bool:
        """False when it has ended."""
        ready, _, _ = select.select([self._descriptor], [], [], max(0.0, seconds))
        if not ready:
            return True
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # Linux: the other side is closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


def address_of_this_machine() -> str:
    """One that containers reach, too. Nothing is sent: the kernel chooses by its routes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def _set_size(descriptor: int, columns: int, rows: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
