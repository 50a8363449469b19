"""How HAProxy finds a server by TCP."""

from __future__ import annotations

import pytest

from moorage.gateway.haproxy.upstream import Upstream, by_socket, by_tcp

HOSTS = "127.0.0.1 localhost\n10.1.1.1 inside.test Alias # not.this\n"
PLAIN = "nameserver 10.0.0.53\n"
POD = "search ns.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
ASKED = "resolvers dns resolve-prefer ipv4 init-addr none"
ONCE = "init-addr libc,none"


@pytest.mark.parametrize(
    ("url", "resolv_conf", "expected"),
    [
        ("http://10.0.0.1:8080", POD, Upstream(("10.0.0.1:8080",))),
        ("http://[fd00::1]", POD, Upstream(("[fd00::1]:80",))),
        ("http://inside.test", POD, Upstream(("inside.test:80",), ONCE)),
        ("http://ALIAS", POD, Upstream(("alias:80",), ONCE)),
        ("http://a.test", "", Upstream(("a.test:80",), ONCE)),
        (
            "http://a.test",
            "nameserver fe80::1%eth0\nnameserver x\n",
            Upstream(("a.test:80",), ONCE),
        ),
        ("http://not.this", PLAIN, Upstream(("not.this:80",), ASKED, ("10.0.0.53:53",))),
        ("http://a", "nameserver fd00::53\n", Upstream(("a:80",), ASKED, ("[fd00::53]:53",))),
        (
            "http://server:8080",
            POD,
            Upstream(
                (
                    "server.ns.svc.cluster.local:8080",
                    "server.svc.cluster.local:8080",
                    "server.cluster.local:8080",
                    "server:8080",
                ),
                ASKED,
                ("10.96.0.10:53",),
            ),
        ),
        (
            "http://server.ns",
            f"domain old.test\nsearch X.test.\n{PLAIN}",
            Upstream(("server.ns:80", "server.ns.x.test:80"), ASKED, ("10.0.0.53:53",)),
        ),
        ("http://server.ns.:81", POD, Upstream(("server.ns:81",), ASKED, ("10.96.0.10:53",))),
        (
            "http://a.test",
            "nameserver 1.1.1.1\n" * 5,
            Upstream(("a.test:80",), ASKED, ("1.1.1.1:53",) * 3),
        ),
    ],
)
def test_names_as_the_c_library_finds_them(url: str, resolv_conf: str, expected: Upstream):
    """Addresses stand for themselves; names of the hosts file, or without name servers, are looked
    up once; others are asked for, in the order of the search list."""
    assert by_tcp(url, ca_file="", hosts=HOSTS, resolv_conf=resolv_conf) == expected


def test_https_is_verified_by_the_settings_name():
    """Not by the name that the search list made of it."""
    found = by_tcp("https://server", ca_file="ca.pem", hosts="", resolv_conf=POD)
    assert found.addresses[0] == "server.ns.svc.cluster.local:443"
    assert (
        found.options
        == f"{ASKED} ssl verify required ca-file ca.pem sni str(server) verifyhost server"
    )


def test_the_first_name_that_is_there_is_used():
    """HAProxy takes a server that is marked as backup only while those before it are out of
    service."""
    assert (
        Upstream(("a:1", "b:1"), "x").lines("server")
        == "  server server a:1 x\n  server server1 b:1 x backup"
    )
    assert (
        by_socket("../run/server.sock").lines("server") == "  server server unix@../run/server.sock"
    )
