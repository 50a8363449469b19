"""The resident process: starts the children, waits for what happens, starts again what ends.

It sleeps in one `poll` until a child writes or ends, a signal comes, or a restart is due.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from typing import Any

from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import Home
from moorage.supervisor import children, policy, state
from moorage.supervisor.logs import Console, Lines, RotatingFile, event_line
from moorage.supervisor.privileges import Privileges
from moorage.supervisor.proc import Identity, identify
from moorage.supervisor.processes import Process

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
OWN_COLOUR = "32"
"""Colour of the supervisor's own lines on a terminal."""
RETRY_SIGNAL = signal.SIGUSR1
"""Starts those again that are down because they could not run as they were set up."""


class Child:
    """One process that should run, and its present incarnation."""

    def __init__(self, row: Process, log: RotatingFile) -> None:
        self.row = row
        self.log = log
        self.lines = Lines()
        self.process: Identity | None = None
        self.output: int | None = None
        self.state: state.ChildState = "waiting"
        self.since = time.time()
        self.started_at = 0.0
        """Monotonic seconds of its last start."""
        self.due: float | None = 0.0
        """Monotonic seconds of its next start; None while it runs or stays down."""
        self.restarts = 0
        self.failures = 0
        self.last_exit: state.Exit | None = None

    def become(self, new: state.ChildState) -> None:
        self.state, self.since = new, time.time()

    def report(self) -> state.ChildReport:
        return state.ChildReport(
            self.row.name, self.state, self.process, self.since, self.restarts, self.last_exit
        )


class Supervisor:
    """Runs `processes` until a stop signal comes; `run` returns the exit code.

    `fmt` is the log format of all of them; None leaves it to their settings. `privileges`: whom
    they run as.
    """

    def __init__(
        self,
        home: Home,
        processes: Sequence[Process],
        *,
        console: Console,
        fmt: str | None,
        privileges: Privileges | None = None,
    ) -> None:
        self._home = home
        self._console = console
        self._fmt = fmt or "console"
        self._privileges = privileges or Privileges()
        self._own_log = RotatingFile(home.logs / "supervisor.log")
        self._children = [
            Child(row, RotatingFile(home.logs / f"{row.name}.log")) for row in processes
        ]
        self._environment = dict(os.environ) | {"PYTHONUNBUFFERED": "1"}
        if fmt:
            self._environment |= {
                f"MOORAGE_{row.settings.upper()}_LOG_FORMAT": fmt for row in processes
            }
        self._identity = state.own_identity()
        self._since = time.time()
        self._poll = select.poll()
        self._stop_began: float | None = None
        self._sent: dict[policy.Signal, float] = {}
        self._exit_code = 0

    def run(self) -> int:
        wakeup = self._listen()
        self._say("info", "starting", home=str(self._home.path), pid=self._identity.pid)
        level = "warning" if self._privileges.obstacle else "info"
        self._say(level, "accounts", they_run=self._privileges.text)
        while True:
            self._start_due()
            if (renewals := self._privileges.renewals) and (problem := renewals.follow()):
                self._say("error", "certificates cannot be read", error=problem)
            if self._stop_began is not None and not self._send_stops():
                break
            for descriptor, _ in self._poll.poll(self._timeout()):
                if descriptor == wakeup:
                    self._signals(os.read(wakeup, 4096))
                else:
                    self._read(descriptor)
            self._reap()
        self._say("info", "ended", exit_code=self._exit_code)
        return self._exit_code

    def _listen(self) -> int:
        wakeup, inner = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(inner, False)
        signal.set_wakeup_fd(inner, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, RETRY_SIGNAL, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)
        self._poll.register(wakeup, select.POLLIN)
        return wakeup

    def _timeout(self) -> float | None:
        """Milliseconds until something is due by the clock; None: only an event can wake it."""
        if self._stop_began is not None:
            return 200.0
        due = [child.due for child in self._children if child.due is not None]
        if self._privileges.renewals is not None:
            due.append(self._privileges.renewals.due)
        return max(0.0, min(due) - time.monotonic()) * 1000 + 1 if due else None

    def _start_due(self) -> None:
        if self._stop_began is not None:
            return
        now = time.monotonic()
        ready = [child for child in self._children if child.due is not None and child.due <= now]
        for child in ready:
            self._start(child)
        if ready:
            self._report()

    def _start(self, child: Child) -> None:
        again = child.last_exit is not None
        started = children.start(
            child.row.argv(self._home),
            self._environment,
            self._privileges.enter(self._home, child.row),
        )
        child.process = identify(started.pid) or Identity(started.pid, 0)
        child.output = started.output
        child.lines = Lines()
        child.started_at = time.monotonic()
        child.due = None
        child.restarts += again
        child.become("running")
        self._poll.register(started.output, select.POLLIN)
        self._say(
            "info", "restarted" if again else "started", child=child.row.name, pid=started.pid
        )

    def _read(self, descriptor: int) -> None:
        child = next((child for child in self._children if child.output == descriptor), None)
        if child is not None:
            self._take_output(child)

    def _take_output(self, child: Child) -> bool:
        """Reads what there is, once. False when there is nothing more now, or ever."""
        if child.output is None:
            return False
        try:
            data = os.read(child.output, 65536)
        except BlockingIOError:
            return False
        lines = child.lines.feed(data) if data else child.lines.end()
        self._pass_on(child, lines)
        if not data:
            self._close_output(child)
        return bool(data)

    def _pass_on(self, child: Child, lines: list[bytes]) -> None:
        for line in lines:
            child.log.write(line)
            self._console.write(child.row.name, line, child.row.colour)

    def _close_output(self, child: Child) -> None:
        if child.output is not None:
            self._poll.unregister(child.output)
            os.close(child.output)
            child.output = None

    def _signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == RETRY_SIGNAL:
                self._retry()
            elif number in STOP_SIGNALS and self._stop_began is None:
                self._say("info", "stopping", signal=signal.Signals(number).name)
                self._begin_stop(0)
            elif number in STOP_SIGNALS and time.monotonic() - (self._stop_began or 0) > 0.5:
                self._say("warning", "killing what still runs", signal=signal.Signals(number).name)
                self._stop_began = time.monotonic() - policy.GRACE

    def _retry(self) -> None:
        for child in self._children:
            if child.state == "failed":
                child.failures, child.due = 0, 0.0
                child.become("waiting")

    def _reap(self) -> None:
        for child in self._children:
            pid = child.process.pid if child.process else 0
            if not pid or os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # What it started ends with it: HAProxy's worker would keep the port for a moment. Its
            # id is its group's, and nobody else's before `waitpid`.
            _kill_group(pid)
            self._ended(child, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    def _ended(self, child: Child, number: int) -> None:
        """`number`: its exit code, or minus the signal that ended it."""
        while self._take_output(child):
            pass
        self._pass_on(child, child.lines.end())
        self._close_output(child)
        ran = time.monotonic() - child.started_at
        child.last_exit = state.Exit(
            code=number if number >= 0 else None,
            signal=_signal_name(-number) if number < 0 else "",
            at=time.time(),
            lines=list(child.lines.last),
        )
        child.process = None
        if self._stop_began is not None:
            child.become("stopped")
        else:
            self._decide(child, ran)
        self._report()

    def _decide(self, child: Child, ran: float) -> None:
        exit_ = child.last_exit
        assert exit_ is not None
        if ran >= policy.SETTLED:
            child.failures = 0
        decision = policy.after_exit(
            code=exit_.code, ran=ran, failures=child.failures, first=child.restarts == 0
        )
        child.failures += 1
        fields = {"child": child.row.name, "exit": str(exit_), "ran_seconds": round(ran, 1)}
        if isinstance(decision, policy.Restart):
            child.due = time.monotonic() + decision.delay
            child.become("waiting")
            self._say("warning", "ended; restarting", **fields, in_seconds=round(decision.delay, 1))
            return
        child.become("failed")
        self._say("error", "cannot run as it is set up; it stays down", **fields)
        if isinstance(decision, policy.Abort):
            self._begin_stop(Misconfigured.exit_code)

    def _begin_stop(self, exit_code: int) -> None:
        self._stop_began = time.monotonic()
        self._exit_code = exit_code
        for child in self._children:
            child.due = None
            if child.state == "waiting":
                child.become("stopped")

    def _send_stops(self) -> bool:
        """Tells those to end whose turn it is. False when all have ended."""
        alive = {child.row.name: child.process for child in self._children if child.process}
        elapsed = time.monotonic() - (self._stop_began or 0.0)
        rows = [child.row for child in self._children]
        for item in policy.stop_signals(
            rows, elapsed=elapsed, alive=frozenset(alive), sent=self._sent
        ):
            self._sent[item] = elapsed
            if item.number == signal.SIGKILL:
                self._say("warning", "did not end in time; killed", child=item.name)
                _kill_group(alive[item.name].pid)
            else:
                os.kill(alive[item.name].pid, item.number)
        return bool(alive)

    def _report(self) -> None:
        try:
            state.write(
                self._home,
                state.Report(
                    self._identity,
                    self._since,
                    [child.report() for child in self._children],
                    self._privileges.text,
                ),
            )
        except OSError as error:  # a full disk must not end what runs
            self._say("error", "its state cannot be written", error=str(error))

    def _say(self, level: str, event: str, **fields: Any) -> None:
        line = event_line(self._fmt, level, event, fields, now=time.time())
        self._own_log.write(line)
        self._console.write("moor", line, OWN_COLOUR)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name of its own
        return f"signal {number}"


def _kill_group(pgid: int) -> None:
    try:
        os.killpg(pgid, signal.SIGKILL)
    except ProcessLookupError:
        return
