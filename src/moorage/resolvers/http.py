"""Devfiles over HTTP, from hosts that an administrator names, and never from inside the network.

A devfile's text is a stranger's: its URL is the server's request (server-side request forgery). So:
the host must be on the list; its name is resolved here, once, and every address must be one that
may be reached (`kernel.addresses.Egress`); the connection goes to just that address, so that a
second answer of the DNS changes nothing; each redirect starts over; no proxy of the environment, no
cookies, no credentials; limits on time, size and redirects.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import httpcore

from moorage.devfile import Reference, ResolutionError, Resolved
from moorage.devfile.recognition import CODE, HINT, is_devfile
from moorage.documents.limits import MAX_BYTES
from moorage.kernel.addresses import Egress, bracketed, canonical_host

Lookup = Callable[[str, int], Sequence[str]]
"""Host and port → addresses as text. Raises `OSError`."""

_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:]+))(?::(?P<port>[0-9]+))?")
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float = 10.0
    """Seconds for one document, redirects included."""
    size: int = MAX_BYTES
    """Bytes of a document."""
    redirects: int = 3
    fresh: float = 300.0
    """Seconds for which a document is not asked for again."""
    cached: int = 64 * 1024 * 1024
    """Bytes of documents kept."""


@dataclass(frozen=True, slots=True)
class _Target:
    path: str
    """Path, with the query."""
    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        host = bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class HttpResolver:
    """`hosts`: `host`, `host:port` or `*.domain`. `registry`: where an id without a registry's URL
    is looked for.

    `networks`: what may be reached although it is not public (`Egress.of`), for an organisation's
    own hosts. `insecure`: allow http, too. May be used from several threads.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        registry: str = "",
        networks: Sequence[str] = (),
        insecure: bool = False,
        limits: Limits | None = None,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.hosts = tuple(host.strip().lower() for host in hosts if host.strip())
        self.registry = registry
        self.egress = Egress.of(networks)
        self.insecure = insecure
        self.limits = limits or Limits()
        self.lookup = lookup or _system_lookup
        self.cache = DigestCache(self.limits.cached)
        self._tls = tls or ssl.create_default_context()

    def resolve(self, reference: Reference) -> Resolved:
        """The document at the reference's URL. Raises `ResolutionError`."""
        url = self._url(reference)
        if (known := self.cache.get(url, self.limits.fresh)) is not None:
            return Resolved(known, url)
        content = self._fetch(url)
        if not is_devfile(content):
            # An error in it would show lines of a page that whoever wrote the reference may not be
            # able to open.
            raise ResolutionError(CODE, f"{url[:200]} is no devfile.", HINT)
        self.cache.put(url, content)
        return Resolved(content, url)

    def _url(self, reference: Reference) -> str:
        if reference.name:
            raise ResolutionError(
                "kubernetes-reference",
                "A parent or plugin cannot be taken out of a Kubernetes cluster here.",
                "Name it by its uri, or by id and registryUrl.",
            )
        if reference.uri:
            return (
                _joined(reference.base, reference.uri) if "://" in reference.base else reference.uri
            )
        registry = (reference.registry_url or self.registry).rstrip("/")
        if not registry:
            raise ResolutionError(
                "no-registry",
                f"{reference.id!r} is looked for in a registry, and none is named.",
                "Add a line 'registryUrl: https://…'.",
            )
        return "/".join(
            part
            for part in (registry, "devfiles", reference.id.strip("/"), reference.version)
            if part
        )

    def _fetch(self, url: str) -> bytes:
        deadline = time.monotonic() + self.limits.seconds
        for _ in range(self.limits.redirects + 1):
            target = self._target(url)
            address = self._address(target)
            found = self._get(target, address, deadline)
            if isinstance(found, bytes):
                return found
            url = _joined(url, found)
        raise ResolutionError(
            "too-many-redirects",
            f"{url[:200]} is redirected more than {self.limits.redirects} times.",
        )

    def _target(self, url: str) -> _Target:
        """The parts of the URL. Raises `ResolutionError` when it may not be fetched."""
        try:
            parts = urlsplit(url)
            scheme, host = parts.scheme.lower(), canonical_host(parts.hostname or "")
            port = parts.port or _PORTS.get(scheme, 0)
        except ValueError as error:
            raise _no_url(url) from error
        if scheme not in _PORTS or (scheme == "http" and not self.insecure):
            raise ResolutionError(
                "bad-url",
                f"{url[:200]!r} cannot be fetched: it is no URL of the kind that is allowed.",
                "Use an https:// URL.",
            )
        if parts.username is not None or parts.password is not None:
            raise ResolutionError("bad-url", "A URL with a user name or password is not fetched.")
        if not self._allowed(host, port, scheme):
            raise ResolutionError(
                "host-not-allowed",
                f"Nothing is fetched from the host {host[:100]!r}.",
                "An administrator can add it to devfile_hosts."
                + (f" Allowed are: {', '.join(self.hosts[:20])}." if self.hosts else ""),
            )
        path = quote(
            urlunsplit(("", "", parts.path or "/", parts.query, "")), safe="/%?&=+,;:@!$'()*~#-._"
        )
        return _Target(path, scheme, host, port)

    def _allowed(self, host: str, port: int, scheme: str) -> bool:
        for allowed in self.hosts:
            found = _HOST.fullmatch(allowed)
            if found is None or port != int(found["port"] or _PORTS[scheme]):
                continue
            name = found["name"] or found["address"]
            if host == name or (
                name.startswith("*.") and host.endswith(name[1:]) and host != name[2:]
            ):
                return True
        return False

    def _address(self, target: _Target) -> str:
        """The address to connect to; every one of the host's must be allowed."""
        try:
            addresses = self.lookup(target.host, target.port)
        except OSError as error:
            raise ResolutionError(
                "host-not-found", f"The host {target.host[:100]!r} is not known."
            ) from error
        if not self.egress.permits(target.host, target.port, addresses):
            raise ResolutionError(
                "address-not-allowed",
                f"The host {target.host[:100]!r} lies in a private network; nothing is fetched from there.",
                "An administrator can allow the network with devfile_networks.",
            )
        return addresses[0]

    def _get(self, target: _Target, address: str, deadline: float) -> bytes | str:
        """The content, or where it is redirected to."""
        headers: dict[bytes | str, bytes | str] = {
            "Host": target.authority,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": "moorage",
        }
        url = httpcore.URL(
            scheme=target.scheme, host=target.host, port=target.port, target=target.path
        )
        backend = _Pinned(address, deadline)
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
                pool.stream("GET", url, headers=headers) as response,
            ):
                answered = {name.lower(): value for name, value in response.headers}
                if response.status in _REDIRECTS and b"location" in answered:
                    return answered[b"location"].decode("ascii", "replace")
                self._check(response.status, answered, target)
                return self._content(response)
        except httpcore.TimeoutException as error:
            raise ResolutionError(
                "fetch-timeout", f"{target.host} does not answer in time.", "Try again later."
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise ResolutionError(
                "fetch-failed",
                f"{target.host} could not be asked: {str(error)[:200] or type(error).__name__}.",
            ) from error

    @staticmethod
    def _check(status: int, headers: dict[bytes, bytes], target: _Target) -> None:
        if status != 200:
            code = "import-not-found" if status in (404, 410) else "fetch-failed"
            raise ResolutionError(code, f"{target.host} answers {status} for {target.path[:200]}.")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ResolutionError(
                "fetch-failed",
                f"{target.host} answers with packed content, which was not asked for.",
            )

    def _content(self, response: httpcore.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_stream():
            content += chunk
            if len(content) > self.limits.size:
                raise ResolutionError(
                    "too-large", f"The document is larger than {self.limits.size} bytes."
                )
        return bytes(content)


class _Pinned(httpcore.NetworkBackend):
    """Connects to one address, whatever the name, and lets no single wait outlast the deadline."""

    def __init__(self, address: str, deadline: float) -> None:
        self.address = address
        self.deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = httpcore.SyncBackend().connect_tcp(
            self.address, port, timeout=_left(self.deadline)
        )
        return _Stream(stream, self.deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self.stream = stream
        self.deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, _left(self.deadline))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(
            self.stream.start_tls(ssl_context, server_hostname, _left(self.deadline)), self.deadline
        )

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


class DigestCache:
    """Documents by the digest of their content, and which URL had which, the least used leaving
    first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._digests: dict[str, tuple[str, float]] = {}
        self._contents: OrderedDict[str, bytes] = OrderedDict()

    def get(self, url: str, fresh: float) -> bytes | None:
        """The document that the URL had less than `fresh` seconds ago; None when that is not
        known."""
        with self._lock:
            digest, at = self._digests.get(url, ("", 0.0))
            if digest not in self._contents or time.monotonic() - at > fresh:
                return None
            self._contents.move_to_end(digest)
            return self._contents[digest]

    def put(self, url: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            self._digests[url] = (digest, time.monotonic())
            self._contents[digest] = content
            self._contents.move_to_end(digest)
            while sum(map(len, self._contents.values())) > self.size:
                gone, _ = self._contents.popitem(last=False)
                self._digests = {
                    known: value for known, value in self._digests.items() if value[0] != gone
                }

    def __len__(self) -> int:
        return len(self._contents)


def _system_lookup(host: str, port: int) -> list[str]:
    return list(
        dict.fromkeys(
            str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    )


def _joined(base: str, reference: str) -> str:
    """The URL that a reference stands for (RFC 3986, 5.2). Raises `ResolutionError`."""
    try:
        return urljoin(base, reference)
    except ValueError as error:
        raise _no_url(reference) from error


def _no_url(text: str) -> ResolutionError:
    return ResolutionError("bad-url", f"{text[:200]!r} is no URL.", "Write https://host/path.")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("too slow")
    return left
