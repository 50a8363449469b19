"""The zone as browsers see it: where a sign-in may lead, and what cookies are called."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.gateway.zone import Destination, Zone, host_name

LOCAL = Zone("localhost", "http", 8080)
SECURE = Zone("ws.example.dev", "https", 443)
HOST = "8080-workspace-1-2-abc123"


@pytest.mark.parametrize(
    ("zone", "url", "found"),
    [
        (LOCAL, f"http://{HOST}.localhost:8080/", Destination(f"{HOST}.localhost", "/")),
        (LOCAL, f"http://{HOST}.localhost:8080", Destination(f"{HOST}.localhost", "/")),
        (
            LOCAL,
            f"http://{HOST.upper()}.LOCALHOST:8080/A?b=C",
            Destination(f"{HOST}.localhost", "/A?b=C"),
        ),
        (LOCAL, f"http://{HOST}.localhost:8080/a#fragment", Destination(f"{HOST}.localhost", "/a")),
        (
            LOCAL,
            f"http://{HOST}.localhost:8080//evil.example/",
            Destination(f"{HOST}.localhost", "/"),
        ),
        (SECURE, f"https://{HOST}.ws.example.dev/x", Destination(f"{HOST}.ws.example.dev", "/x")),
        (
            SECURE,
            f"https://{HOST}.ws.example.dev:443/x",
            Destination(f"{HOST}.ws.example.dev", "/x"),
        ),
        (LOCAL, f"http://{HOST}.localhost:8081/", None),
        (LOCAL, f"http://{HOST}.localhost/", None),
        (LOCAL, f"https://{HOST}.localhost:8080/", None),
        (LOCAL, "http://localhost:8080/", None),
        (LOCAL, f"http://{HOST}.localhost.evil.example:8080/", None),
        (LOCAL, f"http://x.{HOST}.localhost:8080/", None),
        (LOCAL, "http://70000-workspace-1-2-abc123.localhost:8080/", None),
        (LOCAL, "http://080-workspace-1-2-abc123.localhost:8080/", None),
        (LOCAL, f"http://user@{HOST}.localhost:8080/", None),
        (LOCAL, f"http://evil.example@{HOST}.localhost:8080/", None),
        (LOCAL, f"http://{HOST}.localhost:8080@evil.example/", None),
        (LOCAL, f"http://{HOST}.localhost:8080\\@evil.example/", None),
        (LOCAL, f"http://evil.example\\{HOST}.localhost:8080/", None),
        (LOCAL, f"//{HOST}.localhost:8080/", None),
        (LOCAL, f"javascript://{HOST}.localhost:8080/%0aalert(1)", None),
        (LOCAL, f"http://{HOST}.localhost:8080/\r\nSet-Cookie: a=b", None),
        (LOCAL, f"http://{HOST}.localhost:8080/\x00", None),
        (LOCAL, f"http://{HOST}。localhost:8080/", None),
        (LOCAL, f"http://{HOST}.localhost:99999/", None),
        (LOCAL, f"http://{HOST}.localhost:8080/{'a' * 5000}", None),
        (LOCAL, "http://[::1", None),
        (LOCAL, "", None),
        (SECURE, f"http://{HOST}.ws.example.dev/x", None),
    ],
)
def test_where_a_sign_in_may_lead(zone: Zone, url: str, found: Destination | None):
    """Only to a workspace's host of the zone, with the zone's own scheme and port."""
    assert zone.destination(url) == found


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_leads_somewhere_leads_to_a_workspace(before: str, after: str):
    """Of any text, what is accepted becomes a URL on a workspace's host."""
    for url in (before + after, f"http://{before}{HOST}.localhost:8080{after}"):
        wanted = LOCAL.destination(url)
        if wanted is not None:
            parts = urlsplit(wanted.url(LOCAL))
            assert (parts.scheme, parts.netloc) == ("http", f"{wanted.host}:8080")
            assert LOCAL.workspace_host(wanted.host) is not None
            assert wanted.path.startswith("/")


def test_cookies_have_names_that_do_not_clash():
    """Four names, none of them the server's; under TLS with the prefix that ties a cookie to its
    host."""

    def names(zone: Zone) -> list[str]:
        return [zone.session_cookie, zone.binding_cookie, zone.gateway_cookie, zone.state_cookie]

    assert len({*names(LOCAL), "moorage"}) == 5
    assert names(SECURE) == [f"__Host-{name}" for name in names(LOCAL)]


@pytest.mark.parametrize(
    ("zone", "origin"),
    [
        (LOCAL, "http://localhost:8080"),
        (SECURE, "https://ws.example.dev"),
        (Zone("a.b", "https", 8443), "https://a.b:8443"),
        (Zone("a.b", "http", 80), "http://a.b"),
    ],
)
def test_the_origin_is_written_as_browsers_do(zone: Zone, origin: str):
    """Without the scheme's default port."""
    assert zone.origin == origin


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.b:80", "a.b"), ("a.b", "a.b"), ("[::1]:8080", "[::1]"), ("a.b:", "a.b:"), ("", "")],
)
def test_a_host_header_without_its_port(host: str, name: str):
    """Lower case, and no port."""
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("zone", "host", "moved"),
    [
        ("moorage.localhost", "localhost:8080", "moorage.localhost"),
        ("moorage.localhost", "LocalHost", "moorage.localhost"),
        ("moorage.localhost", "127.0.0.1:8080", "moorage.localhost"),
        ("moorage.localhost", f"{HOST}.localhost:8080", f"{HOST}.moorage.localhost"),
        ("moorage.localhost", "moorage.localhost:8080", None),
        ("moorage.localhost", f"{HOST}.moorage.localhost:8080", None),
        ("moorage.localhost", f"x{HOST}.localhost", None),
        ("moorage.localhost", f"{HOST}.localhost.evil.example", None),
        ("moorage.localhost", "", None),
        ("dev.localhost", f"{HOST}.localhost", f"{HOST}.dev.localhost"),
        ("localhost", "localhost", None),
        ("localhost", f"{HOST}.localhost", None),
        ("dev.example.com", "localhost", None),
        ("dev.example.com", "127.0.0.1", None),
        ("notlocalhost", "localhost", None),
    ],
)
def test_what_an_address_of_the_former_zone_means_now(zone: str, host: str, moved: str | None):
    """The same workspace and port, where the zone lies below `localhost`; elsewhere nothing."""
    assert Zone(zone, "http", 8080).moved_to(host) == moved
