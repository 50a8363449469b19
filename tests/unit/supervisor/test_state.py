"""The report that the supervisor leaves for others, and processes' identities."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from moorage.kernel.home import Home
from moorage.supervisor import proc, recover, state
from moorage.supervisor.proc import Identity


def report(*children: state.ChildReport) -> state.Report:
    return state.Report(Identity(1 << 22, 5), 12.5, list(children))


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Nothing gets lost on the way through the file."""
    written = report(
        state.ChildReport("server", "running", Identity(7, 8), 1.0, 2, None),
        state.ChildReport("agent", "failed", None, 1.0, 0, state.Exit(9, "", 3.0, ["a", "b"])),
    )
    state.write(Home(tmp_path), written)
    assert state.read(Home(tmp_path)) == written


def test_no_report_or_a_broken_one(tmp_path: Path) -> None:
    """A file that is missing, half, or from before the machine's start says nothing."""
    home = Home(tmp_path)
    assert state.read(home) is None
    state.write(home, report())
    text = state.state_file(home).read_text()
    state.state_file(home).write_text(text[: len(text) // 2])
    assert state.read(home) is None
    state.state_file(home).write_text(
        text.replace(Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "x")
    )
    assert state.read(home) is None


def test_a_process_is_known_by_its_start_time() -> None:
    """An id that is used again does not pass for the process that had it."""
    own = state.own_identity()
    assert own.alive
    assert not Identity(own.pid, own.started - 1).alive
    assert proc.identify(1 << 22) is None
    assert proc.memory(os.getpid()) > 1_000_000
    assert proc.memory(1 << 22) == 0


def test_leftovers_are_found_and_ended(tmp_path: Path) -> None:
    """What a killed supervisor left is ended: a leader by its start time, its orphans by the home
    in their arguments."""
    home = Home(tmp_path / "h")
    home.make()
    leader = subprocess.Popen(["sleep", "600"], start_new_session=True)
    orphaned = subprocess.Popen(
        ["sh", "-c", f"sleep 600 & exec 3>&1; : {home.path}; exit"], start_new_session=True
    )
    orphaned.wait()
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        identity = proc.identify(leader.pid)
        other = proc.identify(stranger.pid)
        assert identity
        assert other
        state.write(
            home,
            report(
                state.ChildReport("server", "running", identity, 1.0, 0, None),
                state.ChildReport(
                    "gateway", "running", Identity(stranger.pid, other.started - 1), 1.0, 0, None
                ),
            ),
        )
        assert recover.end_leftovers(home) == [identity]
        assert leader.wait() == -15
        assert stranger.poll() is None
        assert recover.end_leftovers(home) == []
    finally:
        for pgid in (orphaned.pid, stranger.pid):
            try:
                os.killpg(pgid, 9)
            except ProcessLookupError:
                continue
        stranger.wait()
