"""The state folder of a real `moor up`."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from integration.supervisor.installation import Installation


def open_to_others(home: Path) -> list[str]:
    """What anybody may list, read or write in it."""
    found = []
    for path in (home, *home.rglob("*")):
        status = path.lstat()
        rights = stat.S_IMODE(status.st_mode) & 0o007
        if stat.S_ISDIR(status.st_mode):
            rights &= ~0o001
        if rights and not stat.S_ISLNK(status.st_mode):
            found.append(f"{path.relative_to(home)} {rights:o}")
    return found


def test_a_state_folder_that_was_open_becomes_strict(fresh: Installation) -> None:
    """Made under a lax umask and by hand with 0755, started, ended and started again: nothing in it
    is for others."""
    fresh.home.path.chmod(0o755)
    fresh.home.logs.mkdir()
    (fresh.home.logs / "server.log").write_text("from before\n")
    assert open_to_others(fresh.home.path)
    previous = os.umask(0)
    try:
        fresh.started()
    finally:
        os.umask(previous)
    assert open_to_others(fresh.home.path) == []
    fresh.moor("down")
    for path in (fresh.home.path, fresh.home.database, fresh.home.gateway):
        path.chmod(0o755 if path.is_dir() else 0o644)
    fresh.started()
    assert open_to_others(fresh.home.path) == []
    fresh.moor("down")
    assert stat.S_IMODE(fresh.home.path.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_another_account_reads_nothing(shared: Installation) -> None:
    """Whoever else is on the machine can neither list the folder nor read what they know the name
    of."""
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    for path in (
        shared.home.path,
        shared.home.database,
        shared.home.logs,
        shared.home.client,
        shared.home.secret_file("admin-token"),
        shared.home.settings,
    ):
        command = ["ls", str(path)] if path.is_dir() else ["cat", str(path)]
        done = subprocess.run([*nobody, *command], capture_output=True, text=True, check=False)
        assert done.returncode, path
        assert "Permission denied" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_somebody_elses_folder_is_refused(fresh: Installation) -> None:
    """In words, with exit code 9; nothing starts, and nothing of it is changed."""
    os.chown(fresh.home.path, 65534, 65534)
    fresh.home.path.chmod(0o755)
    done = fresh.up()
    assert done.returncode == 9
    assert f"{fresh.home.path} belongs to somebody else (user 65534)" in done.stderr
    assert stat.S_IMODE(fresh.home.path.stat().st_mode) == 0o755
    assert fresh.alive() == []
