"""The life of a workspace from the command line, with a real engine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

from integration.cli.terminal import Terminal
from integration.runtimes.worlds import remove_volume
from integration.supervisor.installation import MOOR, Installation, get, until

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("cli")]


def test_from_creation_to_deletion(installed: Installation, repositories: dict[str, str]) -> None:
    """Stages as lines without a terminal, the URL at the end; files stay over a stop; nothing is
    left in the end."""
    done = installed.moor("create", repositories["app"], "--name", "life")
    assert done.returncode == 0, done.stderr
    for stage in ("Queued", "Image", "Volume", "Clone", "Containers", "Editor", "Ready"):
        assert re.search(rf"^{stage} +done +[0-9.]+ s", done.stderr, re.MULTILINE), stage
    url = re.fullmatch(
        r"life runs\. (http://60001-(workspace-1-1-[0-9a-z]{6})\.moorage\.localhost:\d+/\?folder=.*)\n",
        done.stdout,
    )
    assert url, done.stdout
    name = url[2]
    assert installed.moor("open", "life", "--print").stdout == f"{url[1]}\n"
    assert (
        installed.moor("open", "life", "3000", "--print").stdout
        == f"http://3000-{name}.moorage.localhost:{installed.port}/\n"
    )
    assert [item["port"] for item in installed.json("ports", "life")["items"]] == [60001, 8080]
    assert (
        installed.moor("exec", "life", "--", "sh", "-c", "echo kept > /projects/note").returncode
        == 0
    )
    assert installed.moor("stop", "life").stdout == "life is stopped.\n"
    assert installed.json("show", "life")["state"] == "Stopped"
    assert installed.moor("exec", "life", "--", "true").returncode != 0
    assert installed.moor("start", name).returncode == 0
    assert installed.moor("exec", "life", "--", "cat", "/projects/note").stdout == "kept\n"
    before = installed.json("show", "life")
    assert installed.moor("restart", "life").returncode == 0
    after = installed.json("show", "life")
    assert after["generation"] > before["generation"]
    assert after["containers"][0]["started_at"] > before["containers"][0]["started_at"]
    assert installed.moor("exec", name, "--", "cat", "/projects/note").stdout == "kept\n"
    assert installed.json("show", name[:-2])["title"] == "life"
    assert installed.moor("delete", "lif", "--yes").returncode == 5
    assert installed.moor("stop", name[:-2]).returncode == 5
    assert installed.moor("delete", "life", "--yes").stdout == "life is deleted.\n"
    assert installed.moor("show", "life").returncode == 5
    assert installed.moor("delete", "life", "--yes").returncode == 5
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"name={name}"], capture_output=True, check=True
    )
    assert left.stdout == b""


def test_lost_files(installed: Installation, repositories: dict[str, str]) -> None:
    """A stopped workspace whose volume somebody removed says so, and does not start, before its
    owner agrees to begin with empty files: reported by somebody to whom a fresh clone was shown as
    the workspace that they had left."""
    made = installed.moor("create", repositories["app"], "--name", "lost", "-o", "json")
    assert made.returncode == 0, made.stderr
    name = json.loads(made.stdout)["name"]
    write = ("exec", "lost", "--", "sh", "-c", "echo mine > /projects/note")
    assert installed.moor(*write).returncode == 0
    assert installed.moor("stop", "lost").returncode == 0
    remove_volume(name)

    def cause() -> dict[str, str]:
        return installed.json("show", "lost")["cause"] or {}

    until("the loss is told", lambda: cause().get("code") == "files-lost")
    assert installed.json("show", "lost")["state"] == "Stopped"
    refused = installed.moor("start", "lost")
    assert refused.returncode == 1
    assert "files are gone" in refused.stderr
    assert f"moor start {name} --fresh-files" in refused.stderr
    assert installed.moor("start", "--all", "--fresh-files").returncode == 2
    agreed = installed.moor("start", "lost", "--fresh-files")
    assert agreed.returncode == 0, agreed.stderr
    assert installed.moor("exec", "lost", "--", "cat", "/projects/note").returncode != 0
    assert installed.moor("exec", "lost", "--", "git", "status").returncode == 0
    assert installed.json("show", "lost")["cause"] is None
    assert installed.moor("delete", "lost", "--yes").returncode == 0


def test_list_and_show(installed: Installation, workspace: str) -> None:
    """A line for each; everything of one."""
    lines = installed.moor("list").stdout.splitlines()
    assert any(line.split()[:3] == [workspace, "Running", "local"] for line in lines)
    shown = installed.moor("show", workspace[:3]).stdout
    assert re.search(r"^State: +Running$", shown, re.MULTILINE)
    assert re.search(r"^py +running", shown, re.MULTILINE)
    assert installed.json("status")["workspaces"]["Running"] >= 1


def test_an_image_that_is_not_there(installed: Installation, repositories: dict[str, str]) -> None:
    """Exit code 1 and the cause; the workspace is there to look at, and as JSON beside the
    error."""
    done = installed.moor("create", repositories["no-image"], "--name", "no-image", "-o", "json")
    assert done.returncode == 1
    workspace, error = json.loads(done.stdout), json.loads(done.stderr)
    assert workspace["state"] == "Failed"
    assert error["code"] == workspace["cause"]["code"]
    assert error["message"] == workspace["cause"]["message"]
    again = installed.moor("start", "no-image")
    assert again.returncode == 1
    assert f"error: {error['message']}" in again.stderr
    assert installed.moor("delete", "no-image", "--yes").returncode == 0


def test_repositories_that_do_not_work(
    installed: Installation, repositories: dict[str, str]
) -> None:
    """Exit code 2, in words; a devfile's problems with their places; nothing is created."""
    before = installed.json("list")
    broken = installed.moor("create", repositories["broken"])
    assert broken.returncode == 2
    assert re.search(r"^  5:\d+: .*Py_", broken.stderr, re.MULTILINE), broken.stderr
    unknown = installed.moor("create", repositories["app"], "--ref", "no-such-branch")
    assert unknown.returncode == 2
    assert "no-such-branch" in unknown.stderr
    assert installed.moor("create", "file:///etc/passwd").returncode == 2
    assert installed.moor("create", repositories["app"], "--name", "No Label").returncode == 2
    assert installed.json("list") == before


def test_live_stages(installed: Installation, workspace: str) -> None:
    """On a terminal every stage is shown from the start; the last picture stays."""
    with Terminal(installed, "restart", workspace) as terminal:
        shown = terminal.until("shell runs. http://60001-")
        assert terminal.exit_code() == 0
    assert shown.index("Queued") < shown.index("Editor") < shown.index("Ready")
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown[shown.rindex("Queued") :])
    assert re.search(r"✓ +Ready +[0-9.]+ s", last)


def test_interrupted_while_it_waits(installed: Installation, repositories: dict[str, str]) -> None:
    """Exit code 130; the workspace goes on, and how to go on is said."""
    with Terminal(installed, "create", repositories["app"], "--name", "left") as terminal:
        terminal.until("Queued")
        terminal.type("\x03")
        assert terminal.exit_code() == 130
        assert "moor show left" in terminal.shown
    assert installed.moor("start", "left").returncode == 0
    assert installed.moor("delete", "left", "--yes", "--no-wait", "-o", "json").returncode == 0


def test_the_server_dies_while_somebody_waits(
    installed: Installation, repositories: dict[str, str]
) -> None:
    """Waiting outlives it."""
    with subprocess.Popen(
        [MOOR, "create", repositories["app"], "--name", "patient"],
        env=installed.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert "patient" in process.stderr.readline()
        os.kill(installed.processes()["server"]["pid"], signal.SIGKILL)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.startswith("patient runs.")
    until("all is well again", lambda: installed.moor("status").returncode == 0)
    assert installed.moor("delete", "patient", "--yes").returncode == 0


def test_deleting_asks(installed: Installation, repositories: dict[str, str]) -> None:
    """No keeps it, with exit code 1; yes deletes it."""
    assert (
        installed.moor("create", repositories["app"], "--name", "asked", "--no-wait").returncode
        == 0
    )
    with Terminal(installed, "delete", "asked") as terminal:
        terminal.until("with all its files?")
        terminal.type("n\r")
        assert terminal.exit_code() == 1
    assert installed.json("show", "asked")["desired"] == "Running"
    with Terminal(installed, "delete", "asked") as terminal:
        terminal.until("with all its files?")
        terminal.type("y\r")
        assert terminal.exit_code() == 0
    assert installed.moor("show", "asked").returncode == 5


def test_people(installed: Installation) -> None:
    """A user is added, gets a link that works once, is blocked and let in again."""
    assert installed.json("users", "add", "ana")["role"] == "developer"
    assert installed.moor("users", "add", "ana").returncode == 6
    assert installed.moor("users", "add", "No Name!").returncode == 2
    url = installed.json("sign-in-link", "ana")["url"]
    assert get(url).status_code == 200
    assert installed.moor("users", "block", "ana").returncode == 0
    assert "blocked" in installed.moor("users", "list").stdout
    assert installed.moor("users", "unblock", "ana").returncode == 0
    assert installed.moor("sign-in-link", "nobody").returncode == 5
    own = installed.moor("sign-in-link")
    assert own.stdout.startswith(f"{installed.url}/sign-in/link/")
    assert "admin" in own.stderr
