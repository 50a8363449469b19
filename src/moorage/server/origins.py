"""Origins as browsers write them: what they send as `Origin` is compared with text that a person
wrote. Pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def origin_of(text: str) -> str:
    """Scheme and host in lower case, and the port unless it is the scheme's own (URL standard, "URL
    serializing" and "origin"); "" for whatever is no http(s) origin."""
    try:
        parts = urlsplit(text.strip())
        host, port = _host(parts.hostname or ""), parts.port
    except ValueError:
        return ""
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _PORTS or not host or port == 0 or more:
        return ""
    return f"{parts.scheme}://{host}" + (
        f":{port}" if port and port != _PORTS[parts.scheme] else ""
    )


def _host(host: str) -> str:
    """A name in ASCII, or an address in its shortest form; "" for anything else. Raises
    `ValueError` for an address that is none."""
    if ":" in host:
        return "" if "%" in host else f"[{ipaddress.IPv6Address(host)}]"
    if not _NAME.fullmatch(host):
        return ""
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return str(ipaddress.IPv4Address(host))
    return host
