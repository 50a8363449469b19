"""HAProxy's configuration: what is computed for it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from moorage.gateway.haproxy.backends import ZoneBackend, routes, zone_backends
from moorage.gateway.haproxy.configuration import Configuration, render
from moorage.gateway.haproxy.upstream import Upstream, by_socket
from moorage.kernel.errors import Misconfigured

CONTROLLER, SERVER = by_socket("../run/gateway.sock"), by_socket("../run/server.sock")


def configuration(**values: Any) -> Configuration:
    usual: dict[str, Any] = {
        "zone": "z",
        "scheme": "http",
        "authority": "z:8080",
        "session_cookie": "moorage_session",
        "cookie_prefix": "",
        "key": "k",
        "server": None,
        "address": "127.0.0.1",
        "port": 8080,
        "metrics_port": 8081,
        "connections": 8192,
        "client_timeout_seconds": 60.0,
        "idle_hours": 24.0,
        "server_body_limit": 1024,
    }
    return Configuration(**{**usual, **values})


@pytest.mark.parametrize(
    ("wanted", "open_files", "browsers"),
    [(8192, 1 << 20, 8192), (8192, 1024, 348), (100, 1024, 100), (8192, 100, 16)],
)
def test_browsers_leave_room_for_probes(wanted: int, open_files: int, browsers: int):
    """In all, HAProxy takes more than the browsers' part; each connection has two ends, which open
    files allow for."""
    text = render(configuration(connections=wanted, open_files=open_files))
    most = [int(found) for found in re.findall(r"^  maxconn (\d+)$", text, re.MULTILINE)]
    assert most == [browsers + 64, browsers, 64]
    assert open_files < 200 or sum(most[1:]) * 2 <= open_files - 200


def test_a_row_makes_a_zone_backend():
    """Its paths, its pages for when it is away, its rules and its servers."""
    registry = ZoneBackend(
        "registry",
        ("/v2/", "/v3/"),
        by_socket("../run/registry.sock"),
        "\n  option forwardfor\n",
        "server_away",
    )
    rows = (registry, *zone_backends(CONTROLLER, SERVER))
    assert routes(rows).splitlines() == [
        "  acl for_registry path_beg /v2/ /v3/",
        "  use_backend registry_page if for_registry page",
        "  use_backend registry_data if for_registry",
        "  acl for_controller path_beg /.moorage/ /auth/",
        "  use_backend controller_page if for_controller page",
        "  use_backend controller_data if for_controller",
        "  use_backend server_page if page",
        "  default_backend server_data",
    ]
    text = render(configuration(server=SERVER), rows)
    section = text[text.index("\nbackend registry_data\n") + 1 :].partition("\n\n")[0].splitlines()
    assert section[0] == "backend registry_data"
    assert "errors/server_away.json" in section[1]
    assert section[-2:] == ["  option forwardfor", "  server registry unix@../run/registry.sock"]


@pytest.mark.parametrize("server", [SERVER, None])
def test_every_path_of_the_zones_host_has_a_backend(server: Upstream | None):
    """One row has no paths of its own, and is the last; each section that is led to is there."""
    rows = zone_backends(CONTROLLER, server)
    assert [bool(row.prefixes) for row in rows] == [True] * (len(rows) - 1) + [False]
    text = render(configuration(server=server))
    led_to = set(re.findall(r"^  (?:use|default)_backend (\w+)(?: |$)", text, re.MULTILINE))
    there = set(re.findall(r"^backend (\w+)$", text, re.MULTILINE))
    assert led_to - {"metrics_"} <= there


def test_a_server_whose_name_could_be_more_is_refused():
    """Whatever a row leads to."""
    evil = ZoneBackend("registry", ("/v2/",), Upstream(("x:80 check\n  stats enable;",)), "")
    with pytest.raises(Misconfigured):
        render(configuration(), (evil, *zone_backends(CONTROLLER, None)))
