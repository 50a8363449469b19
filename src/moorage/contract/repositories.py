"""Which repository a URL names, for whoever decides about a credential: servers and agents, which
trust nobody. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_STRANGE = re.compile(r"[\x00-\x20\x7f\\]")
_PORTS = {"http": 80, "https": 443}


class RepositoryPlace(NamedTuple):
    """Two URLs of one repository have the same; those of different repositories never have."""

    protocol: str
    """`http` or `https`."""
    host: str
    """In small letters, with `:port` when it is not the protocol's own."""
    path: str
    """Decoded, without slashes at its ends and without `.git`."""

    @property
    def origin(self) -> str:
        return f"{self.protocol}://{self.host}"


def place_of(url: str) -> RepositoryPlace | None:
    """None for what is no http(s) URL, and for one that programs could read differently: with a
    user, a query, a host that is not plain ASCII, an encoded slash, a path that goes up. Such a URL
    gets no credential, whatever it names."""
    if _STRANGE.search(url) or not url.isascii() or "?" in url or "#" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = re.sub(r":[0-9]*$", "", parts.netloc.lower())
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host):
        return None
    path = _path(parts.path)
    if path is None:
        return None
    shown = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    return RepositoryPlace(parts.scheme, shown, path)


def _path(text: str) -> str | None:
    segments = text.removeprefix("/").rstrip("/").split("/")
    try:
        decoded = [unquote(segment, errors="strict") for segment in segments]
    except UnicodeDecodeError:
        return None
    if any(
        segment in ("", ".", "..") or "/" in segment or _STRANGE.search(segment)
        for segment in decoded
    ):
        return None
    path = "/".join(decoded).removesuffix(".git")
    return None if not path or path.endswith("/") else path
