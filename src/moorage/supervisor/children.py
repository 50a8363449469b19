"""Starts a process so that it never outlives its supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from typing import NamedTuple

from moorage.kernel.errors import MoorageError

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Started(NamedTuple):
    pid: int
    output: int
    """The reading end of the pipe that its standard output and standard error go to; it does not
    block."""


Enter = Callable[[dict[str, str], int], dict[str, str]]
"""Runs in a child before its program: takes its environment and its parent's id, and returns the
program's environment."""


def start(argv: list[str], environment: dict[str, str], enter: Enter | None = None) -> Started:
    """Starts `argv` in a session of its own, so that a Ctrl-C at the console reaches the supervisor
    alone.

    An error of `enter` is the child's last words, and its exit code that of the error.
    A program that cannot be run ends with exit code 127 and says why on its output.
    """
    output, inner = os.pipe()
    os.set_blocking(output, False)
    parent = os.getpid()
    # Until the child has its own, our handlers are in it: a signal to it would be lost there, and
    # be heard here.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if pid == 0:
        _run(argv, environment, inner, parent, enter)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    os.close(inner)
    return Started(pid, output)


def _run(
    argv: list[str], environment: dict[str, str], output: int, parent: int, enter: Enter | None
) -> None:
    """The child between fork and exec. Never returns."""
    code = 127
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(0)
        _reset_signals()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if enter is not None:
            environment = enter(environment, parent)
        os.execve(argv[0], argv, environment)  # noqa: S606 - the argument list is our own
    except MoorageError as error:
        os.write(2, f"{error}\n".encode())
        code = error.exit_code
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be run: {error}\n".encode())
    finally:
        os._exit(code)


def _reset_signals() -> None:
    """As a program expects them: an ignored signal would stay ignored over exec, and Python ignores
    some."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
