"""A process more is a row more in the table: a small program of the test's own is started, watched,
asked, logged and ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.supervisor.test_loop import until
from moorage.kernel.home import Home
from moorage.supervisor import recover, state
from moorage.supervisor.processes import PROCESSES, Process
from moorage.supervisor.status import status

CLOCK = Process("clock", (sys.executable, "-P", "-m", "clock"), "clock", stop_turn=4, colour="31")
"""The row."""
PROGRAM = """
import http.server, os, pathlib, socketserver, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass

socket = pathlib.Path(sys.argv[2]) / "run/clock.sock"
socket.unlink(missing_ok=True)
print("ticking as", os.environ["MOORAGE_CLOCK_LOG_FORMAT"], flush=True)
socketserver.UnixStreamServer(str(socket), Answer).serve_forever()
"""
RUN = """
import sys
from pathlib import Path
from integration.supervisor.test_processes import CLOCK
from moorage.kernel.home import Home
from moorage.supervisor.logs import Console
from moorage.supervisor.loop import Supervisor
sys.exit(Supervisor(Home(Path(sys.argv[1])), [CLOCK], console=Console(1), fmt="json").run())
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "h")
    made.make()
    (tmp_path / "clock.py").write_text(PROGRAM)
    return made


@pytest.fixture
def supervisor(home: Home) -> Iterator[subprocess.Popen[str]]:
    tests = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(home.path)],
        env={**os.environ, "PYTHONPATH": f"{home.path.parent}:{tests}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()
    recover.end_leftovers(home)


def test_a_row_is_all_that_a_process_needs(home: Home, supervisor: subprocess.Popen[str]) -> None:
    """It is started with the log format of all, shown and asked by `moor status`, started again
    when it dies, logged in a file of its own and on the console, and ended with the others."""
    until(lambda: status(home, [CLOCK]).healthy, within=20)
    before = next(row for row in status(home, [CLOCK]).processes if row.name == "clock")
    assert (before.state, before.restarts) == ("running", 0)
    assert before.pid

    os.kill(before.pid, signal.SIGSTOP)
    (part,) = status(home, [CLOCK]).parts
    assert (part.name, part.ready) == ("clock", False)
    assert part.problem.startswith("it does not answer")

    os.kill(before.pid, signal.SIGKILL)
    until(
        lambda: (
            status(home, [CLOCK]).healthy
            and (report := state.read(home))
            and report.children[0].restarts
        ),
        within=20,
    )
    after = next(row for row in status(home, [CLOCK]).processes if row.name == "clock")
    assert after.pid != before.pid
    assert after.last_exit
    assert after.last_exit["text"] == "killed by SIGKILL"

    supervisor.send_signal(signal.SIGTERM)
    console, _ = supervisor.communicate(timeout=20)
    assert supervisor.returncode == 0
    assert (home.logs / "clock.log").read_text() == "ticking as json\n" * 2
    assert console.count("clock   | ticking as json\n") == 2
    said = [json.loads(line) for line in (home.logs / "supervisor.log").read_text().splitlines()]
    assert [event["event"] for event in said if event.get("child") == "clock"] == [
        "started",
        "ended; restarting",
        "restarted",
    ]


def test_names_and_turns_of_the_table() -> None:
    """Sockets, logs and accounts are named after processes, so that no two may share a name; and no
    two end at once."""
    assert len({process.name for process in PROCESSES}) == len(PROCESSES)
    assert len({process.stop_turn for process in PROCESSES}) == len(PROCESSES)
    assert {process.pod for process in PROCESSES if process.pod} <= {
        process.name for process in PROCESSES
    }
