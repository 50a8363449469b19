"""An installation behind a proxy that ends TLS, at an address of its own."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integration.gateway.certificates import Authority
from integration.supervisor.installation import Installation, installation, until
from ports import free_port

ZONE = "dev.example"
FRONT = """\
global
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 3s
  timeout client 30s
  timeout server 30s
listen front
  bind 127.0.0.1:{public} ssl crt {pem}
  server moorage 127.0.0.1:{port}
"""


class Behind(httpx.HTTPTransport):
    """Reaches every host at 127.0.0.1; the Host header stays."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        place = request.url.copy_with(host="127.0.0.1")
        sent = httpx.Request(
            request.method,
            place,
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": ZONE},
        )
        return super().handle_request(sent)


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[Installation, str, Authority]]:
    authority, public = Authority(tmp_path / "ca"), free_port()
    certificate, key = authority.issue(ZONE, f"*.{ZONE}")
    pem, config = tmp_path / "front.pem", tmp_path / "front.cfg"
    pem.write_text(certificate.read_text() + key.read_text())
    url = f"https://{ZONE}:{public}"
    with installation(MOORAGE_AGENT_RUNTIME="memory") as made:
        made.started("--zone", ZONE, "--public-url", url)
        config.write_text(FRONT.format(public=public, pem=pem, port=made.port))
        front = subprocess.Popen(["haproxy", "-db", "-f", config])
        try:
            yield made, url, authority
        finally:
            front.terminate()
            front.wait(30)


@pytest.mark.haproxy
def test_signing_in_over_the_public_address(
    proxied: tuple[Installation, str, Authority],
) -> None:
    """Links, redirects and cookies are those of the address that browsers see, for Moorage's pages
    and for a workspace's host; the port that HAProxy listens on is in none of them."""
    made, url, authority = proxied
    link = made.json("sign-in-link")["url"]
    assert link.startswith(f"{url}/sign-in/link/")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with httpx.Client(transport=Behind(verify=context), headers={"Accept": "text/html"}) as browser:
        until("the proxy answers", lambda: _status(browser, link) == 200)
        assert browser.post(link, headers={"Origin": url}).status_code == 303
        assert browser.get(f"{url}/").status_code == 200
        assert {cookie.name for cookie in browser.cookies.jar} == {"__Host-moorage"}
        host = f"60001-workspace-1-1-abc123.{urlsplit(url).netloc}"
        # A workspace that is not there: as far as its host's own cookie, and what it says then.
        answer = browser.get(f"https://{host}/?folder=/x", follow_redirects=True)
        places = [each.url for each in (*answer.history, answer)]
        assert {(place.scheme, place.port) for place in places} == {("https", urlsplit(url).port)}
        start = next(place for place in places if place.path == "/auth/start")
        assert parse_qs(start.query.decode())["next"] == [f"https://{host}/?folder=/x"]
        assert (answer.status_code, answer.url.host) == (404, host.partition(":")[0])
        assert "No such workspace" in answer.text
        names = {cookie.name for cookie in browser.cookies.jar}
        assert {"__Host-moorage_gateway", "__Host-moorage_session"} <= names


def _status(browser: httpx.Client, url: str) -> int:
    try:
        return browser.get(url).status_code
    except httpx.HTTPError:
        return 0
