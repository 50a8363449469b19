"""The gateway's settings: table `[gateway]` of `settings.toml`, or `MOORAGE_GATEWAY_<FIELD>`."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from moorage.contract.hosts import ONE_MACHINE_ZONE
from moorage.gateway.haproxy import words
from moorage.gateway.zone import Zone
from moorage.kernel.addresses import Network, is_address
from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import Home
from moorage.kernel.log import Format

_ZONE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")

_MOST_CLIENT_TIMEOUT_SECONDS = 86_400

_MOST_CERTIFICATE_SECONDS = 86_400

_MOST_DRAIN_SECONDS = 86_400

_MOST_IDLE_HOURS = 500
"""HAProxy counts milliseconds in 31 bits."""


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[gateway]`: of the controller and of HAProxy."""

    zone: str = ONE_MACHINE_ZONE
    """DNS zone of the workspaces: `<port>-<workspace>.<zone>`. The zone itself is the gateway's own
    host."""
    address: str = "127.0.0.1"
    """Address that HAProxy listens on; `*` for all, of IPv4 and IPv6."""
    port: int = 8080
    """TCP port that HAProxy listens on."""
    metrics_port: int = 0
    """TCP port for metrics and probes. 0: the one after `port`."""
    metrics_address: str = "127.0.0.1"
    """Address that the metrics port answers at beside 127.0.0.1, for probes and Prometheus on other
    hosts; `*` for all. They get `/metrics/haproxy`, `/metrics/gateway`, `/healthz`,
    `/healthz/gateway` and `/healthz/serving` there, and nothing else."""
    public_scheme: Literal["", "http", "https"] = ""
    """The scheme that browsers see, where something in front of HAProxy ends TLS. "": https with a
    certificate, else http."""
    public_port: int = 0
    """The port that browsers see, where something in front of HAProxy listens on another. 0:
    `port`."""
    proxy_protocol: bool = False
    """Connections to `port` begin with a header of the PROXY protocol (version 1 or 2), which a
    balancer that is a proxy says the browser's address by. One without it is closed; without this
    setting, one with it is answered 400."""
    proxy_protocol_from: tuple[str, ...] = ()
    """Addresses or ranges (CIDR) that this holds for; all others come without such a header, and
    cannot claim an address. (): it holds for everybody, so that nobody but the balancer may reach
    the port."""
    tls_certificate: str = ""
    """Certificate chain and key for the zone and `*.<zone>`; one for both, or several entries with
    commas between them. Each is a combined PEM file, a `.crt` with a `.key` beside it, or a folder
    with `tls.crt` and `tls.key` (a mounted Secret) or with files `*.pem`. Renewed ones are taken up
    within `certificate_seconds`. "": plain HTTP."""
    certificate_seconds: float = 15.0
    """Seconds between two looks at the files of `tls_certificate`."""
    server: str = ""
    """`unix:<path>` or the URL of the server. "": `<home>/run/server.sock`."""
    server_on_zone: bool = False
    """Where `server` is an http(s) URL: HAProxy itself carries the zone host's traffic there, so
    that pages, API and agents' WebSockets have that host. False: browsers are sent to the server's
    own address."""
    server_ca_bundle: str = ""
    """PEM file with further CAs that an https server's certificate may be of, beside those that the
    system trusts."""
    workspace_networks: tuple[str, ...] = ()
    """Networks (CIDR) that workspaces are in: the gateway leads to no other address, whatever an
    agent reports. (): to all but loopback, link-local, multicast and metadata addresses, of which
    only loopback ones can be listed."""
    threads: int = 0
    """HAProxy's threads. 0: one per processor."""
    connections: int = 8192
    """Browser connections that HAProxy takes at a time, at most; fewer where the limit of open
    files is lower."""
    client_timeout_seconds: float = 60.0
    """A browser that owes its TLS handshake, the rest of a body for the server's pages and API, or
    reading on, and does nothing for so long, is cut off. Such a body has to be answered within it,
    too. What only waits for an answer has no such limit, and a WebSocket has `idle_hours`."""
    idle_hours: float = 24.0
    """An open WebSocket over which nothing passes for so long is closed."""
    drain_seconds: float = 0.0
    """After SIGTERM, HAProxy soon takes no new connections, and ends when the open ones have ended,
    or after so long. The controller works on until then. 0: both end at once."""
    lameduck_seconds: float = 5.0
    """The first of `drain_seconds`: HAProxy still takes new connections, while
    `/healthz/gateway` says 503 so that load balancers turn away. Longer than these need to notice:
    the interval of their health check, times its failures. Never longer than `drain_seconds`."""
    server_body_limit: int = 2 << 20
    """Bytes of a request's body to the server's pages and API; more is refused with 413."""
    code_seconds: float = 30.0
    """Seconds that a code lives which hands a sign-in over to a workspace's host."""
    sign_in_minutes: float = 15.0
    """Minutes that a person may take at the server's sign-in page before they have to begin
    anew."""
    haproxy: str = "haproxy"
    """The program: a name that is looked up in PATH, or a path."""
    log_format: Format = "console"
    """`console` for a person who reads along, `json` for a collector of logs: one object on each
    line."""
    log_level: str = "info"
    """What is logged: `debug`, `info`, `warning` or `error`, and what is worse."""

    @property
    def as_zone(self) -> Zone:
        """The zone as browsers see it."""
        scheme = self.public_scheme or ("https" if self.tls_certificates else "http")
        return Zone(name=self.zone, scheme=scheme, port=self.public_port or self.port)

    @property
    def tls_certificates(self) -> tuple[str, ...]:
        """The entries of `tls_certificate`."""
        return tuple(entry for entry in self.tls_certificate.split(",") if entry)

    @property
    def networks(self) -> tuple[Network, ...]:
        """`workspace_networks`, understood."""
        return tuple(ipaddress.ip_network(entry, strict=False) for entry in self.workspace_networks)

    @property
    def lameduck(self) -> float:
        """`lameduck_seconds`, within `drain_seconds`."""
        return min(self.lameduck_seconds, self.drain_seconds)

    @property
    def metrics(self) -> int:
        """The TCP port for metrics and probes."""
        return self.metrics_port or self.port + 1

    @property
    def metrics_addresses(self) -> tuple[str, ...]:
        """Addresses that the metrics port is bound to; never two that exclude each other."""
        if self.metrics_address in ("*", "0.0.0.0", "::", "127.0.0.1"):  # noqa: S104 - asked for by name
            return (self.metrics_address,)
        return "127.0.0.1", self.metrics_address

    def server_socket(self, home: Home) -> Path | None:
        """The server's Unix socket; None when it is reached by URL."""
        if not self.server:
            return home.socket("server")
        return Path(self.server.removeprefix("unix:")) if self.server.startswith("unix:") else None

    def check(self) -> None:
        """Raises `Misconfigured` for values that are well-formed but make no sense."""
        if not _ZONE.fullmatch(self.zone):
            raise _wrong(f"zone = {self.zone!r} is no DNS name in lower case.")
        self._check_texts()
        for name in ("port", "metrics"):
            if not 1 <= getattr(self, name) <= 65535:
                raise _wrong(f"{name} = {getattr(self, name)} is no TCP port.")
        self._check_bounds()
        self._check_networks()
        if self.server_on_zone:
            self._check_server_on_zone()
        elif self.server and not _is_address_of_a_server(self.server):
            raise _wrong(f"server = {self.server!r} is neither unix:<path> nor an http(s) URL.")

    def _check_bounds(self) -> None:
        for name, most in (
            ("client_timeout_seconds", _MOST_CLIENT_TIMEOUT_SECONDS),
            ("certificate_seconds", _MOST_CERTIFICATE_SECONDS),
            ("idle_hours", _MOST_IDLE_HOURS),
        ):
            if not 0 < getattr(self, name) <= most:
                raise _wrong(f"{name} = {getattr(self, name)} is not above 0 and at most {most}.")
        for name in ("drain_seconds", "lameduck_seconds"):
            if not 0 <= getattr(self, name) <= _MOST_DRAIN_SECONDS:
                raise _wrong(
                    f"{name} = {getattr(self, name)} is not between 0 and {_MOST_DRAIN_SECONDS}."
                )

    def _check_texts(self) -> None:
        for name in ("address", "metrics_address", "tls_certificate", "server", "server_ca_bundle"):
            text = getattr(self, name)
            if re.search(r"[\s\"'\\#]", text):
                raise _wrong(f"{name} may hold no space, quote, backslash or #.")
            # These stand in HAProxy's configuration as they are; a server's URL is put together
            # anew, a bundle is not HAProxy's.
            if name not in ("server", "server_ca_bundle") and text and not words.is_word(text):
                raise _wrong(f"{name} may hold letters, digits and . _ : / @ * + = , - alone.")
        if relative := [entry for entry in self.tls_certificates if not entry.startswith("/")]:
            raise _wrong(f"tls_certificate: {relative[0]} is no absolute path.")

    def _check_networks(self) -> None:
        if self.proxy_protocol_from and not self.proxy_protocol:
            raise _wrong(
                "proxy_protocol_from says whose header counts, but proxy_protocol is not true."
            )
        for name in ("proxy_protocol_from", "workspace_networks"):
            for entry in getattr(self, name):
                try:
                    ipaddress.ip_network(entry, strict=False)
                except ValueError:
                    raise _wrong(f"{name}: {entry!r} is no address and no range (CIDR).") from None

    def _check_server_on_zone(self) -> None:
        try:
            parts = urlsplit(self.server)
            usable = parts.scheme in ("http", "https") and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not _HOST.fullmatch(parts.hostname or ""):
            raise _wrong(
                f"server_on_zone needs the server's address as http://<host>:<port> or https://…, not {self.server!r}."
            )
        if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
            raise _wrong(
                f"server = {self.server!r} may have no user, path or query with server_on_zone."
            )
        if parts.scheme == "https" and is_address(parts.hostname or ""):
            raise _wrong(
                f"server = {self.server!r}: HAProxy verifies names only. Name a host that the server's certificate is for."
            )


def _is_address_of_a_server(text: str) -> bool:
    try:
        scheme, port = urlsplit(text).scheme, urlsplit(text).port
    except ValueError:
        return False
    return scheme == "unix" or (scheme in ("http", "https") and port != 0)


def _wrong(message: str) -> Misconfigured:
    return Misconfigured(
        f"The settings of [gateway] are not usable: {message}",
        code="settings-invalid",
        hint="Look at settings.toml and the variables MOORAGE_GATEWAY_….",
    )
