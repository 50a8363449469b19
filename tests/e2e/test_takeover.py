"""A state folder that an earlier version made: today's version starts on it, keeps its workspaces,
and is stricter."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.installation import ROOT, Installation, docker, end, eventually, http_browser, new_home
from locks import only_one
from ports import free_ports

BEFORE_ACCOUNTS = "db1e0f8c969eea6bc020e553a68f9a8461a6baaf"
"""The last version before the state folder, its processes and their accounts were made strict."""
BEFORE_DOMAINS = "4411a6b29639cbf60680f2f1cf5a1a3e2e66bbe4"
"""The last version before gateways belonged to agents by a foreign key."""
CACHE = Path.home() / ".cache/moorage/earlier"


def earlier_moor(commit: str) -> Path:
    """The command `moor` of that commit, out of this repository's own history, with its
    packages."""
    with only_one("earlier-moor"):
        folder = CACHE / commit
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            archive = subprocess.run(
                ["git", "archive", commit], cwd=ROOT, capture_output=True, check=False
            )
            if archive.returncode:
                pytest.skip(f"the history of this clone does not reach back to {commit[:7]}")
            with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as opened:
                opened.extractall(folder, filter="data")
            environ = {**os.environ, "VENV": str(folder / ".venv")}
            subprocess.run([folder / "scripts/venv"], env=environ, check=True, timeout=600)
            (folder / "made").touch()
        return folder / ".venv/bin/moor"


@pytest.fixture(scope="module", params=[BEFORE_ACCOUNTS, BEFORE_DOMAINS])
def taken_over(
    request: pytest.FixtureRequest, repository: str
) -> Iterator[tuple[Installation, dict[str, Any], dict[str, str]]]:
    """An installation of the earlier version with a workspace in it, ended, and started again by
    today's version: the installation, the workspace as it was, and its containers (name → id)."""
    home, ports = new_home(), free_ports(2)
    home.chmod(0o755)
    reading = {"MOORAGE_SERVER_REPOSITORY_NETWORKS": urlsplit(repository).hostname or ""}
    before = Installation(home, ports, reading, moor=earlier_moor(request.param))
    after = Installation(home, ports)
    try:
        before.up()
        before.run("create", repository, "--name", "kept", timeout=180)
        workspace = before.json("show", "kept")
        docker("exec", f"{workspace['name']}.py", "sh", "-c", "echo mine > /projects/mine")
        containers = containers_of(workspace["name"])
        before.run("users", "add", "ana")
        before.run("down")
        home.chmod(0o755)
        after.up()
        yield after, workspace, containers
        after.run("delete", workspace["name"], "--yes")
    finally:
        end(after)


def containers_of(workspace: str) -> dict[str, str]:
    lines = docker(
        "ps",
        "--no-trunc",
        "--filter",
        f"label=moorage.dev/workspace={workspace}",
        "--format",
        "{{.Names}} {{.ID}}",
    )
    return dict(line.split() for line in lines.splitlines())


def test_workspaces_go_on_running(
    taken_over: tuple[Installation, dict[str, Any], dict[str, str]],
) -> None:
    """The workspace that ran before runs in the same containers, with its files, and answers at its
    URL."""
    installation, workspace, containers = taken_over
    shown = eventually(
        "the workspace runs",
        lambda: (found := installation.json("show", "kept"))["state"] == "Running" and found,
    )
    assert shown["name"] == workspace["name"]
    assert containers_of(workspace["name"]) == containers
    assert docker("exec", f"{workspace['name']}.py", "cat", "/projects/mine") == "mine\n"
    with http_browser() as browser:
        link = installation.json("sign-in-link", "admin")["url"]
        browser.post(link, headers={"Origin": installation.url})
        eventually("the editor answers", lambda: browser.get(workspace["url"]).status_code == 200)


def test_people_stay(taken_over: tuple[Installation, dict[str, Any], dict[str, str]]) -> None:
    """Accounts and the administrator's token go on."""
    installation, _, _ = taken_over
    assert {user["name"] for user in installation.json("users", "list")["items"]} >= {
        "admin",
        "ana",
    }


def test_the_state_folder_is_closed(
    taken_over: tuple[Installation, dict[str, Any], dict[str, str]],
) -> None:
    """A folder that anybody could read is closed to others, with all that is in it."""
    installation, _, _ = taken_over
    assert not stat.S_IMODE(installation.home.stat().st_mode) & 0o006
    for path in installation.home.rglob("*"):
        status = path.lstat()
        if not stat.S_ISLNK(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            assert not stat.S_IMODE(status.st_mode) & 0o007, path


@pytest.mark.skipif(os.geteuid() != 0, reason="accounts of their own are root's to give")
def test_processes_are_not_roots(
    taken_over: tuple[Installation, dict[str, Any], dict[str, str]],
) -> None:
    """Server, gateway and HAProxy, which ran as root, run under an account each."""
    installation, _, _ = taken_over
    users = {
        name: Path(f"/proc/{process['pid']}").stat().st_uid
        for name, process in installation.processes().items()
        if name in ("server", "gateway", "haproxy")
    }
    assert len(set(users.values())) == 3
    assert 0 not in users.values()


def test_a_workspace_stops_and_starts(
    taken_over: tuple[Installation, dict[str, Any], dict[str, str]],
) -> None:
    """The workspace of before stops and starts by today's version, and has its files."""
    installation, workspace, _ = taken_over
    installation.run("stop", workspace["name"], timeout=180)
    installation.run("start", workspace["name"], timeout=180)
    assert docker("exec", f"{workspace['name']}.py", "cat", "/projects/mine") == "mine\n"
    assert docker("exec", f"{workspace['name']}.py", "ls", "/projects/python-http-simple/hello.py")
