"""Where the engine is."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.agent.runtimes.docker.access import access_of, find_host
from moorage.kernel.errors import Misconfigured


def test_the_setting_goes_before_the_variable() -> None:
    """The engine is where the setting says, else where `DOCKER_HOST` says."""
    environ = {"DOCKER_HOST": "tcp://10.0.0.1:2375"}
    assert find_host("unix:///mine.sock", environ) == "unix:///mine.sock"
    assert find_host("", environ) == "tcp://10.0.0.1:2375"
    assert find_host("", {}).startswith("unix:///")


@pytest.mark.parametrize(
    ("address", "url", "socket"),
    [
        ("unix:///run/docker.sock", "http://engine", "/run/docker.sock"),
        ("tcp://10.0.0.1:2375", "http://10.0.0.1:2375", ""),
        ("tcp://engine.example.com", "http://engine.example.com:2375", ""),
        ("tcp://[fd00::1]:2375", "http://[fd00::1]:2375", ""),
        ("http://10.0.0.1", "http://10.0.0.1:80", ""),
        ("https://10.0.0.1", "https://10.0.0.1:443", ""),
    ],
)
def test_addresses(address: str, url: str, socket: str) -> None:
    """A socket's path, or a host and port: what `DOCKER_HOST` may hold."""
    access = access_of(address, {})
    assert (access.address, access.url, access.socket) == (address, url, socket)


@pytest.mark.parametrize(
    "address", ["", "/run/docker.sock", "ssh://me@host", "tcp://", "tcp://host:port"]
)
def test_what_is_no_address(address: str) -> None:
    """It is refused with the setting to correct."""
    with pytest.raises(Misconfigured) as refused:
        access_of(address, {})
    assert refused.value.code == "engine-address-invalid"
    assert "docker_host" in refused.value.hint


@pytest.mark.parametrize("folder", ["", "empty"])
def test_tls_without_certificates(tmp_path: Path, folder: str) -> None:
    """TLS that is asked for without its files does not become a connection without TLS."""
    environ = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path) if folder else ""}
    with pytest.raises(Misconfigured) as refused:
        access_of("tcp://10.0.0.1:2376", environ)
    assert refused.value.code == "engine-certificates-unusable"
