"""What is reached at a workspace's IPv6 address, which pods of IPv6-only clusters have alone."""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from integration.tools.containers import docker, unique, until

SERVE = "/opt/moorage/bin/busybox httpd -f -p {place} -h /opt/moorage/etc"


@pytest.fixture
def network() -> Iterator[str]:
    """One of both families."""
    name = unique("six")
    prefix = f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
    docker("network", "create", "--ipv6", "--subnet", f"{prefix}::/64", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture
def container(network: str, tools_image: str) -> Iterator[Callable[[str], str]]:
    """Runs a command on that network, as a workspace's programs run; gives its IPv6 address."""
    names: list[str] = []

    def run(command: str) -> str:
        name = unique("six")
        names.append(name)
        flags = ["--user", "5001:0", "--cap-drop", "ALL", "-e", "HOME=/tmp"]
        docker(
            "run", "-d", "--name", name, "--network", network, *flags, tools_image,
            "/opt/moorage/bin/busybox", "sh", "-c", command,
        )  # fmt: skip
        form = f'{{{{(index .NetworkSettings.Networks "{network}").GlobalIPv6Address}}}}'
        return docker("inspect", name, "--format", form).strip()

    yield run
    for name in names:
        docker("rm", "-f", name)


def answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            url, timeout=5
        ) as got:
            return bool(got.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.docker
@pytest.mark.parametrize("loopback", ["127.0.0.1", "[::1]"])
def test_servers_on_a_loopback_address(container: Callable[[str], str], loopback: str) -> None:
    """They are reached there, too; and not the editor's port."""
    address = container(
        f"/opt/moorage/bin/workspace-relay 60001 & {SERVE.format(place=f'{loopback}:60001')} & "
        f"exec {SERVE.format(place=f'{loopback}:8123')}"
    )
    until("it is reached", lambda: answers(f"http://[{address}]:8123/ca-certificates.crt"))
    assert not answers(f"http://[{address}]:60001/ca-certificates.crt")


@pytest.mark.docker
def test_the_editor(container: Callable[[str], str]) -> None:
    """With the command that every workspace has, which names all addresses in IPv4's words."""
    address = container(
        "exec /opt/moorage/editors/code-server/start --auth none --bind-addr 0.0.0.0:60001"
    )
    until("it is reached", lambda: answers(f"http://[{address}]:60001/healthz"))
