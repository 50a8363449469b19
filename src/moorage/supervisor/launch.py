"""Starts and ends the resident process: what `moor up` and `moor down` do after their options are read."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable

from moorage.kernel.errors import Misconfigured, MoorageError, Unavailable
from moorage.kernel.home import Home
from moorage.supervisor import policy, preflight, readiness, recover, state
from moorage.supervisor.prepare import Options, Plan, plan, prepare
from moorage.supervisor.proc import Identity, identify

RETRY = signal.SIGUSR1
"""Tells a running supervisor to start those again that are down because of how they were set up."""


def ready_to_start(home: Home, options: Options) -> Plan:
    """Ends what a killed supervisor left, looks at the machine, and writes what the processes read.

    Raises the one thing that is in the way, or a `Misconfigured` whose detail `problems` lists several.
    """
    wanted = plan(home, options)
    if home.run.is_dir() and not state.locked(home):
        recover.end_leftovers(home)
    problems = preflight.check(home, wanted)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Misconfigured(
            "This machine is not ready:\n" + "\n".join(f"  - {problem}" for problem in problems),
            code="machine-not-ready",
            problems=[
                {"code": problem.code, "message": problem.message, "hint": problem.hint}
                for problem in problems
            ],
        )
    prepare(home, wanted)
    return wanted


def start_detached(home: Home, wanted: Plan, *, fmt: str | None, seconds: float) -> None:
    """Starts the supervisor in a session of its own and returns when all parts are ready. Raises as `readiness.wait`."""
    with os.fdopen(
        os.open(home.logs / "supervisor.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab"
    ) as log:
        process = subprocess.Popen(  # noqa: S603 - the argument list is our own
            [*_command(home, fmt), "--quiet"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    supervisor = identify(process.pid) or Identity(process.pid, 0)
    try:
        asyncio.run(readiness.wait(home, wanted, supervisor, seconds=seconds))
    except Misconfigured:
        stop(home)
        raise
    # It goes on; this process ends before it and has nothing to wait for.
    process.returncode = 0


def become_supervisor(home: Home, wanted: Plan, *, fmt: str | None, announce: Callable[[], None]) -> None:
    """Replaces this process by the supervisor, and calls `announce` beside it once all parts are ready.

    Never returns.
    """
    sys.stdout.flush()
    parent = state.own_identity()
    if os.fork() == 0:
        # A second fork, so that the supervisor has no child that it does not know.
        if os.fork() == 0:
            _announce(home, wanted, parent, announce)
        os._exit(0)
    os.wait()
    command = _command(home, fmt)
    os.execv(command[0], command)  # noqa: S606 - the argument list is our own


def retry(home: Home) -> list[str]:
    """Makes a running supervisor start again what is down because of how it was set up; returns their names."""
    report = state.read(home)
    if report is None or not report.alive:
        return []
    failed = [child.name for child in report.children if child.state == "failed"]
    if failed:
        os.kill(report.supervisor.pid, RETRY)
    return failed


def stop(home: Home) -> bool:
    """Ends the installation in order and waits for it. False when it did not run.

    What a killed supervisor left behind is ended too. Raises `Unavailable` when something survives.
    """
    report = state.read(home)
    if report is None or not report.alive:
        return bool(recover.end_leftovers(home))
    os.kill(report.supervisor.pid, signal.SIGTERM)
    if not recover.wait_for_end([report.supervisor], policy.GRACE + 5):
        raise Unavailable(
            f"The supervisor (pid {report.supervisor.pid}) does not end.",
            code="supervisor-hangs",
            hint=f"`kill -9 {report.supervisor.pid}` ends it, and its processes with it.",
        )
    recover.end_leftovers(home)
    return True


def _command(home: Home, fmt: str | None) -> list[str]:
    command = [sys.executable, "-m", "moorage.supervisor", "--home", str(home.path)]
    return [*command, "--log-format", fmt] if fmt else command


def _announce(home: Home, wanted: Plan, supervisor: Identity, announce: Callable[[], None]) -> None:
    try:
        asyncio.run(readiness.wait(home, wanted, supervisor, seconds=120))
        announce()
        sys.stdout.flush()
    except MoorageError as error:
        if supervisor.alive:
            sys.stderr.write(f"{error}\n")
    finally:
        os._exit(0)
