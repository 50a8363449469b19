"""The resident process with small programs as its children: starts, restarts, logs, signals,
ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moorage.kernel.home import Home
from moorage.supervisor import proc, recover, state

RUN = """
import json, sys
from pathlib import Path
from moorage.kernel.home import Home
from moorage.supervisor.logs import Console
from moorage.supervisor.loop import Supervisor
from moorage.supervisor.processes import PROCESSES
rows = {row.name: row for row in PROCESSES}
scripts = json.loads(sys.argv[2]).items()
processes = [rows[name]._replace(command=("/bin/sh", "-c", script)) for name, script in scripts]
sys.exit(Supervisor(Home(Path(sys.argv[1])), processes, console=Console(1), fmt="json").run())
"""
FOREVER = "exec sleep 1000"


class Running:
    """One supervisor over shell scripts."""

    def __init__(self, home: Home, scripts: dict[str, str]) -> None:
        home.make()
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(home.path), json.dumps(scripts)],
            stdout=subprocess.PIPE,
            text=True,
        )

    def child(self, name: str) -> state.ChildReport | None:
        report = state.read(self.home)
        if report is None or report.supervisor.pid != self.process.pid:
            return None
        return next(child for child in report.children if child.name == name)

    def until(
        self, name: str, holds: Callable[[state.ChildReport], Any], within: float = 10
    ) -> state.ChildReport:
        return until(lambda: (found := self.child(name)) and holds(found) and found, within)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit code, and all that was on the console."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output

    def events(self) -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for line in (self.home.logs / "supervisor.log").read_text().splitlines()
        ]


def until(probe: Callable[[], Any], within: float = 10) -> Any:
    deadline = time.monotonic() + within
    while not (value := probe()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[dict[str, str]], Running]]:
    running: list[Running] = []

    def begin(scripts: dict[str, str]) -> Running:
        running.append(Running(Home(tmp_path / "h"), scripts))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
        recover.end_leftovers(one.home)


Start = Callable[[dict[str, str]], Running]


def running(child: state.ChildReport) -> bool:
    return child.state == "running" and child.process is not None


def test_a_child_that_is_killed_comes_back_at_once(start: Start) -> None:
    """Without a pause, counted and said; the second end in a row waits a moment."""
    supervisor = start({"server": FOREVER, "agent": FOREVER})
    first = supervisor.until("server", running).process
    assert first
    began = time.monotonic()
    os.kill(first.pid, signal.SIGKILL)
    second = supervisor.until("server", lambda child: running(child) and child.restarts == 1)
    assert time.monotonic() - began < 6
    assert second.process != first
    assert str(second.last_exit) == "killed by SIGKILL"
    assert second.process
    os.kill(second.process.pid, signal.SIGTERM)
    waiting = supervisor.until("server", lambda child: child.restarts == 1 and not running(child))
    assert waiting.state == "waiting"
    agent = supervisor.child("agent")
    assert agent
    assert agent.restarts == 0
    said = [
        event for event in supervisor.events() if event["event"].startswith("ended; restarting")
    ]
    assert [(event["child"], event["exit"]) for event in said] == [
        ("server", "killed by SIGKILL"),
        ("server", "killed by SIGTERM"),
    ]


def test_what_a_child_had_started_ends_with_it(start: Start) -> None:
    """A worker that outlived its master would keep the port."""
    supervisor = start({"haproxy": "sleep 1000 & echo worker $!; wait"})
    log = supervisor.home.logs / "haproxy.log"
    worker = int(until(lambda: log.exists() and log.read_text().split()[1:2])[0])
    identity = proc.identify(worker)
    assert identity
    child = supervisor.until("haproxy", running).process
    assert child
    os.kill(child.pid, signal.SIGKILL)
    supervisor.until("haproxy", lambda found: running(found) and found.restarts == 1)
    assert not identity.alive


def test_last_lines_are_kept(start: Start) -> None:
    """What a process said at its end is in the report, in its log file and, with its name, on the
    console."""
    supervisor = start({"gateway": "echo one; echo two >&2; printf three; exit 5"})
    found = supervisor.until("gateway", lambda child: child.last_exit)
    assert found.last_exit
    assert (found.last_exit.code, found.last_exit.lines) == (5, ["one", "two", "three"])
    code, output = supervisor.end()
    assert code == 0
    assert "gateway | one\ngateway | two\ngateway | three\n" in output
    assert (supervisor.home.logs / "gateway.log").read_text().startswith("one\ntwo\nthree\n")


def test_a_child_that_cannot_run_ends_all_at_the_start(start: Start) -> None:
    """Exit code 9 means that no restart will help."""
    supervisor = start({"server": "echo too new >&2; exit 9", "agent": FOREVER})
    assert supervisor.process.wait(10) == 9
    report = state.read(supervisor.home)
    assert report
    children = {child.name: child for child in report.children}
    assert children["server"].state == "failed"
    assert children["server"].last_exit
    assert children["server"].last_exit.lines == ["too new"]
    assert children["agent"].state == "stopped"


def test_a_child_that_cannot_run_any_more_stays_down(start: Start, tmp_path: Path) -> None:
    """Later on, the others work on; it is tried again when somebody says so."""
    flag = tmp_path / "flag"
    script = f"if [ -e {flag} ]; then exit 9; fi; exec sleep 1000"
    supervisor = start({"server": script, "agent": FOREVER})
    first = supervisor.until("server", running).process
    flag.touch()
    assert first
    os.kill(first.pid, signal.SIGKILL)
    supervisor.until("server", lambda child: child.state == "failed")
    agent = supervisor.child("agent")
    assert agent
    assert running(agent)
    flag.unlink()
    supervisor.process.send_signal(signal.SIGUSR1)
    supervisor.until("server", running)


def test_all_end_in_order(start: Start, tmp_path: Path) -> None:
    """Agent, server, gateway; HAProxy last, by the signal that lets connections end."""
    order = tmp_path / "order"

    def script(name: str, number: str) -> str:
        return f"trap 'echo {name} {number} >> {order}; exit 0' {number}; echo ready; while :; do sleep 0.05; done"

    numbers = {"server": "TERM", "agent": "TERM", "gateway": "TERM", "haproxy": "USR1"}
    supervisor = start({name: script(name, number) for name, number in numbers.items()})
    for name in numbers:
        log = supervisor.home.logs / f"{name}.log"
        until(lambda log=log: log.exists() and log.read_text())
    code, _ = supervisor.end()
    assert code == 0
    assert order.read_text().splitlines() == [
        "agent TERM",
        "server TERM",
        "gateway TERM",
        "haproxy USR1",
    ]
    assert supervisor.child("haproxy") is None or supervisor.events()[-1]["event"] == "ended"


def test_what_does_not_end_is_killed(start: Start) -> None:
    """Within ten seconds and a little, with whatever it started."""
    supervisor = start(
        {"agent": "trap '' TERM; echo ready; while :; do sleep 0.2; done", "server": FOREVER}
    )
    log = supervisor.home.logs / "agent.log"
    until(lambda: log.exists() and log.read_text())
    began = time.monotonic()
    code, _ = supervisor.end()
    assert code == 0
    assert 9 < time.monotonic() - began < 13
    assert any(event["event"] == "did not end in time; killed" for event in supervisor.events())


def test_a_second_signal_does_not_wait(start: Start) -> None:
    """Who presses Ctrl-C twice means it."""
    supervisor = start({"agent": "trap '' TERM; echo ready; while :; do sleep 0.2; done"})
    log = supervisor.home.logs / "agent.log"
    until(lambda: log.exists() and log.read_text())
    supervisor.process.send_signal(signal.SIGINT)
    until(lambda: any(event["event"] == "stopping" for event in supervisor.events()))
    began = time.monotonic()

    def ended() -> bool:
        supervisor.process.send_signal(signal.SIGINT)
        return supervisor.process.poll() is not None

    until(ended)
    assert time.monotonic() - began < 5


def test_children_end_with_the_supervisor(start: Start) -> None:
    """Even when it is killed; and what ignores that is found and ended by the next start."""
    supervisor = start(
        {"server": FOREVER, "haproxy": "trap '' TERM; echo ready; while :; do sleep 0.2; done"}
    )
    log = supervisor.home.logs / "haproxy.log"
    until(lambda: log.exists() and log.read_text())
    server = supervisor.until("server", running).process
    haproxy = supervisor.until("haproxy", running).process
    assert server
    assert haproxy
    supervisor.process.kill()
    supervisor.process.wait()
    until(lambda: not server.alive)
    assert haproxy.alive
    assert haproxy in recover.end_leftovers(supervisor.home, patience=0.5)
    assert not haproxy.alive


def test_it_is_small_and_sleeps(start: Start) -> None:
    """At most 20 MB, and no processor time while nothing happens."""
    supervisor = start(dict.fromkeys(("server", "agent", "gateway", "haproxy"), FOREVER))
    supervisor.until("haproxy", running)
    assert proc.memory(supervisor.process.pid) < 20_000_000

    def wakeups() -> int:
        status = Path(f"/proc/{supervisor.process.pid}/status").read_text()
        return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    until(lambda: Path(f"/proc/{supervisor.process.pid}/stat").read_text().split()[2] == "S")
    before = wakeups()
    time.sleep(1.0)  # how often it wakes up in a second is what is measured
    assert wakeups() - before <= 1


def test_a_program_that_is_not_there(start: Start) -> None:
    """The log says so; nothing else happens to the supervisor."""
    supervisor = start({"server": "exec /nowhere/program"})
    found = supervisor.until("server", lambda child: child.last_exit)
    assert found.last_exit
    assert found.last_exit.code == 127
    assert "/nowhere/program" in found.last_exit.lines[-1]


def test_a_signal_that_comes_at_once() -> None:
    """Between its start and its program, a child neither loses a signal nor passes it on to the
    supervisor."""
    script = """
import os, signal, sys
from moorage.supervisor import children
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
reading, writing = os.pipe()
os.set_blocking(reading, False)
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
for _ in range(50):
    started = children.start(["/bin/sleep", "30"], dict(os.environ))
    os.kill(started.pid, signal.SIGTERM)
    _, status = os.waitpid(started.pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM
    os.close(started.output)
try:
    heard.append(os.read(reading, 1))
except BlockingIOError:
    pass
sys.exit(len(heard))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
