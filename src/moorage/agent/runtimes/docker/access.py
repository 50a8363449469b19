"""Where the engine is, and by which certificates it is known: `DOCKER_HOST` and its relatives."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from moorage.kernel.errors import Misconfigured

SOCKETS = ("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock")
PORT = 2375
"""The port of an engine whose address names none."""


class Access(NamedTuple):
    """The way to an engine: a Unix socket, or a host and port, perhaps with TLS."""

    address: str
    """As it was given."""
    socket: str = ""
    """Path of the Unix socket; "": TCP."""
    host: str = "engine"
    """For TCP, and for the header `Host`."""
    port: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """The address that requests begin with."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        authority = host if self.socket else f"{host}:{self.port}"
        return f"{'http' if self.tls is None else 'https'}://{authority}"


def find_host(setting: str, environ: Mapping[str, str] = os.environ) -> str:
    """The engine's address: the setting, `DOCKER_HOST`, or the first usual socket that is there."""
    if given := setting or environ.get("DOCKER_HOST", ""):
        return given
    found = [path for path in SOCKETS if Path(path).is_socket()]
    return f"unix://{found[0] if found else SOCKETS[0]}"


def access_of(address: str, environ: Mapping[str, str] = os.environ) -> Access:
    """The way to the engine at `unix://<path>`, `tcp://<host>[:<port>]` or `http(s)://…`.

    `DOCKER_TLS_VERIFY=1` asks for TLS, with the files in `DOCKER_CERT_PATH`. Raises
    `Misconfigured`.
    """
    if address.startswith("unix://"):
        return Access(address, socket=address.removeprefix("unix://"))
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = None, None, None
    if parts is None or not host or parts.scheme not in ("tcp", "http", "https"):
        raise Misconfigured(
            f"{address!r} is no address of a container engine.",
            code="engine-address-invalid",
            hint="Set docker_host under [agent], or DOCKER_HOST, to unix://<path> or tcp://<host>:<port>.",
        )
    tls = None
    if environ.get("DOCKER_TLS_VERIFY", "") == "1":
        tls = _certificates(environ.get("DOCKER_CERT_PATH", ""))
    elif parts.scheme == "https":
        tls = ssl.create_default_context()
    default = PORT if parts.scheme == "tcp" else 443 if tls is not None else 80
    return Access(address, host=host, port=port or default, tls=tls)


def _certificates(folder: str) -> ssl.SSLContext:
    """TLS as the engine's own command line has it: `ca.pem`, `cert.pem` and `key.pem`."""
    try:
        if not folder:
            raise FileNotFoundError("DOCKER_CERT_PATH is not set")
        path = Path(folder)
        context = ssl.create_default_context(cafile=str(path / "ca.pem"))
        context.load_cert_chain(path / "cert.pem", path / "key.pem")
    except OSError as error:  # which `ssl.SSLError` is
        raise Misconfigured(
            f"The certificates for the container engine cannot be used: {error}.",
            code="engine-certificates-unusable",
            hint="DOCKER_TLS_VERIFY=1 asks for ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH.",
        ) from error
    return context
