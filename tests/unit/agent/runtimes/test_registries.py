"""Which registries images are pulled from because a devfile names them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from moorage.agent.runtimes.port import RuntimeFault
from moorage.agent.runtimes.registries import Registries
from moorage.agent.settings import AgentSettings
from moorage.kernel.errors import Misconfigured

NAMES = {
    "registry.example.com": ["203.0.114.7"],
    "registry.corp.example": ["10.1.2.3"],
    "sly.example.com": ["127.0.0.1"],
    "both.example.com": ["203.0.114.7", "::1"],
    "localhost": ["127.0.0.1", "::1"],
}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver of our own: unit tests ask no server. Addresses are read as the system does."""
    system = socket.getaddrinfo

    def look_up(host: str, *_arguments: Any, **_options: Any) -> Any:
        if host in NAMES:
            return [(None, None, None, "", (address, 0)) for address in NAMES[host]]
        return system(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def refusal(image: str, *networks: str, default: bool = True) -> RuntimeFault | None:
    listed = (*(AgentSettings().image_networks if default else ()), *networks)
    try:
        asyncio.run(Registries(listed).check([image]))
    except RuntimeFault as fault:
        return fault
    return None


def permits(image: str, *networks: str, default: bool = True) -> bool:
    return refusal(image, *networks, default=default) is None


def test_refusal() -> None:
    """It names the image, says who can change it, and is one for all addresses."""
    found = [refusal(f"{host}/app") for host in ("127.0.0.1:1", "169.254.169.254", "localhost")]
    first = found[0]
    assert first is not None
    assert first.final
    assert (first.cause.code, first.cause.detail) == ("registry-denied", "")
    assert "127.0.0.1:1/app" in first.cause.message
    assert "image_networks" in first.cause.hint
    assert {fault.cause.hint for fault in found if fault} == {first.cause.hint}


@pytest.mark.parametrize(
    "image",
    [
        "python:3.13", "team/app", "registry.example.com/app", "registry.example.com:5000/app:1",
        "registry.corp.example/app", "10.1.2.3:5000/app", "unknown.example.com/app", "not a name",
    ],
)  # fmt: skip
def test_public_and_private_registries(image: str) -> None:
    """Those that organisations have; one whose name does not resolve here is the engine's to
    tell."""
    assert permits(image)


@pytest.mark.parametrize(
    "image",
    [
        "127.0.0.1:9000/app", "localhost:9000/app", "localhost/app", "[::1]:9000/app", "[::]/app",
        "[::ffff:7f00:1]:80/app", "0.0.0.0:80/app",
        "169.254.169.254/app", "[fd00:ec2::254]/app", "127.1:80/app", "2130706433:80/app",
        "0x7f000001:80/app", "sly.example.com/app", "both.example.com:443/app",
    ],
)  # fmt: skip
def test_the_machines_own_addresses(image: str) -> None:
    """In any form, by name too: they are not asked."""
    assert not permits(image)


def test_what_an_operator_lists() -> None:
    """Opens a loopback registry at its port alone; never where clouds tell machines of
    themselves."""
    assert permits("127.0.0.1:5000/app", "127.0.0.1:5000")
    assert not permits("127.0.0.1:5001/app", "127.0.0.1:5000")
    assert permits("sly.example.com/app", "sly.example.com")
    assert not permits("169.254.169.254/app", "169.254.0.0/16")


def test_private_networks_can_be_closed() -> None:
    assert not permits("10.1.2.3/app", default=False)
    assert not permits("registry.corp.example/app", default=False)
    assert permits("registry.corp.example/app", "*.corp.example", default=False)


def test_a_setting_that_is_no_network() -> None:
    with pytest.raises(Misconfigured, match="image_networks"):
        Registries(["10.0.0.0/99"])
