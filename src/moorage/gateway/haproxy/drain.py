"""Stands before HAProxy where it is to end gently: after SIGTERM the door stays open until load
balancers have turned away, then closes, and those who are inside may finish.

HAProxy itself tells at once that it is about to end (`/healthz/gateway`), and later that nobody new
comes in any more (`/healthz/serving`). For as long as anybody is, HAProxy answers its runtime API,
so that the controller can still end what may not stay open; its own soft stop (SIGUSR1) ends that
at once. Run as a program, this imports the standard library alone: it is only there to wait.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD}
_LOOK_EVERY = 0.25
_QUIET_LOOKS = 4
"""Looks that must see nothing before we believe it: a connection that only rests may be about
to ask for more."""
_END_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1

STAGES = "stages"
"""List of patterns (`add acl`) that says how far HAProxy is on its way to the end; empty before."""
ENDING, CLOSED = "ending", "closed"


def is_ending(show_acl: str) -> bool:
    """Whether HAProxy was told to end, from the answer to `show acl` about the stages."""
    return any(line.split()[1:] == [ENDING] for line in show_acl.splitlines())


def command(
    seconds: float, lameduck: float, frontend: str, runtime_socket: str, haproxy: list[str]
) -> list[str]:
    """Makes the command to execute instead of `haproxy`, in the folder that its configuration and
    `runtime_socket` are seen from. New connections come in for `lameduck` seconds of the `seconds`
    that are left after SIGTERM.

    `haproxy` without a master process: one that has a master keeps the door's socket open.
    """
    times = [str(seconds), str(lameduck)]
    return [sys.executable, "-I", __file__, *times, frontend, runtime_socket, *haproxy]


def run(
    seconds: float, lameduck: float, frontend: str, runtime_socket: str, haproxy: list[str]
) -> int:
    """Runs HAProxy until it ends, or has ended after a signal. Returns the exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    listening = os.environ.get("MOORAGE_LISTEN_FD", "")  # as in `kernel.sockets`
    passed = (int(listening),) if listening else ()
    child = subprocess.Popen(haproxy, preexec_fn=_before_haproxy, pass_fds=passed)  # noqa: S603, PLW1509 - our own arguments; no threads
    while child.poll() is None:
        if signal.sigwait(_SIGNALS) != signal.SIGCHLD:
            _drain(child, seconds, lameduck, frontend, runtime_socket)
            return 0
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _drain(
    child: subprocess.Popen[bytes],
    seconds: float,
    lameduck: float,
    frontend: str,
    runtime_socket: str,
) -> None:
    """A second signal ends it at once."""
    began = time.monotonic()
    deadline = began + seconds
    # Load balancers hear of the end now or later: until all have, they send new connections here.
    _ask(runtime_socket, f"add acl {STAGES} {ENDING}")
    if _nothing_for(began + lameduck - time.monotonic(), child):
        _ask(runtime_socket, f"add acl {STAGES} {CLOSED};shutdown frontend {frontend}")
        quiet = 0
        while quiet < _QUIET_LOOKS:
            quiet = 0 if f" fe={frontend} " in _ask(runtime_socket, "show sess") else quiet + 1
            left = deadline - time.monotonic()
            if left <= 0 or not _nothing_for(min(_LOOK_EVERY, left), child):
                break
    child.terminate()
    try:
        child.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _nothing_for(seconds: float, child: subprocess.Popen[bytes]) -> bool:
    """False at once when HAProxy has ended, or another signal says that it shall."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        got = signal.sigtimedwait(_SIGNALS, left)
        if got is not None and (got.si_signo != signal.SIGCHLD or child.poll() is not None):
            return False
    return True


def _ask(runtime_socket: str, question: str) -> str:
    """The runtime API's answer; "" when there is none."""
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(runtime_socket)
            connection.sendall(question.encode() + b"\n")
            while piece := connection.recv(65536):
                answer += piece
    except OSError:
        return ""
    return answer.decode(errors="replace")


def _before_haproxy() -> None:
    """In the child: it hears signals again, and ends with whoever started it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]))
