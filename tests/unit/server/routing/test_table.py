"""From a workspace's row to its route."""

from __future__ import annotations

import pytest

from moorage.contract.spec import Container, Endpoint, WorkspaceSpec
from moorage.server.routing.table import tls_ports


@pytest.mark.parametrize(
    ("protocols", "speaks_tls"),
    [
        (["https"], True),
        (["wss"], True),
        (["https", "wss"], True),
        (["http"], False),
        (["ws"], False),
        (["https", "http"], False),
        (["https", "tcp"], False),
        (["tcp"], False),
        ([], False),
    ],
)
def test_a_port_speaks_tls_when_all_that_name_it_say_so(protocols: list[str], speaks_tls: bool):
    """Endpoints of several containers may name one port."""
    containers = tuple(
        Container(
            name=f"c{number}",
            image="i",
            endpoints=(Endpoint(name=f"e{number}", port=8443, protocol=protocol),),
        )
        for number, protocol in enumerate(protocols)
    )
    spec = WorkspaceSpec(containers=containers, main_container="c0")
    assert tls_ports(spec) == ((8443,) if speaks_tls else ())
