"""The HTTP proxy that leads to a server, by the environment: `HTTPS_PROXY`, `HTTP_PROXY`,
`ALL_PROXY`, `NO_PROXY`.

One rule for whatever opens connections: the libraries' own differ from each other in what a
WebSocket takes, in what `NO_PROXY` may hold, and in what else of the environment they read.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment

from moorage.kernel.errors import Misconfigured

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def proxy_of(url: str) -> str | None:
    """The proxy's URL for an `http(s)` or `ws(s)` one; None: there is none on the way, or
    `NO_PROXY` has the host.

    `NO_PROXY` holds, with commas between them, names (which stand for what is below them, too),
    addresses, networks (`10.0.0.0/8`), each of the first two with a port if need be; or `*`. Raises
    `Misconfigured` when the environment names what is no HTTP proxy.
    """
    parts = urlsplit(url)
    name = "https" if parts.scheme in ("https", "wss") else "http"
    proxies = getproxies_environment()
    proxy = proxies.get(name) or _of_http(proxies.get("all", ""))
    if not proxy or any(_means(entry.strip(), parts) for entry in proxies.get("no", "").split(",")):
        return None
    variable = f"{name.upper()}_PROXY" if proxies.get(name) else "ALL_PROXY"
    return _checked(proxy if "://" in proxy else f"http://{proxy}", variable)


def _of_http(proxy: str) -> str:
    """ "" for another kind of proxy: `ALL_PROXY` says what holds for whoever can take it."""
    scheme, mark, _ = proxy.partition("://")
    return proxy if not mark or scheme.lower() in ("http", "https") else ""


def _means(entry: str, parts: SplitResult) -> bool:
    """Whether an entry of `NO_PROXY` is about this URL."""
    host = parts.hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    with suppress(ValueError):
        asked = urlsplit(f"//{entry}")
        if asked.port not in (None, parts.port or _PORTS.get(parts.scheme)):
            return False
        entry = asked.hostname or entry
    name = entry.lower().lstrip(".")
    return entry == "*" or (bool(name) and f".{host}".endswith(f".{name}"))


def _checked(proxy: str, variable: str) -> str:
    """Without a path; a user always with a password, which may be empty."""
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable:
        # The value itself is not shown: it may hold a password.
        raise Misconfigured(
            f"The environment variable {variable} names no HTTP proxy.",
            code="proxy-invalid",
            hint=f"Set {variable} to http://<host>:<port>, or put the server's name into NO_PROXY.",
        )
    user, at, place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{user}{':' if at and ':' not in user else ''}{at}{place}"
