"""Which proxy leads to a server."""

from __future__ import annotations

import os

import pytest

from moorage.kernel.errors import Misconfigured
from moorage.kernel.proxies import proxy_of


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://a.test", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://a.test", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "wss://a.test", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://a.test", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "ws://a.test", None),
        ({"http_proxy": "p:1"}, "ws://a.test", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "https://a.test", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "https_proxy": "http://q:1"}, "https://a.test", "http://q:1"),
        (
            {"HTTPS_PROXY": "https://u:p%40@[fd00::1]:8443/"},
            "https://a.test",
            "https://u:p%40@[fd00::1]:8443",
        ),
        ({"HTTPS_PROXY": "http://u@p"}, "https://a.test", "http://u:@p"),
    ],
)
def test_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    """A WebSocket's is that of the HTTP it begins with."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == proxy


@pytest.mark.parametrize(
    ("no_proxy", "url", "passes_by"),
    [
        ("a.test", "https://a.test", True),
        ("x, .test", "https://a.test", True),
        ("A.test", "https://b.a.TEST:8443", True),
        ("a.test", "https://ba.test", False),
        ("a.test:443", "https://a.test", True),
        ("a.test:444", "https://a.test", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3:443", "wss://10.1.2.3", True),
        ("fd00::/8", "https://[fd00::1]:8443", True),
        ("[fd00::1]", "https://[fd00::1]", True),
        ("10.0.0.0/8", "https://a.test", False),
        ("*", "https://a.test", True),
        ("x,*", "https://10.1.2.3", True),
        (",", "https://a.test", False),
    ],
)
def test_who_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, passes_by: bool
) -> None:
    """Names with all below them, addresses, networks, and everybody."""
    monkeypatch.setenv("HTTPS_PROXY", "http://p:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_of(url) is None) is passes_by


@pytest.mark.parametrize(
    ("value", "proxy"),
    [("socks5h://p:1080", None), ("http://p:3128", "http://p:3128"), ("p:3128", "http://p:3128")],
)
def test_a_proxy_for_all(monkeypatch: pytest.MonkeyPatch, value: str, proxy: str | None) -> None:
    """It holds where it can: one of another kind is for other programs."""
    monkeypatch.setenv("ALL_PROXY", value)
    assert proxy_of("https://a.test") == proxy


@pytest.mark.parametrize(
    "value", ["socks5://u:secret@p:1", "http://u:secret@p:x", "http://u:secret@"]
)
def test_what_is_no_http_proxy(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The variable is named, and its value, which may hold a password, is not."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(Misconfigured, match="HTTPS_PROXY names no HTTP proxy") as refused:
        proxy_of("https://a.test")
    assert "secret" not in str(refused.value)
