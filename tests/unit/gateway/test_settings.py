"""The gateway's settings."""

from __future__ import annotations

import pytest

from moorage.gateway.settings import GatewaySettings
from moorage.gateway.zone import Zone
from moorage.kernel.errors import Misconfigured


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"zone": "Not A Zone"}, "zone"),
        ({"port": 0}, "port"),
        ({"port": 65535}, "metrics"),
        ({"address": "127.0.0.1\n  stats enable"}, "address"),
        ({"tls_certificate": "/a b.pem"}, "tls_certificate"),
        ({"tls_certificate": "/a.pem,b.pem"}, "b.pem is no absolute path"),
        ({"server": "ftp://x"}, "server"),
        ({"server": "https://[x:443"}, "neither unix"),
        ({"server": "https://x:port"}, "neither unix"),
        ({"idle_hours": 1000.0}, "idle_hours"),
        ({"certificate_seconds": 0.0}, "certificate_seconds"),
        ({"drain_seconds": -1.0}, "drain_seconds"),
        ({"proxy_protocol_from": ("10.0.0.0/8",)}, "proxy_protocol is not true"),
        (
            {"proxy_protocol": True, "proxy_protocol_from": ("10.0.0.0/8", "lb.example")},
            "lb.example",
        ),
        ({"proxy_protocol": True, "proxy_protocol_from": ("10.0.0.0/8 ::/0",)}, "no range"),
        ({"workspace_networks": ("10.0.0.0/8", "pods")}, "pods"),
        ({"address": "127.0.0.1;x"}, "address"),
        ({"tls_certificate": "/a;b.pem"}, "tls_certificate"),
        ({"tls_certificate": "/$HOME/b.pem"}, "tls_certificate"),
        ({"lameduck_seconds": -1.0}, "lameduck_seconds"),
        ({"client_timeout_seconds": 0.0}, "client_timeout_seconds"),
        ({"metrics_address": "* ssl"}, "metrics_address"),
        ({"server_ca_bundle": "/a b"}, "server_ca_bundle"),
        ({"server_on_zone": True}, "server_on_zone"),
        ({"server_on_zone": True, "server": "unix:/s"}, "server_on_zone"),
        ({"server_on_zone": True, "server": "http://"}, "server_on_zone"),
        ({"server_on_zone": True, "server": "http://s:0"}, "server_on_zone"),
        ({"server_on_zone": True, "server": "http://s:99999"}, "server_on_zone"),
        ({"server_on_zone": True, "server": "http://s(1):80"}, "server_on_zone"),
        ({"server_on_zone": True, "server": "http://s/path"}, "path"),
        ({"server_on_zone": True, "server": "http://user@s"}, "user"),
        ({"server_on_zone": True, "server": "https://10.0.0.1"}, "names only"),
    ],
)
def test_settings_that_make_no_sense(values: dict, words: str):
    """Each is refused by its name, before it could reach HAProxy's configuration."""
    with pytest.raises(Misconfigured, match=words):
        GatewaySettings(**values).check()
    GatewaySettings().check()


@pytest.mark.parametrize(
    "server",
    ["http://moorage-server:8080", "https://a.b", "http://10.0.0.1:80", "http://[fd00::1]/"],
)
def test_a_server_behind_the_zone_host(server: str):
    """A host or an address, with or without a port."""
    GatewaySettings(server=server, server_on_zone=True).check()


@pytest.mark.parametrize(
    ("address", "bound"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        ("*", ("*",)),
        ("::", ("::",)),
        ("10.0.0.5", ("127.0.0.1", "10.0.0.5")),
    ],
)
def test_metrics_are_always_on_the_loopback_address_too(address: str, bound: tuple[str, ...]):
    """By an address of its own, or by one for all."""
    assert GatewaySettings(metrics_address=address).metrics_addresses == bound


@pytest.mark.parametrize(
    ("values", "zone"),
    [
        ({}, Zone("moorage.localhost", "http", 8080)),
        ({"tls_certificate": "/c.pem", "port": 8443}, Zone("moorage.localhost", "https", 8443)),
        ({"public_scheme": "https", "public_port": 443, "zone": "a.b"}, Zone("a.b", "https", 443)),
    ],
)
def test_the_zone_is_as_browsers_see_it(values: dict, zone: Zone):
    """What stands in front of HAProxy is told by settings; else it is what HAProxy listens on."""
    assert GatewaySettings(**values).as_zone == zone


@pytest.mark.parametrize(
    ("drain", "lameduck", "within"), [(600.0, 30.0, 30.0), (20.0, 30.0, 20.0), (0.0, 5.0, 0.0)]
)
def test_the_door_stays_open_no_longer_than_anything_else(
    drain: float, lameduck: float, within: float
):
    """`drain_seconds` bound all of the end."""
    assert GatewaySettings(drain_seconds=drain, lameduck_seconds=lameduck).lameduck == within
