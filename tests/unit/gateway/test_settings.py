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
        ({"server": "ftp://x"}, "server"),
        ({"idle_hours": 1000.0}, "idle_hours"),
    ],
)
def test_settings_that_make_no_sense(values: dict, words: str):
    """Each is refused by its name, before it could reach HAProxy's configuration."""
    with pytest.raises(Misconfigured, match=words):
        GatewaySettings(**values).check()
    GatewaySettings().check()


@pytest.mark.parametrize(
    ("values", "zone"),
    [
        ({}, Zone("localhost", "http", 8080)),
        ({"tls_certificate": "/c.pem", "port": 8443}, Zone("localhost", "https", 8443)),
        ({"public_scheme": "https", "public_port": 443, "zone": "a.b"}, Zone("a.b", "https", 443)),
    ],
)
def test_the_zone_is_as_browsers_see_it(values: dict, zone: Zone):
    """What stands in front of HAProxy is told by settings; else it is what HAProxy listens on."""
    assert GatewaySettings(**values).as_zone == zone
