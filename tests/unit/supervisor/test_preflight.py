"""What `moor up` looks at before it starts anything."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from moorage.kernel.errors import MoorageError
from moorage.kernel.home import Home
from moorage.supervisor import preflight, state
from moorage.supervisor.prepare import Plan


def plan(port: int, **changes: str) -> Plan:
    values: dict[str, Any] = {
        "zone": "localhost",
        "metrics_port": 0,
        "address": "127.0.0.1",
        "ca_bundle": "",
        "tools_image": "none",
        "docker_host": "unix:///nowhere/docker.sock",
        "runtime": "docker",
        "public_url": "",
        "public_scheme": "",
        "public_port": 0,
        "zone_port": 8080,
        "haproxy": "haproxy",
        "tls_certificate": "",
    }
    return Plan(port=port, **(values | changes))


def codes(home: Home, wanted: Plan) -> dict[str, MoorageError]:
    return {problem.code: problem for problem in preflight.check(home, wanted)}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n", (2, 6)),
        ("HA-Proxy version 2.2.9-2+deb11u6 2023/12/22 - https://haproxy.org/\n", (2, 2)),
        ("HAProxy version 3.1-dev0\n", (3, 1)),
        ("something else", None),
    ],
)
def test_haproxy_version(text: str, version: tuple[int, int] | None) -> None:
    """Both spellings that HAProxy has had are understood."""
    assert preflight.parse_haproxy_version(text) == version


def held_after_a_free_one() -> socket.socket:
    """A listening socket on a port before which there is one that nobody else has."""
    while True:
        held = socket.create_server(("127.0.0.1", 0))
        try:
            with socket.create_server(("127.0.0.1", held.getsockname()[1] - 1)):
                return held
        except OSError:
            held.close()


def test_a_taken_port_is_said_with_the_process_that_holds_it(tmp_path: Path) -> None:
    """Who reads it knows what to end, or to choose another port."""
    with held_after_a_free_one() as held:
        port = held.getsockname()[1]
        problem = codes(Home(tmp_path), plan(port))["port-taken"]
        assert f"Port {port} (for Moorage itself) is taken by " in problem.message
        assert "(pid " in problem.message
        metrics = codes(Home(tmp_path), plan(port - 1))["port-taken"]
        assert f"Port {port} (for metrics) is taken" in metrics.message
        assert "--port" in metrics.hint


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    """An address that this machine does not have is refused before HAProxy fails on it."""
    problem = codes(Home(tmp_path), plan(40000, address="192.0.2.1"))["address-unusable"]
    assert "192.0.2.1" in problem.message


def test_no_engine_says_what_was_tried(tmp_path: Path) -> None:
    """The engine that was named is the only one that is tried, and the hint says how to get one."""
    problem = codes(Home(tmp_path), plan(40000))["engine-unreachable"]
    assert "unix:///nowhere/docker.sock (No such file or directory)" in problem.message
    assert "make quickstart" in problem.hint


def test_no_engine_at_the_usual_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Docker's socket and both of Podman's are tried in turn."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert preflight._engine_addresses("") == [
        "unix:///var/run/docker.sock",
        "unix:///run/podman/podman.sock",
        f"unix://{tmp_path}/podman/podman.sock",
    ]
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    assert preflight._engine_addresses("") == ["tcp://10.0.0.1:2375"]
    assert preflight._engine_addresses("unix:///mine") == ["unix:///mine"]


def test_missing_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HAProxy and Git are missed before anything starts, with the package that brings them."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(preflight, "SYSTEM_FOLDERS", str(tmp_path))
    found = codes(Home(tmp_path / "home"), plan(40000))
    assert "apt-get install haproxy" in found["haproxy-missing"].hint
    assert "apt-get install git" in found["git-missing"].hint


def test_an_old_haproxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A HAProxy that lacks what the configuration uses is refused by version."""
    program = tmp_path / "haproxy"
    program.write_text("#!/bin/sh\necho 'HA-Proxy version 2.2.9 2023/12/22'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    problem = codes(Home(tmp_path / "home"), plan(40000))["haproxy-too-old"]
    assert "2.2" in problem.message
    assert "2.4" in problem.hint


def test_a_home_whose_path_is_too_long(tmp_path: Path) -> None:
    """A Unix socket's name has a limit, which is said before a process fails on it."""
    assert (
        "too long" in codes(Home(tmp_path / ("x" * 100)), plan(40000))["home-path-too-long"].message
    )


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in the way, or a folder of somebody else."""
    (tmp_path / "file").touch()
    assert (
        "cannot be written"
        in codes(Home(tmp_path / "file" / "home"), plan(40000))["home-not-writable"].message
    )


def test_a_home_in_use(tmp_path: Path) -> None:
    """Two supervisors never share a home."""
    home = Home(tmp_path / "h")
    home.make()
    held = state.lock(home)
    try:
        assert state.locked(home)
        assert "already" in codes(home, plan(40000))["already-running"].message
    finally:
        import os

        os.close(held)
    assert not state.locked(home)
