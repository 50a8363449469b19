"""The relay to servers on a loopback address, by itself."""

from __future__ import annotations

import urllib.request

import pytest

from integration.tools.containers import docker, run, unique, until

pytestmark = pytest.mark.docker


def test_it_gives_up_what_it_does_not_need(tools_image: str) -> None:
    """It filters its own system calls before it serves, where nothing else does, and serves all the
    same: a connection that breaks it reaches no file and starts no program."""
    name = unique("relay")
    unconfined = ("--security-opt", "seccomp=unconfined")
    docker(
        "run", "-d", "--name", name, *unconfined, tools_image, "/opt/moorage/bin/workspace-relay"
    )
    try:
        bb = "/opt/moorage/bin/busybox"
        serve = f"mkdir /tmp/w && echo hello >/tmp/w/index.html && exec {bb} httpd -f -p 127.0.0.1:8000 -h /tmp/w"
        docker("exec", "-d", name, "sh", "-c", serve)
        until("the relay is locked down", lambda: "Seccomp:\t2" in status(name, "1"))
        assert "Seccomp:\t0" in status(name, "self")
        address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name)
        until("the server is reached", lambda: fetched(f"http://{address}:8000/") == "hello\n")
        done = run(
            "docker",
            "exec",
            name,
            "sh",
            "-c",
            "ls -l /proc/1/fd | grep -c -v -e socket -e anon -e pipe -e null -e total; true",
        )
        assert done.stdout.strip() == "0"
    finally:
        docker("rm", "-f", name)


def status(name: str, process: str) -> str:
    return docker("exec", name, "cat", f"/proc/{process}/status")


def fetched(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
