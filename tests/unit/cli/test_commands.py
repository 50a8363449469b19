"""The commands as a shell runs them, against a server that answers what it is told to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from moorage.cli.client import Client
from unit.cli.running import moor
from unit.cli.serving import Answer, Server, as_json, sse
from unit.cli.workspace import NAME, cause, stages, workspace

UP = stages(queued="done", received="done", ready="done")
ME = {"id": 2, "name": "ana", "role": "developer"}


def test_create_waits_and_says_each_stage(home: Path, server: Server) -> None:
    """Without a terminal: what was created, a line per stage, and the URL on standard output."""

    def respond(method: str, path: str, _body: Any) -> Answer:
        if method == "POST":
            return as_json(workspace(state="CreationRequested"), 201)
        return sse(workspace(state="Starting"), workspace(stages=UP))

    server.respond = respond
    done = moor(
        home,
        "create",
        "https://git.example.com/team/app",
        "--env",
        "A=1",
        "--env",
        "B=x=y",
        "--ref",
        "main",
    )
    assert done.returncode == 0, done.stderr
    assert server.asked[0] == (
        "POST",
        "/api/v1/workspaces",
        {
            "repository": "https://git.example.com/team/app",
            "ref": "main",
            "env": {"A": "1", "B": "x=y"},
        },
    )
    assert done.stdout == f"app runs. http://60001-{NAME}.localhost:8080/?folder=/projects/app\n"
    assert "Ready" in done.stderr


TROUBLE = cause(
    "Container db ended with exit code 9.", code="container-crashed", detail="no data\nbye"
)


@pytest.mark.parametrize("verb", ["create", "start", "restart"])
def test_a_part_that_failed_is_an_exit_code(home: Path, server: Server, verb: str) -> None:
    """A workspace that runs with a side container that does not is told with its URL, and the
    command says which, with exit code and last lines, and ends with 10."""
    failing = [{"name": name, "restarts": 0} for name in ("py", "db")]
    ran, troubled = (
        workspace(stages=UP, containers=failing),
        workspace(stages=UP, containers=failing, trouble=[TROUBLE]),
    )
    asked_for_events = []

    def respond(_method: str, path: str, _body: Any) -> Answer:
        if path.endswith("/me"):
            return as_json(ME)
        if not path.endswith("/events"):
            return as_json(workspace(state="Starting"))
        asked_for_events.append(path)
        return sse(ran) if len(asked_for_events) == 1 else sse(ran, troubled)

    server.respond = respond
    done = moor(home, verb, "https://git.example.com/team/app" if verb == "create" else "app")
    assert done.returncode == 10, done.stderr
    assert done.stdout.startswith("app runs, with trouble. http://60001-")
    assert "Container db ended with exit code 9." in done.stderr
    assert "no data" in done.stderr


@pytest.mark.parametrize("verb", ["create", "start", "restart"])
def test_what_runs_for_repair_is_an_exit_code(home: Path, server: Server, verb: str) -> None:
    """A workspace whose own environment cannot run is told with its URL, what ended with its last
    lines, and what to do; the command ends with 11."""
    told = workspace(stages=UP, rescue=True, trouble=[TROUBLE])
    server.respond = lambda _method, path, _body: (
        as_json(ME) if path.endswith("/me") else sse(told) if "/events" in path else as_json(told)
    )
    done = moor(home, verb, "https://git.example.com/team/app" if verb == "create" else "app")
    assert done.returncode == 11, done.stderr
    assert done.stdout.startswith("app runs, for repair. http://60001-")
    assert "no data" in done.stderr
    assert "Running, for repair" in moor(home, "show", "app").stdout


def test_a_start_for_repair_that_was_asked_for(home: Path, server: Server) -> None:
    """It is asked for by name, and has gone well when it runs."""
    asked = []

    def respond(method: str, path: str, _body: Any) -> Answer:
        if method == "POST":
            asked.append(path)
        told = workspace(stages=UP, rescue=True, trouble=[TROUBLE])
        return sse(told) if path.endswith("/events") else as_json(told)

    server.respond = respond
    done = moor(home, "start", "app", "--rescue")
    assert (done.returncode, len(asked)) == (0, 1), done.stderr
    assert asked[0].endswith("/start?rescue=true")
    assert moor(home, "start", "--all", "--rescue").returncode == 2


def test_a_failed_start_tells_how_to_get_at_its_files(home: Path, server: Server) -> None:
    """Unless there are none, as where the clone failed."""
    for code, told in (("image-not-found", True), ("clone-refused", False)):
        failed = workspace(stages=UP, state="Failed", cause=cause(code=code))
        server.respond = lambda _method, path, _body, failed=failed: (
            sse(failed) if path.endswith("/events") else as_json(failed)
        )
        done = moor(home, "start", "app")
        assert done.returncode == 1
        assert ("moor start app --rescue" in done.stderr) is told, code


def test_create_waits_for_post_start_commands(home: Path, server: Server) -> None:
    """Their end is waited for, and a failed one is told with what it wrote, its exit code, and
    exit code 10; for a programme, the workspace and the error are one document each."""
    failed = cause(
        "The postStart command install ended with exit code 3.",
        code="post-start-failed",
        detail="no such package",
    )

    def respond(method: str, path: str, _body: Any) -> Answer:
        if method == "POST":
            return as_json(workspace(state="Starting"), 201)
        if not path.endswith("/events"):
            return as_json(workspace(stages=UP))
        return sse(
            workspace(stages=UP, post_start={"install": ""}),
            workspace(stages=UP, post_start={"install": "failed"}, trouble=[failed]),
        )

    server.respond = respond
    done = moor(home, "create", "https://git.example.com/team/app")
    assert done.returncode == 10, done.stderr
    assert "Waiting for its postStart commands" in done.stderr
    assert "install ended with exit code 3" in done.stderr
    assert "no such package" in done.stderr
    done = moor(home, "create", "https://git.example.com/team/app", "-o", "json")
    assert done.returncode == 10
    assert json.loads(done.stdout)["trouble"] == [failed]
    assert json.loads(done.stderr)["code"] == "post-start-failed"


def test_create_shows_what_post_start_commands_write(home: Path, server: Server) -> None:
    """While it waits for them, on standard error; nothing of it steers the terminal."""
    seen = []

    def respond(method: str, path: str, _body: Any) -> Answer:
        seen.append(path)
        if "/logs" in path:
            return 200, "text/plain", b"added 12 packages\x1b[2J\n"
        if method == "POST":
            return as_json(workspace(state="Starting"), 201)
        if not path.endswith("/events"):
            return as_json(workspace(stages=UP))
        under_way = workspace(stages=UP, post_start={"install": ""})
        logs_were_asked_for = any("/logs?container=postStart&follow=true" in p for p in seen)
        done = workspace(stages=UP, post_start={"install": "done"})
        return sse(under_way, done) if logs_were_asked_for else sse(under_way)

    server.respond = respond
    done = moor(home, "create", "https://git.example.com/team/app")
    assert done.returncode == 0, done.stderr
    assert "added 12 packages[2J" in done.stderr
    assert "added 12 packages" not in done.stdout


@pytest.mark.parametrize("verb", ["create", "start", "restart"])
def test_a_post_start_command_that_does_not_end(home: Path, server: Server, verb: str) -> None:
    """It is waited for as long as one likes; then the workspace runs all the same, and the command
    that goes on is named, with how to see what it writes."""
    serving = workspace(stages=UP, post_start={"install": "done", "serve": ""})

    def respond(_method: str, path: str, _body: Any) -> Answer:
        if path.endswith("/me"):
            return as_json(ME)
        if "/logs" in path:
            return 200, "text/plain", b""
        return sse(serving) if path.endswith("/events") else as_json(serving)

    server.respond = respond
    what = "https://git.example.com/team/app" if verb == "create" else "app"
    done = moor(home, verb, what, "--post-start-wait", "0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("app runs. http://60001-")
    assert "After its start, serve goes on: `moor logs app -c postStart -f`." in done.stderr


def test_trouble_is_in_list_and_show(home: Path, server: Server) -> None:
    """The state says so in both, and what is wrong stands in the second."""
    found = workspace(trouble=[TROUBLE])

    def respond(_method: str, path: str, _body: Any) -> Answer:
        return as_json({"items": [found]} if path.endswith("/workspaces") else found)

    server.respond = respond
    assert "Running, with trouble" in moor(home, "list").stdout
    said = moor(home, "show", "app").stdout
    assert "Running, with trouble" in said
    assert "Trouble:     Container db ended with exit code 9." in said
    assert "| no data" in said


def test_show_says_by_which_settings(home: Path, server: Server) -> None:
    """A version beside the agent, and what a limit of the settings is about to do."""
    notice = {
        "code": "deletion-ahead",
        "message": "It will be deleted.",
        "hint": "Start it.",
        "at": 1.0,
    }
    server.respond = lambda *_: as_json(workspace(settings=3, notice=notice))
    said = moor(home, "show", "app").stdout
    assert "Agent:       local (settings of version 3)" in said
    assert "Note:        It will be deleted. Start it." in said


def test_show_says_what_is_used(home: Path, server: Server) -> None:
    """Of each container against its limits, and what is not known; for a programme, as the API has
    it."""
    nothing = dict.fromkeys(("cpu", "cpu_limit", "memory", "memory_limit"))
    known = {"cpu": 250, "cpu_limit": 2000, "memory": 96 << 20, "memory_limit": 512 << 20}
    usage = {
        "containers": [
            {"name": "py", "unknown": "", "out_of_memory": 2, **known},
            {"name": "db", "unknown": "It does not answer in time.", "out_of_memory": 0, **nothing},
        ],
        "disk_used": 1 << 30,
        "disk_total": 4 << 30,
    }
    server.respond = lambda _method, path, _body: as_json(
        usage if path.endswith("/usage") else workspace(stages=UP)
    )
    said = moor(home, "show", "app").stdout
    assert "0.25 of 2" in said
    assert "96 MiB of 512 MiB" in said
    assert "ended 2 x for want of memory" in said
    assert "It does not answer in time." in said
    assert "1 GiB of 4 GiB in use" in said
    assert json.loads(moor(home, "show", "app", "-o", "json").stdout)["usage"] == usage


def test_create_that_fails(home: Path, server: Server) -> None:
    """Exit code 1, the cause in words; for a programme the workspace on one side and the error on
    the other."""
    failed = workspace(
        state="Failed", stages=stages(received="done", image="failed"), cause=cause()
    )

    def respond(method: str, path: str, _body: Any) -> Answer:
        if method == "POST":
            return as_json(workspace(state="CreationRequested"), 201)
        return sse(failed) if path.endswith("/events") else as_json(failed)

    server.respond = respond
    done = moor(home, "create", "https://x/y", "-o", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["state"] == "Failed"
    assert json.loads(done.stderr)["code"] == "image-not-found"
    done = moor(home, "create", "https://x/y")
    assert done.returncode == 1
    assert "error: The image cannot be found." in done.stderr
    assert "| manifest unknown" in done.stderr
    assert "hint: Look." in done.stderr


@pytest.mark.parametrize(
    ("answer", "code", "exit_code"),
    [
        (sse(workspace(state="Starting", generation=2)), "timeout", 8),
        (sse(workspace(desired="Stopped", generation=2)), "overruled", 6),
    ],
    ids=["timeout", "overruled"],
)
def test_waiting_that_ends_otherwise(
    home: Path, server: Server, answer: Answer, code: str, exit_code: int
) -> None:
    """A programme gets the workspace as it was last heard of, since it does not know the name
    yet."""

    def respond(method: str, path: str, _body: Any) -> Answer:
        if method == "POST":
            return as_json(workspace(state="CreationRequested"), 201)
        return answer if path.endswith("/events") else as_json(workspace())

    server.respond = respond
    done = moor(home, "create", "https://x/y", "-o", "json", "--timeout", "1")
    assert done.returncode == exit_code
    assert json.loads(done.stderr)["code"] == code
    assert (json.loads(done.stdout)["name"], json.loads(done.stdout)["generation"]) == (NAME, 2)


def test_waiting_for_what_is_gone(home: Path, server: Server) -> None:
    """Deleted meanwhile: the error says so, and the workspace is the one that was made."""

    def respond(method: str, _path: str, _body: Any) -> Answer:
        made = as_json(workspace(state="CreationRequested"), 201)
        return (
            made
            if method == "POST"
            else as_json({"code": "workspace-not-found", "detail": "Gone."}, 404)
        )

    server.respond = respond
    done = moor(home, "create", "https://x/y", "-o", "json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["state"] == "CreationRequested"


def test_interrupted_for_a_programme(home: Path, server: Server) -> None:
    """Ctrl-C: exit code 130, and the workspace on standard output."""
    waits = threading.Event()

    def respond(method: str, path: str, _body: Any) -> Answer:
        if method == "POST":
            return as_json(workspace(state="CreationRequested"), 201)
        waits.set()
        return (
            sse(workspace(state="Starting")) if path.endswith("/events") else as_json(workspace())
        )

    server.respond = respond
    command = [sys.executable, "-m", "moorage.cli.main", "create", "https://x/y", "-o", "json"]
    with subprocess.Popen(
        command,
        env={**os.environ, "MOORAGE_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert waits.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert json.loads(out)["name"] == NAME


def test_create_without_waiting(home: Path, server: Server) -> None:
    """The workspace as it is created."""
    server.respond = lambda *_: as_json(workspace(state="CreationRequested"), 201)
    done = moor(home, "create", "https://x/y", "--no-wait", "-o", "json")
    assert json.loads(done.stdout)["state"] == "CreationRequested"
    assert len(server.asked) == 1


@pytest.mark.parametrize("pair", ["A", "=x", ""])
def test_a_variable_without_a_value(home: Path, pair: str) -> None:
    """Exit code 2, and how to write it."""
    done = moor(home, "create", "https://x/y", "--env", pair)
    assert done.returncode == 2
    assert "Write KEY=VALUE." in done.stderr


def test_list(home: Path, server: Server) -> None:
    """A line each; --all asks for everyone's and shows whose."""
    server.respond = lambda *_: as_json({"items": [workspace()]})
    assert moor(home, "list").stdout.splitlines()[1].split()[:3] == ["app", "Running", "local"]
    assert moor(home, "list", "--all").stdout.splitlines()[1].split()[:2] == ["app", "ana"]
    assert server.asked[1][1] == "/api/v1/workspaces?all=true"
    assert json.loads(moor(home, "list", "-o", "json").stdout)["items"][0]["name"] == NAME


def test_delete_asks_first(home: Path, server: Server) -> None:
    """Without a terminal nobody can say yes; nothing is deleted."""
    server.respond = lambda _method, path, _body: as_json(
        ME if path.endswith("/me") else workspace()
    )
    done = moor(home, "delete", "app")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert not [asked for asked in server.asked if asked[0] == "DELETE"]


@pytest.mark.parametrize(
    "command",
    [["delete", "--yes"], ["stop"], ["restart"], ["exec", "-T"]],
    ids=lambda words: words[0],
)
def test_said_again_when_it_is_gone(home: Path, server: Server, command: list[str]) -> None:
    """What cannot be undone takes no beginning of a name: `pr-1` that is gone is not `pr-12`."""

    def respond(_method: str, path: str, _body: Any) -> Answer:
        if path == "/api/v1/workspaces":
            return as_json({"items": [workspace(title="pr-12")]})
        return as_json({"code": "workspace-not-found", "detail": "There is none."}, 404)

    server.respond = respond
    done = moor(home, *command, "pr-1", *(["true"] if command[0] == "exec" else []))
    assert done.returncode == 5
    assert "hint: Did you mean pr-12?" in done.stderr
    assert [asked[:2] for asked in server.asked] == [
        ("GET", "/api/v1/workspaces/pr-1"),
        ("GET", "/api/v1/workspaces"),
    ]


def test_delete(home: Path, server: Server) -> None:
    """It waits until the workspace is gone."""
    gone: list[bool] = []

    def respond(method: str, path: str, _body: Any) -> Answer:
        leaving = workspace(desired="Terminated", state="Terminating")
        if method == "DELETE":
            return as_json(leaving, 202)
        if path.endswith("/events"):
            gone.append(True)
            return sse(leaving)
        if path.endswith("/me"):
            return as_json(ME)
        return (
            as_json({"code": "workspace-not-found", "detail": "Gone."}, 404)
            if gone
            else as_json(workspace())
        )

    server.respond = respond
    done = moor(home, "delete", "app", "--yes", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "Terminated"


def test_stop_and_start(home: Path, server: Server) -> None:
    """The name is found first; then it is asked for and waited for."""

    def respond(method: str, path: str, _body: Any) -> Answer:
        state = {"desired": "Stopped", "state": "Stopped"} if "stop" in str(server.asked) else {}
        found = ME if path.endswith("/me") else workspace(stages=UP, **state)
        return sse(found) if path.endswith("/events") else as_json(found)

    server.respond = respond
    assert moor(home, "start", "app").stdout.startswith("app runs. http://60001-")
    assert [asked[:2] for asked in server.asked] == [
        ("GET", "/api/v1/workspaces/app"),
        ("POST", f"/api/v1/workspaces/{NAME}/start"),
        ("GET", f"/api/v1/workspaces/{NAME}/events"),
    ]
    assert moor(home, "stop", "app").stdout == "app is stopped.\n"


def test_open_prints_the_url(home: Path, server: Server) -> None:
    """Any port has one."""
    server.respond = lambda *_: as_json(workspace())
    assert (
        moor(home, "open", "app", "3000", "--print").stdout
        == f"http://3000-{NAME}.localhost:8080/\n"
    )


def test_logs_go_through_as_they_are(home: Path, server: Server) -> None:
    """Bytes, whatever they are."""

    def respond(_method: str, path: str, _body: Any) -> Answer:
        return (200, "text/plain", b"one [2]\xff\n") if "/logs" in path else as_json(workspace())

    server.respond = respond
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "moorage.cli.main",
            "logs",
            "app",
            "-c",
            "py",
            "--tail",
            "5",
            "--home",
            str(home),
        ],
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"one [2]\xff\n"
    assert server.asked[-1][1] == f"/api/v1/workspaces/{NAME}/logs?container=py&tail=5"


def test_users_and_links(home: Path, server: Server) -> None:
    """The default of a sign-in link is who asks."""
    user = {"id": 2, "name": "ana", "role": "developer", "blocked": False, "created_at": 0.0}

    def respond(_method: str, path: str, _body: Any) -> Answer:
        if path.endswith("/sign-in-links"):
            return as_json({"url": "http://localhost/sign-in/link/x", "expires_at": 1.0}, 201)
        return as_json({"items": [user]} if path.endswith("/users") and _method == "GET" else user)

    server.respond = respond
    assert (
        json.loads(moor(home, "users", "add", "ana", "--administrator", "-o", "json").stdout)
        == user
    )
    assert server.asked[-1][2] == {"name": "ana", "role": "administrator"}
    assert moor(home, "users", "list").stdout.splitlines()[1].split() == ["2", "ana", "developer"]
    assert moor(home, "users", "block", "ana").stdout == "ana is blocked.\n"
    assert server.asked[-1][1] == "/api/v1/users/ana/block"
    assert moor(home, "users", "unblock", "ana").returncode == 0
    assert moor(home, "sign-in-link").stdout == "http://localhost/sign-in/link/x\n"
    assert [asked[1] for asked in server.asked[-2:]] == [
        "/api/v1/me",
        "/api/v1/users/ana/sign-in-links",
    ]
    assert moor(home, "sign-in-link", "bob").returncode == 0
    assert server.asked[-1][1] == "/api/v1/users/bob/sign-in-links"


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (401, "not-signed-in", 3),
        (403, "forbidden", 4),
        (404, "x", 5),
        (409, "x", 6),
        (429, "x", 7),
        (503, "x", 8),
        (500, "x", 1),
    ],
)
def test_exit_codes(home: Path, server: Server, status: int, code: str, exit_code: int) -> None:
    """Each kind of error has its own."""
    server.respond = lambda *_: as_json({"code": code, "detail": "It is so."}, status)
    done = moor(home, "agents")
    assert done.returncode == exit_code
    assert done.stderr == "error: It is so.\n"


def test_ctrl_c(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, wherever it comes."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "get", interrupted)
    assert moor(home, "list").returncode == 130
    assert moor(home, "logs", "app").returncode == 130


def test_usage_errors() -> None:
    """A command line that is not understood has exit code 2."""
    for arguments in (
        ["nonsense"],
        ["create"],
        ["list", "-o", "yaml"],
        ["up", "--log-format", "xml"],
    ):
        assert moor(Path("/nowhere"), *arguments).returncode == 2


def test_no_server(tmp_path: Path) -> None:
    """Exit code 8, and what to do."""
    done = moor(tmp_path, "list")
    assert done.returncode == 8
    assert "moor up" in done.stderr


def test_a_reader_that_goes_away(home: Path, server: Server) -> None:
    """`moor logs … | head` ends without a trace."""

    def respond(_method: str, path: str, _body: Any) -> Answer:
        return (200, "text/plain", b"line\n" * 100_000) if "/logs" in path else as_json(workspace())

    server.respond = respond
    command = f"{sys.executable} -m moorage.cli.main logs app --home {home} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("line\n141\n", "")


def test_the_options_of_a_group_hold_for_its_commands(
    home: Path, server: Server, tmp_path: Path
) -> None:
    """`moor agents -o json list` is `moor agents list -o json`, and what the command says itself
    comes first."""
    server.respond = lambda *_: as_json({"items": []})
    elsewhere = tmp_path / "none"
    assert json.loads(
        moor(elsewhere, "agents", "-o", "json", "--home", str(home), "list").stdout
    ) == {"items": []}
    said = moor(elsewhere, "agents", "-o", "json", "--home", str(home), "list", "-o", "text").stdout
    assert said.startswith("No agents.")


@pytest.mark.parametrize(
    ("shell", "script", "own"),
    [
        ("bash", ".bash_completions/moor.sh", ".bashrc"),
        ("zsh", ".zfunc/_moor", ".zshrc"),
        ("fish", ".config/fish/completions/moor.fish", None),
    ],
)
def test_completion_is_installed(tmp_path: Path, shell: str, script: str, own: str | None) -> None:
    """The script lies where the shell looks for it; the line that makes it look is added once,
    after what was there."""
    if own:
        (tmp_path / own).write_text("alias ll='ls -l'")
    for arguments in (["--install-completion"], ["--install-completion", shell]):
        assert (
            moor(tmp_path, *arguments, HOME=str(tmp_path), SHELL=f"/usr/bin/{shell}").returncode
            == 0
        )
    assert f"_MOOR_COMPLETE={shell}_complete" in (tmp_path / script).read_text()
    if own:
        first, *rest = (tmp_path / own).read_text().splitlines()
        assert (first, len(rest)) == ("alias ll='ls -l'", 1)
    shown = moor(tmp_path, "--show-completion", shell).stdout
    assert shown.strip() == (tmp_path / script).read_text().strip()


def test_completion_for_a_shell_that_is_not_known(tmp_path: Path) -> None:
    """It says which there are."""
    done = moor(tmp_path, "--install-completion", SHELL="/bin/ksh")
    assert (done.returncode, "bash, zsh, fish" in done.stderr) == (2, True)


def test_workspaces_complete(home: Path, server: Server) -> None:
    """The shell offers titles and names; a server that is away offers nothing and says nothing."""
    server.respond = lambda *_: as_json(
        {"items": [workspace(), workspace(title="other", name="workspace-1-2-x")]}
    )
    asked = {"_MOOR_COMPLETE": "bash_complete", "COMP_WORDS": "moor show ap", "COMP_CWORD": "2"}
    program = Path(sys.executable).with_name("moor")
    environ = {**os.environ, "MOORAGE_HOME": str(home), **asked}
    done = subprocess.run([program], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["plain,app"]
    environ["MOORAGE_HOME"] = "/nowhere"
    done = subprocess.run([program], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([], "")
