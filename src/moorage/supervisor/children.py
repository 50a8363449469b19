"""The processes of an installation, and how one is started so that it never outlives its supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import NamedTuple

from moorage.kernel.home import Home

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ChildSpec(NamedTuple):
    name: str
    argv: list[str]


class Started(NamedTuple):
    pid: int
    output: int
    """The reading end of the pipe that its standard output and standard error go to; it does not block."""


def specs(home: Home) -> list[ChildSpec]:
    """Each connects to the others by itself and tries until it succeeds, so that no order is needed."""
    return [
        ChildSpec(name, [sys.executable, "-m", f"moorage.{module}", "--home", str(home.path)])
        for name, module in (
            ("server", "server"),
            ("agent", "agent"),
            ("gateway", "gateway"),
            ("haproxy", "gateway.haproxy"),
        )
    ]


def start(argv: list[str], environment: dict[str, str]) -> Started:
    """Starts `argv` in a session of its own, so that a Ctrl-C at the console reaches the supervisor alone.

    A program that cannot be run ends with exit code 127 and says why on its output.
    """
    output, inner = os.pipe()
    os.set_blocking(output, False)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _run(argv, environment, inner, parent)
    os.close(inner)
    return Started(pid, output)


def _run(argv: list[str], environment: dict[str, str], output: int, parent: int) -> None:
    """The child between fork and exec. Never returns."""
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(0)
        _reset_signals()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.execve(argv[0], argv, environment)  # noqa: S606 - the argument list is our own
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be run: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _reset_signals() -> None:
    """An ignored signal stays ignored over exec; Python ignores some."""
    handlers: list[tuple[signal.Signals, Callable[..., object] | int]] = [
        (signal.SIGPIPE, signal.SIG_DFL),
        (signal.SIGXFSZ, signal.SIG_DFL),
        (signal.SIGINT, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ]
    for number, handler in handlers:
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
