"""Starts and ends the resident process: what `moor up` and `moor down` do after their options are
read."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from moorage.kernel.errors import Conflict, Misconfigured, MoorageError, Unavailable
from moorage.kernel.home import Home
from moorage.supervisor import folder, policy, preflight, readiness, recover, state
from moorage.supervisor.prepare import READ_BY, Options, Plan, plan, prepare
from moorage.supervisor.proc import Identity, identify

RETRY = signal.SIGUSR1
"""Tells a running supervisor to start those again that are down because of how they were set up."""


def ready_to_start(home: Home, options: Options) -> Plan:
    """Ends what a killed supervisor left, looks at the machine, and writes what the processes read.

    Raises the one thing that is in the way, or a `Misconfigured` whose detail `problems` lists
    several.
    """
    if home.path.exists():
        folder.tighten(home)  # before anything in it is believed
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
    """Starts the supervisor in a session of its own and returns when all parts are ready. Raises as
    `readiness.wait`."""
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


def become_supervisor(
    home: Home, wanted: Plan, *, fmt: str | None, announce: Callable[[], None]
) -> None:
    """Replaces this process by the supervisor, and calls `announce` beside it once all parts are
    ready.

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


def join(home: Home, options: Options, *, seconds: float) -> tuple[Plan, list[str]]:
    """Joins an installation that runs already; returns the plan that holds, and the processes that
    it started again.

    Options that concern one process alone are taken over, by starting that one anew; what is down
    because of how it was set up is tried again; then, with `seconds`, it waits until everything is
    ready. Raises `Conflict` for any other option.
    """
    present, wanted = plan(home, Options()), plan(home, options)
    changed = {
        field
        for field in Plan.__struct_fields__
        if getattr(present, field) != getattr(wanted, field)
    }
    if changed - READ_BY.keys():
        raise Conflict(
            f"Moorage is running already in {home.path}, with other settings ({present.url}).",
            code="already-running",
            hint="`moor down`, then `moor up` with the new ones.",
        )
    renewed = _retry(home)
    if changed:
        concerned = sorted({READ_BY[field] for field in changed})
        if "agent" in concerned:
            preflight.check_engine(wanted)
        prepare(home, wanted)
        for name in concerned:
            _renew(home, name)
        renewed += concerned
    report = state.read(home)
    if seconds and report is not None:
        asyncio.run(readiness.wait(home, wanted, report.supervisor, seconds=seconds))
    return wanted, renewed


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


def _retry(home: Home) -> list[str]:
    """Starts again what is down because of how it was set up; returns the names."""
    report = state.read(home)
    failed = (
        [child for child in report.children if child.state == "failed"]
        if report and report.alive
        else []
    )
    if report and failed:
        os.kill(report.supervisor.pid, RETRY)
        _await_restarts(home, failed)
    return [child.name for child in failed]


def _renew(home: Home, name: str) -> None:
    """Ends a process, which the supervisor starts again, and waits for that."""
    report = state.read(home)
    for child in report.children if report else []:
        if child.name == name and child.process is not None:
            os.kill(child.process.pid, signal.SIGTERM)
            _await_restarts(home, [child])


def _await_restarts(home: Home, before: list[state.ChildReport]) -> None:
    """Waits for a moment until each has been started once more than it was."""
    deadline = time.monotonic() + policy.GRACE
    expected = {child.name: child.restarts + 1 for child in before}
    while time.monotonic() < deadline:
        report = state.read(home)
        now = {child.name: child.restarts for child in report.children} if report else {}
        if all(now.get(name, 0) >= count for name, count in expected.items()):
            return
        time.sleep(0.05)


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
