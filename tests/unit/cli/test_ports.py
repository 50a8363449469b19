"""Which URL a port has."""

from __future__ import annotations

import pytest

from moorage.cli.ports import port_url
from moorage.kernel.errors import InvalidInput, MoorageError, NotFound
from unit.cli.workspace import NAME, workspace


@pytest.mark.parametrize(
    ("port", "url"),
    [
        ("", f"http://60001-{NAME}.localhost:8080/?folder=/projects/app"),
        ("8080", f"http://8080-{NAME}.localhost:8080/"),
        ("http-python", f"http://8080-{NAME}.localhost:8080/"),
        ("3000", f"http://3000-{NAME}.localhost:8080/"),
        ("03000", f"http://3000-{NAME}.localhost:8080/"),
    ],
)
def test_url(port: str, url: str) -> None:
    """The editor, a declared port by number or name, or any other number."""
    assert port_url(workspace(), port) == url


@pytest.mark.parametrize(
    ("changes", "port", "kind"),
    [
        ({"url": ""}, "", NotFound),
        ({}, "0", InvalidInput),
        ({}, "65536", InvalidInput),
        ({}, "-1", InvalidInput),
        ({}, "http", InvalidInput),
        ({}, "²", InvalidInput),
    ],
)
def test_no_url(changes: dict[str, object], port: str, kind: type[MoorageError]) -> None:
    """What is no port, and what cannot be known."""
    with pytest.raises(kind):
        port_url(workspace(**changes), port)


def test_url_without_declared_ports() -> None:
    """Any port has an address, also where the devfile declares none."""
    assert port_url(workspace(ports=[]), "3000") == f"http://3000-{NAME}.localhost:8080/"
