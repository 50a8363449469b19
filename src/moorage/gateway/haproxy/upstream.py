"""Says how HAProxy finds the server that it forwards the zone host's traffic to. Pure.

HAProxy asks the name servers by itself, again and again, so that an address may change and a name
may come to be while it runs. But it knows neither `/etc/hosts` nor the search list of `resolv.conf`
(resolv.conf(5)), which Kubernetes' short names need; so each name that the C library would try
becomes a server of its own, in the C library's order. Those whose name does not exist are out of
service until it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from moorage.kernel.addresses import is_address
from moorage.kernel.sockets import format_address

_PORTS = {"http": 80, "https": 443}
_NAME_SERVERS = 3
"""The C library asks as many."""
_SEARCH = 6
_RESOLVED = "resolvers dns resolve-prefer ipv4 init-addr none"
"""Not by the C library: with name servers that do not answer, that would keep HAProxy from starting
for minutes."""


@dataclass(frozen=True)
class Upstream:
    """A process that HAProxy forwards requests to."""

    addresses: tuple[str, ...]
    """`unix@<path>` or `<host>:<port>`; the first that is there is used."""
    options: str = ""
    """Options of each of these servers, as HAProxy's configuration has them."""
    name_servers: tuple[str, ...] = ()
    """Name servers that HAProxy asks for the names; none: it looks them up once, by the C
    library."""

    def lines(self, name: str) -> str:
        """The `server` lines of a backend; `name`: what HAProxy calls the server."""
        return "\n".join(
            f"  server {name}{number or ''} {address} {self.options}{' backup' if number else ''}".rstrip()
            for number, address in enumerate(self.addresses)
        )


def by_socket(path: str) -> Upstream:
    """A process on a Unix socket."""
    return Upstream((f"unix@{path}",))


def by_tcp(url: str, *, ca_file: str, hosts: str, resolv_conf: str) -> Upstream:
    """`url`: `http://<host>[:<port>]` or https, whose certificate is verified by the CAs in
    `ca_file`; `hosts` and `resolv_conf`: the texts of these files, "" without."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]
    options = _tls(host, ca_file) if parts.scheme == "https" else ""
    if is_address(host):
        return Upstream((format_address(host, port),), options)
    name_servers = _name_servers(resolv_conf)
    if not name_servers or host in _names(hosts):
        return Upstream((f"{host}:{port}",), f"init-addr libc,none {options}".rstrip())
    names = (host,) if (parts.hostname or "").endswith(".") else _candidates(host, resolv_conf)
    return Upstream(
        tuple(f"{name}:{port}" for name in names), f"{_RESOLVED} {options}".rstrip(), name_servers
    )


def _tls(host: str, ca_file: str) -> str:
    return f"ssl verify required ca-file {ca_file} sni str({host}) verifyhost {host}"


def _names(hosts: str) -> set[str]:
    lines = (line.partition("#")[0].split() for line in hosts.splitlines())
    return {name.lower() for line in lines for name in line[1:]}


def _name_servers(resolv_conf: str) -> tuple[str, ...]:
    """With their port; those with a zone index (link-local ones) are left out, as HAProxy cannot
    reach them."""
    lines = (line.split() for line in resolv_conf.splitlines())
    addresses = [line[1] for line in lines if len(line) > 1 and line[0] == "nameserver"]
    usable = [address for address in addresses if is_address(address)]
    return tuple(format_address(address, 53) for address in usable[:_NAME_SERVERS])


def _candidates(host: str, resolv_conf: str) -> tuple[str, ...]:
    """The names that the C library tries for one, in its order."""
    search: list[str] = []
    dots = 1
    for words in (line.split() for line in resolv_conf.splitlines()):
        match words:
            case ["search", *domains]:
                search = domains[:_SEARCH]
            case ["domain", domain]:
                search = [domain]
            case ["options", *options]:
                found = [o.removeprefix("ndots:") for o in options if o.startswith("ndots:")]
                dots = int(found[-1]) if found and found[-1].isdigit() else dots
    searched = [f"{host}.{domain.strip('.').lower()}" for domain in search if domain.strip(".")]
    names = [host, *searched] if host.count(".") >= dots else [*searched, host]
    return tuple(dict.fromkeys(names))
