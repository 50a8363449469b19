"""Who else on the machine reaches a workspace: by its address on its bridge, past HAProxy."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from e2e.installation import (
    Installation,
    docker,
    docker_objects,
    eventually,
    expect_nothing_left,
    http_browser,
)
from ports import free_ports

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root puts up rules, and becomes somebody else"
)

EDITOR = 60001
NOBODY = ("65534", "65534")
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()"
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or ""


@pytest.fixture(scope="module")
def workspace(installation: Installation, repository: str) -> Iterator[str]:
    before = docker_objects(installation.id)
    name = installation.json("create", repository)["name"]
    yield name
    installation.run("delete", "--yes", name)
    expect_nothing_left(installation, before)


def address_of(workspace: str) -> str:
    networks = json.loads(
        docker("inspect", f"{workspace}.sandbox", "--format", "{{json .NetworkSettings.Networks}}")
    )
    return str(networks[workspace]["IPAddress"])


def connects(uid: str, gid: str, host: str, port: int = EDITOR) -> bool:
    account = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"]
    done = subprocess.run(
        [*account, PYTHON, "-c", CONNECT, host, str(port)], capture_output=True, check=False
    )
    return done.returncode == 0


def ids(name: str) -> tuple[str, str]:
    def number(option: str) -> str:
        return subprocess.run(
            ["id", option, name], capture_output=True, text=True, check=True
        ).stdout.strip()

    return number("-u"), number("-g")


def rules(program: str) -> list[str]:
    return subprocess.run(
        [f"{program}-save"], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def ours(installation: Installation, program: str) -> list[str]:
    """The jumps that carry this installation's name."""
    return [line for line in rules(program) if f'"Moorage {installation.id}"' in line]


def flush(installation: Installation) -> None:
    """As a firewall that loads rules of its own: ours are gone."""
    for program in ("iptables", "ip6tables"):
        for jump in ours(installation, program):
            words = jump.replace(
                f'"Moorage {installation.id}"', f"Moorage {installation.id}"
            ).split()
            at = words.index("--comment") + 1
            words[at : at + 2] = [" ".join(words[at : at + 2])]
            subprocess.run([program, "-D", *words[1:]], check=True)


def test_other_accounts_do_not_reach_a_workspaces_port(
    installation: Installation, workspace: str
) -> None:
    """Neither nobody nor Moorage's own server and gateway nor root's other programs; while a
    browser does, through HAProxy."""
    host = address_of(workspace)
    assert connects(*ids("moorage-haproxy"), host)
    for account in (NOBODY, ids("moorage-server"), ids("moorage-gateway"), ("0", "0")):
        assert not connects(*account, host), account
    with http_browser() as browser:
        browser.post(installation.json("sign-in-link")["url"], headers={"Origin": installation.url})
        answer = browser.get(f"http://{EDITOR}-{workspace}.moorage.localhost:{installation.port}/")
    assert answer.status_code == 200
    assert "Every account" not in installation.run("status").stdout
    assert installation.json("status")["caveat"] == ""


def test_nor_does_another_container(workspace: str) -> None:
    """One of the engine's usual network, and one that shares the machine's."""
    host = address_of(workspace)
    for network in ("bridge", "host"):
        command = [
            "docker",
            "run",
            "--rm",
            "--network",
            network,
            "--entrypoint",
            "/opt/moorage/bin/busybox",
        ]
        done = subprocess.run(
            [*command, "moorage/tools:latest", "nc", "-w", "3", host, str(EDITOR)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode, (network, done.stdout, done.stderr)


def test_a_workspace_reaches_the_machine_and_the_rest(
    workspace: str, installation: Installation
) -> None:
    """Answers to what it asks for itself still come: the rules are about who begins."""
    # The bridge's address: it is the first of a network's.
    network = ipaddress.ip_network(f"{address_of(workspace)}/28", strict=False)
    gateway = str(network[1])
    listener = (
        "import socket; s = socket.create_server(('"
        + gateway
        + "', 0)); print(s.getsockname()[1], flush=True); s.accept()[0].sendall(b'here')"
    )
    with subprocess.Popen([PYTHON, "-c", listener], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = process.stdout.readline().strip()
        said = installation.run(
            "exec", workspace, "--", "/opt/moorage/bin/busybox", "nc", "-w", "3", gateway, port
        )
        process.kill()
    assert said.stdout == "here"


def test_rules_that_another_program_took_away_come_back(
    installation: Installation, workspace: str
) -> None:
    """A firewall that loads its own rules opens the workspace for half a minute at most; the log
    says so."""
    host = address_of(workspace)
    flush(installation)
    assert connects(*NOBODY, host)
    eventually("it is closed again", lambda: not connects(*NOBODY, host), within=90, every=1)
    assert "rules were gone; put up again" in installation.log("agent")
    assert len(ours(installation, "iptables")) == 2
    # Put before ours, a rule that lets all through would end the matter.
    subprocess.run(["iptables", "-I", "OUTPUT", "-d", host, "-j", "ACCEPT"], check=True)
    try:
        eventually(
            "ours stand first again", lambda: not connects(*NOBODY, host), within=90, every=1
        )
    finally:
        subprocess.run(["iptables", "-D", "OUTPUT", "-d", host, "-j", "ACCEPT"], check=True)


def test_a_new_workspace_is_never_open(
    installation: Installation, workspace: str, repository: str
) -> None:
    """The rules are there before its network: gone meanwhile, they come back with the start."""
    flush(installation)
    other = installation.json("create", repository, "--no-wait")["name"]
    try:
        eventually(
            "it has a network", lambda: other in docker("network", "ls", "--format", "{{.Name}}")
        )
        assert not connects(*NOBODY, address_of(workspace))
        eventually(
            "it runs", lambda: installation.json("show", other)["state"] == "Running", within=90
        )
        assert not connects(*NOBODY, address_of(other))
    finally:
        installation.run("delete", "--yes", other)


def test_the_rules_outlive_the_processes(installation: Installation, workspace: str) -> None:
    """`moor down` leaves workspaces running, and closed."""
    host = address_of(workspace)
    installation.run("down")
    assert not connects(*NOBODY, host)
    installation.up()
    assert not connects(*NOBODY, host)
    assert connects(*ids("moorage-haproxy"), host)


def test_two_installations_do_not_fight(
    installation: Installation, workspace: str, make_installation: Callable[[], Installation]
) -> None:
    """Each has rules of its own; the second one's end takes its own away and no others."""
    other = make_installation()
    other.up()
    assert len(ours(other, "iptables")) == len(ours(installation, "iptables")) == 2
    assert not connects(*NOBODY, address_of(workspace))
    other.run("down")
    for program in ("iptables", "ip6tables"):
        assert not ours(other, program)
        assert len(ours(installation, program)) == 2
    assert not connects(*NOBODY, address_of(workspace))


@pytest.fixture
def make_installation() -> Iterator[Callable[[], Installation]]:
    from e2e.installation import end, new_home

    made: list[Installation] = []

    def make() -> Installation:
        made.append(Installation(new_home(), free_ports(2)))
        return made[-1]

    yield make
    for each in made:
        end(each)
