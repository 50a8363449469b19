"""`moor up`, `moor status`, `moor down` with the real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from integration.supervisor.installation import (
    MOOR,
    PROCESSES,
    Installation,
    get,
    installation,
    until,
)
from moorage.kernel.home import Home
from moorage.supervisor import proc, state
from ports import free_ports


def answers(url: str) -> int:
    """The status of the API's answer; 0 when nobody answers."""
    try:
        return get(f"{url}/api/v1/me").status_code
    except httpx.HTTPError:
        return 0


def test_detached(shared: Installation) -> None:
    """When it returns, everything answers, and status says so."""
    assert answers(shared.url) == 401
    done = shared.moor("status")
    assert done.returncode == 0, done.stdout
    assert f"URL:              {shared.url}" in done.stdout
    status = shared.json("status")
    assert (status["running"], status["healthy"], status["workspaces"]) == (True, True, {})
    assert [process["name"] for process in status["processes"]] == ["supervisor", *PROCESSES]
    for process in status["processes"]:
        assert (process["state"], process["restarts"], process["last_exit"]) == ("running", 0, None)
        assert process["memory"] > 1_000_000
    assert status["processes"][0]["memory"] < 20_000_000
    assert all(part["problem"] == "" for part in status["parts"])
    assert shared.json("agents")["items"][0]["connected"] is True


def test_up_again(shared: Installation) -> None:
    """It says that it runs, and changes nothing; other settings are refused."""
    before = shared.report()
    done = shared.moor("up")
    assert done.returncode == 0
    assert f"running already: {shared.url}" in done.stdout
    assert shared.json("up", "--detach") == {
        "url": shared.url,
        "home": str(shared.home.path),
        "started": False,
        "restarted": [],
    }
    refused = shared.moor("up", "--port", str(free_ports(2)))
    assert refused.returncode == 6
    assert "moor down" in refused.stderr
    assert shared.report() == before


@pytest.mark.parametrize("name", PROCESSES)
def test_a_killed_process_is_back_within_two_seconds(shared: Installation, name: str) -> None:
    """And said so: in the status and in the log; a little later it works again."""
    before = shared.report()[name]
    assert before.process
    began = time.monotonic()
    os.kill(before.process.pid, signal.SIGKILL)

    def restarted() -> bool:
        now = shared.report()[name]
        return (
            now.state == "running"
            and now.restarts == before.restarts + 1
            and now.process != before.process
        )

    until("restarted", restarted)
    assert time.monotonic() - began < 6
    until("healthy", lambda: shared.moor("status").returncode == 0)
    process = shared.processes()[name]
    assert process["restarts"] == before.restarts + 1
    assert process["last_exit"]["text"] == "killed by SIGKILL"
    log = (shared.home.logs / "supervisor.log").read_text()
    assert re.search(rf"ended; restarting +child={name} exit='killed by SIGKILL'", log)
    assert answers(shared.url) == 401


def test_status_of_a_process_that_is_down(shared: Installation) -> None:
    """Exit code 8, and which part does not answer."""
    pid = shared.processes()["gateway"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        done = shared.moor("status")
        assert done.returncode == 8
        assert re.search(r"^gateway: it does not answer", done.stdout, re.MULTILINE)
    finally:
        os.kill(pid, signal.SIGCONT)
    until("healthy", lambda: shared.moor("status").returncode == 0)


def test_logs(shared: Installation) -> None:
    """Each process has its own file, for its owner alone."""
    for name in (*PROCESSES, "supervisor"):
        file = shared.home.logs / f"{name}.log"
        assert file.stat().st_size > 0, name
        assert file.stat().st_mode & 0o077 == 0, name


def test_down_leaves_nothing(fresh: Installation) -> None:
    """All processes end, the port is free, and a second `moor down` has nothing to do."""
    fresh.started()
    assert len(fresh.alive()) >= 5
    assert fresh.moor("down").stdout == "Moorage has ended.\n"
    assert fresh.alive() == []
    assert answers(fresh.url) == 0
    done = fresh.moor("down")
    assert (done.returncode, done.stdout) == (0, "Moorage did not run.\n")
    assert fresh.moor("status").returncode == 8


def test_settings_are_kept(fresh: Installation) -> None:
    """What was told once need not be told again; users and tokens outlive a restart."""
    fresh.started("--zone", "moor.localhost")
    assert fresh.moor("users", "add", "ana").returncode == 0
    fresh.moor("down")
    done = fresh.moor("up", "--detach")
    assert done.stdout.splitlines()[0] == f"Moorage is ready: http://moor.localhost:{fresh.port}"
    assert "ana" in fresh.moor("users", "list").stdout
    link = fresh.json("sign-in-link", "ana")["url"]
    assert link.startswith(f"http://moor.localhost:{fresh.port}/sign-in/link/")


def test_after_the_supervisor_was_killed(fresh: Installation) -> None:
    """The next `moor up` ends what is left, HAProxy too, and works."""
    fresh.started()
    report = state.read(fresh.home)
    assert report
    gateway = fresh.report()["gateway"].process
    assert gateway
    os.kill(gateway.pid, signal.SIGSTOP)  # it cannot hear that its supervisor has gone
    os.kill(report.supervisor.pid, signal.SIGKILL)
    until("dead", lambda: not report.alive)
    assert fresh.json("status")["running"] is False
    fresh.started()
    assert not gateway.alive
    assert fresh.moor("status").returncode == 0
    assert answers(fresh.url) == 401


def test_in_the_foreground(fresh: Installation) -> None:
    """Every line with its process's name, the URL once it is ready; Ctrl-C ends all of it."""
    command = [MOOR, "up", "--port", str(fresh.port), "--log-format", "json"]
    lines = []
    with subprocess.Popen(
        command, env=fresh.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Moorage is ready"):
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert f"Moorage is ready: {fresh.url}\n" in lines
    names = {line.split("|")[0].strip() for line in lines if "|" in line}
    assert names >= {"moor", *PROCESSES}
    assert (
        json.loads(next(line for line in lines if line.startswith("moor ")).split("|", 1)[1])[
            "event"
        ]
        == "starting"
    )
    for name in ("server", "agent", "gateway"):
        records = [
            line.split("|", 1)[1].strip() for line in lines if line.startswith(f"{name:<8}|")
        ]
        assert records
        for record in records:
            assert json.loads(record)["process"] == name
    assert fresh.alive() == []


def test_a_taken_port(fresh: Installation) -> None:
    """Exit code 9; it says by which process, and nothing was started."""
    with subprocess.Popen(
        ["python3", "-m", "http.server", "--bind", "127.0.0.1", str(fresh.port)],
        stderr=subprocess.DEVNULL,
    ) as other:
        try:
            until("it listens", lambda: proc.listener(fresh.port))
            done = fresh.up()
            assert done.returncode == 9
            assert (
                f"Port {fresh.port} (for Moorage itself) is taken by python3 (pid {other.pid})."
                in done.stderr
            )
            assert "--port" in done.stderr
        finally:
            other.kill()
    assert fresh.alive() == []


def test_no_engine() -> None:
    """Exit code 9; it says where it looked, and what to do."""
    with installation(DOCKER_HOST="unix:///nowhere/docker.sock") as made:
        done = made.up()
        assert done.returncode == 9
        assert "No Docker engine answers. Tried: unix:///nowhere/docker.sock" in done.stderr
        assert "make quickstart" in done.stderr
        assert made.alive() == []


@pytest.mark.docker
def test_no_tools_image() -> None:
    """An engine that answers but lacks the editor."""
    with installation() as made:
        error = made.up("--tools-image", "moorage-no-such-image:1", "-o", "json")
        assert error.returncode == 9
        document = json.loads(error.stderr)
        assert document["code"] == "tools-image-missing"
        assert "moorage-no-such-image:1" in document["message"]
        assert made.alive() == []


def test_several_things_in_the_way(fresh: Installation) -> None:
    """All are said at once."""
    done = fresh.up(
        "--address",
        "192.0.2.1",
        env={"MOORAGE_AGENT_RUNTIME": "docker", "DOCKER_HOST": "unix:///none"},
    )
    assert done.returncode == 9
    assert "This machine is not ready:" in done.stderr
    assert "192.0.2.1" in done.stderr
    assert "No Docker engine answers" in done.stderr


def test_a_home_that_is_too_long(fresh: Installation, tmp_path: Path) -> None:
    """Exit code 9, and how to choose another."""
    done = fresh.up("--home", str(tmp_path / ("long" * 25)))
    assert done.returncode == 9
    assert "too long for a Unix socket" in done.stderr
    assert "--home" in done.stderr


def test_a_database_of_a_newer_version(fresh: Installation) -> None:
    """The server's own error is what `moor up` ends with; nothing keeps running."""
    fresh.started()
    fresh.moor("down")
    database = sqlite3.connect(fresh.home.database)
    with database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    began = time.monotonic()
    done = fresh.up()
    assert done.returncode == 9
    assert "newer" in done.stderr
    assert "The server cannot run as it is set up:" in done.stderr
    assert time.monotonic() - began < 30
    assert fresh.alive() == []


def test_settings_that_a_process_refuses(fresh: Installation) -> None:
    """A typing error in the settings file comes back with its name."""
    fresh.home.path.mkdir(exist_ok=True)
    fresh.home.settings.write_text("[server]\nsesion_hours = 3\n")
    done = fresh.up()
    assert done.returncode == 9
    assert "sesion_hours" in done.stderr
    assert fresh.alive() == []


def test_a_settings_file_that_is_no_toml(fresh: Installation) -> None:
    """Nothing of it is lost."""
    fresh.home.settings.write_text("[server\n")
    done = fresh.up()
    assert done.returncode == 9
    assert "no TOML" in done.stderr
    assert fresh.home.settings.read_text() == "[server\n"


def test_one_process_alone(tmp_path: Path) -> None:
    """`moor server` becomes the server, which ends with its own error and its exit code."""
    home = Home(tmp_path / "h")
    done = subprocess.run(
        [MOOR, "server", "--home", home.path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 9
    assert "admin-token" in done.stderr


def test_options_of_the_agent_alone(fresh: Installation, tmp_path: Path) -> None:
    """They are taken over where it runs, with a new agent; nothing else is restarted."""
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())
    fresh.started()
    before = fresh.report()
    assert fresh.json("up", "--detach", "--ca-bundle", str(bundle))["restarted"] == ["agent"]
    after = fresh.report()
    assert {name for name in PROCESSES if after[name].process != before[name].process} == {"agent"}
    assert fresh.moor("status").returncode == 0
    assert f'ca_bundle = "{bundle}"' in fresh.home.settings.read_text()
    assert fresh.json("up", "--detach", "--ca-bundle", str(bundle))["restarted"] == []


def test_a_place_of_repositories_where_it_runs(fresh: Installation) -> None:
    """It is taken over with a new server alone, and once; one that is none changes nothing."""
    fresh.started()
    before = fresh.report()
    told = ("--repository-network", "172.17.0.1:8418")
    assert fresh.json("up", "--detach", *told)["restarted"] == ["server"]
    after = fresh.report()
    assert {name for name in PROCESSES if after[name].process != before[name].process} == {"server"}
    assert 'repository_networks = ["172.17.0.1:8418"]' in fresh.home.settings.read_text()
    assert fresh.json("up", "--detach", *told)["restarted"] == []
    refused = fresh.moor("up", "--detach", "--repository-network", "172.17.0.1/8")
    assert refused.returncode == 2
    assert "172.17.0.1/8" in refused.stderr


def test_a_process_that_failed_is_tried_again(fresh: Installation) -> None:
    """Who mends the settings says `moor up` once more."""
    fresh.started()
    good = fresh.home.settings.read_text()
    fresh.home.settings.write_text(good + "\n[agent]\nno_such_setting = 1\n")
    agent = fresh.report()["agent"].process
    assert agent
    os.kill(agent.pid, signal.SIGKILL)
    until("it stays down", lambda: fresh.report()["agent"].state == "failed")
    done = fresh.moor("status")
    assert done.returncode == 8
    assert "no_such_setting" in done.stdout
    assert answers(fresh.url) == 401
    fresh.home.settings.write_text(good)
    assert fresh.json("up", "--detach")["restarted"] == ["agent"]
    assert fresh.moor("status").returncode == 0
