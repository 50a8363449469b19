"""The zone as browsers see it: origins, cookie names, and which URLs are its workspaces'. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from moorage.contract.hosts import LOCALHOST, WorkspaceHost, host_of, parse_host
from moorage.kernel.links import own_path

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NEXT_LIMIT = 4096
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Zone:
    """A DNS zone and how browsers reach it."""

    name: str
    scheme: str
    """`http` or `https`."""
    port: int

    @property
    def secure(self) -> bool:
        """Whether browsers come over TLS."""
        return self.scheme == "https"

    @property
    def origin(self) -> str:
        """The origin of the gateway's own host, as browsers write it in `Origin`."""
        return self.origin_of(self.name)

    def origin_of(self, host: str) -> str:
        """`host` without a port."""
        return f"{self.scheme}://{host}{self.port_suffix}"

    @property
    def authority(self) -> str:
        """Host and port of the gateway's own host, as browsers write them in `Host`."""
        return f"{self.name}{self.port_suffix}"

    @property
    def port_suffix(self) -> str:
        """The port as a URL has it; "" where it is the scheme's own."""
        return "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"

    @property
    def session_cookie(self) -> str:
        """On a workspace's host: who is signed in there."""
        return self._cookie("moorage_session")

    @property
    def binding_cookie(self) -> str:
        """On a workspace's host, while somebody signs in: ties the hand-over to the browser that
        asked for it."""
        return self._cookie("moorage_binding")

    @property
    def gateway_cookie(self) -> str:
        """On the zone's own host: who is signed in at this gateway. The server's cookie there is
        `moorage`."""
        return self._cookie("moorage_gateway")

    @property
    def state_cookie(self) -> str:
        """On the zone's own host, while somebody signs in: ties the server's answer to the browser
        that asked."""
        return self._cookie("moorage_state")

    @property
    def server_cookie(self) -> str:
        """On the zone's own host, where the server is behind it: who is signed in at the server."""
        return self._cookie("moorage")

    def cookies_of(self, host: str) -> tuple[str, ...]:
        """Names of ours that a browser may send to that host."""
        if self.is_own_host(host):
            return self.gateway_cookie, self.state_cookie, self.server_cookie
        return self.session_cookie, self.binding_cookie

    @property
    def cookie_prefix(self) -> str:
        """`__Host-` (RFC 6265bis, 4.1.3.2): no other host of the zone can plant it. Browsers take
        it over TLS only."""
        return "__Host-" if self.secure else ""

    def _cookie(self, name: str) -> str:
        return f"{self.cookie_prefix}{name}"

    def workspace_host(self, host: str) -> WorkspaceHost | None:
        """Reads what a `Host` header names; None when it is no workspace's host here."""
        return parse_host(host, self.name)

    @property
    def former_hosts(self) -> tuple[str, ...]:
        """Hosts that stand for the zone's own where the zone lies below `localhost`: what one
        machine's was called in earlier versions, and what people type. () for any other zone."""
        return (LOCALHOST, "127.0.0.1") if self.name.endswith(f".{LOCALHOST}") else ()

    def moved_to(self, host: str) -> str | None:
        """The host of this zone that a `Host` header of the former zone means now; None when it
        means none."""
        if not self.former_hosts:
            return None
        if host_name(host) in self.former_hosts:
            return self.name
        found = parse_host(host, LOCALHOST)
        return host_of(found.workspace, found.port, self.name) if found else None

    def is_kin(self, origin: str, host: str) -> bool:
        """Whether an origin is a port of the workspace that a `Host` header names."""
        page = self.destination(origin)
        theirs = self.workspace_host(page.host) if page else None
        asked = self.workspace_host(host)
        return theirs is not None and asked is not None and theirs.workspace == asked.workspace

    def is_own_host(self, host: str) -> bool:
        """Whether a `Host` header names the zone itself: the gateway's own host."""
        return host_name(host) == self.name

    def destination(self, url: str) -> Destination | None:
        """Where a sign-in may lead: a workspace's host of this zone, with the zone's scheme and
        port. Else None.

        What it returns is put together anew from what was understood, so that a browser cannot read
        the URL in another way than this function did.
        """
        if (
            len(url) > _NEXT_LIMIT
            or not url.isascii()
            or any(c <= " " or c in "\\\x7f" for c in url)
        ):
            return None
        try:
            parts = urlsplit(url)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            return None
        if parts.scheme != self.scheme or port != self.port or "@" in parts.netloc:
            return None
        found = parse_host(parts.hostname or "", self.name)
        if found is None:
            return None
        host = f"{found.port}-{found.workspace}.{self.name}"
        return Destination(
            host, own_path((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        )


@dataclass(frozen=True)
class Destination:
    """A URL on a workspace's host. `host` is canonical and has no port; `path` begins with `/` and
    has the query."""

    host: str
    path: str

    def url(self, zone: Zone) -> str:
        """The whole URL."""
        return zone.origin_of(self.host) + self.path


def host_name(host: str) -> str:
    """A `Host` header without its port, in lower case."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def usable_origin(url: str) -> str:
    """`url` when it is an http(s) origin that HAProxy's configuration and a Location can hold as it
    is; else ""."""
    return url if _ORIGIN.fullmatch(url) else ""
