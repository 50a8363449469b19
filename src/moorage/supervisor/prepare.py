"""Prepares what must be there before the first process starts: folders, secrets, settings, and what
the CLI needs to connect."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from moorage.contract.hosts import ONE_MACHINE_ZONE
from moorage.kernel.addresses import Egress
from moorage.kernel.errors import InvalidInput, Misconfigured
from moorage.kernel.home import Home, write_client, write_private
from moorage.kernel.ids import new_secret
from moorage.supervisor import settings_file

_USUAL_PORTS = {"http": 80, "https": 443}
SECRETS = {
    "agent-token": "moor_agent_",
    "gateway-token": "moor_gateway_",
    "gateway-key": "",
    "admin-token": "moor_",
}
"""Each secret's prefix, which says what it opens."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `moor up`; None where it was told nothing, and what was told before holds."""

    zone: str | None = None
    port: int | None = None
    address: str | None = None
    public_url: str | None = None
    """Where browsers find Moorage, if something in front of HAProxy makes that another address; "":
    nothing does any more."""
    ca_bundle: Path | None = None
    tools_image: str | None = None
    repository_networks: tuple[str, ...] = ()
    """Added to those that are set."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The values that hold: the options, else the environment, else `settings.toml`, else the
    default."""

    zone: str
    port: int
    address: str
    ca_bundle: str
    """Path of a PEM file; "" for none."""
    tools_image: str
    repository_networks: tuple[str, ...] = ()
    """Networks and hosts that repositories may be read from although they have no public
    address."""
    docker_host: str
    """`DOCKER_HOST`'s form; "" to look where an engine usually is."""
    metrics_port: int
    """0: the one after `port`."""
    haproxy: str
    """The program."""
    tls_certificate: str
    """"" for plain HTTP."""
    runtime: str
    """`memory` needs no engine."""
    public_url: str
    """Where something in front of HAProxy gives it another address; "" where nothing does."""
    public_scheme: str
    """The scheme that browsers see; "" where HAProxy is what they see."""
    public_port: int
    """The port that browsers see; 0 where HAProxy is what they see."""
    zone_port: int
    """The server's word for the port of the zone, as browsers see it."""

    @property
    def url(self) -> str:
        """Where a browser finds Moorage."""
        return self.public_url.rstrip("/") or self.zone_url

    @property
    def zone_url(self) -> str:
        scheme, usual = ("https", 443) if self.tls_certificate else ("http", 80)
        return f"{scheme}://{self.zone}" + ("" if self.port == usual else f":{self.port}")

    @property
    def metrics(self) -> int:
        return self.metrics_port or self.port + 1


class _Source(NamedTuple):
    """Where a field of `Plan` stands in the settings."""

    table: str
    key: str
    default: object
    """That of the process that reads it."""
    of_one: bool = False
    """Whether it is an option of `moor up` that one process alone reads: it is written where it
    differs from the default, and taken over by starting that process anew."""


_SOURCES: dict[str, _Source] = {
    "zone": _Source("gateway", "zone", ONE_MACHINE_ZONE),
    "port": _Source("gateway", "port", 8080),
    "address": _Source("gateway", "address", "127.0.0.1"),
    "ca_bundle": _Source("agent", "ca_bundle", "", of_one=True),
    "tools_image": _Source("agent", "tools_image", "moorage/tools:latest", of_one=True),
    "repository_networks": _Source("server", "repository_networks", (), of_one=True),
    "docker_host": _Source("agent", "docker_host", ""),
    "runtime": _Source("agent", "runtime", "docker"),
    "metrics_port": _Source("gateway", "metrics_port", 0),
    "haproxy": _Source("gateway", "haproxy", "haproxy"),
    "tls_certificate": _Source("gateway", "tls_certificate", ""),
    "public_url": _Source("server", "public_url", ""),
    "public_scheme": _Source("gateway", "public_scheme", ""),
    "public_port": _Source("gateway", "public_port", 0),
    "zone_port": _Source("server", "port", 0),
}
"""By field of `Plan`."""
_PUBLIC = ("public_url", "public_scheme", "public_port")
READ_BY = {field: source.table for field, source in _SOURCES.items() if source.of_one}
"""The process of each field that one process alone reads."""


def plan(home: Home, options: Options) -> Plan:
    """Changes nothing. Raises `InvalidInput` for an unusable option, `Misconfigured` for an
    unusable settings file."""
    _check(options)
    document = settings_file.parse(_read(home.settings))
    values: dict[str, object] = {}
    for field, (table, key, default, _) in _SOURCES.items():
        values[field] = default
        if key in (stored := document.get(table, {})):
            values[field] = stored[key]
        if given := os.environ.get(f"MOORAGE_{table.upper()}_{key.upper()}"):
            values[field] = _list(given) if isinstance(default, tuple) else given
        told = getattr(options, field, None)
        if isinstance(told, tuple):
            before = values[field]
            assert isinstance(before, list | tuple)
            values[field] = [*before, *(entry for entry in told if entry not in before)]
        elif told is not None:
            values[field] = str(told.absolute()) if isinstance(told, Path) else told
    values |= _seen(document, options, values)
    try:
        return msgspec.convert(values, Plan, strict=False)
    except msgspec.ValidationError as error:
        raise Misconfigured(
            f"The settings are not usable: {error}.",
            code="settings-invalid",
            hint=f"Look at {home.settings}.",
        ) from error


def _seen(
    document: dict[str, dict[str, object]], options: Options, values: dict[str, object]
) -> dict[str, object]:
    """The values that say where browsers find the zone. `moor up --port` writes one port for server
    and gateway; where a person wrote two, the server's is the one that browsers see, and stays."""
    server, gateway = document.get("server", {}), document.get("gateway", {})
    found: dict[str, object] = {}
    if options.zone is None and "zone" in server and "zone" not in gateway:
        found["zone"] = os.environ.get("MOORAGE_GATEWAY_ZONE") or server["zone"]
    if options.public_url is not None:
        parts = urlsplit(options.public_url)
        port = parts.port or _USUAL_PORTS.get(parts.scheme, 0)
        return {
            **found,
            "public_scheme": parts.scheme,
            "public_port": port,
            "zone_port": port or values["port"],
        }
    written, listening = server.get("port"), gateway.get("port", _SOURCES["port"].default)
    if written is None or written == listening:
        found["zone_port"] = values["port"]
    return found


def prepare(home: Home, wanted: Plan) -> None:
    """Makes what is missing and writes what the processes read. May be called any number of
    times."""
    home.make()
    for name, prefix in SECRETS.items():
        if not home.secret_file(name).exists():
            write_private(home.secret_file(name), new_secret(prefix) + "\n")
    before = _read(home.settings)
    after = settings_file.with_values(before, tables(wanted, stored=settings_file.parse(before)))
    if after != before:
        write_private(home.settings, after)
    write_client(
        home,
        server=f"unix:{home.socket('server')}",
        url=wanted.url,
        token=home.secret("admin-token"),
    )


def tables(
    wanted: Plan, *, stored: dict[str, dict[str, object]]
) -> dict[str, dict[str, settings_file.Value]]:
    """The tables that belong into `settings.toml`. A default that nobody ever changed stays out of
    it."""
    found: dict[str, dict[str, settings_file.Value]] = {
        "server": {"zone": wanted.zone, "port": wanted.zone_port},
        "gateway": {"zone": wanted.zone, "port": wanted.port, "address": wanted.address},
    }
    if wanted.tls_certificate and not wanted.public_url:
        found["server"]["public_url"] = wanted.url
    for field in (*READ_BY, *_PUBLIC):
        table, key, default, _ = _SOURCES[field]
        value = getattr(wanted, field)
        value = list(value) if isinstance(value, tuple) else value
        stands = stored.get(table, {}).get(key)
        if value != stands and (stands is not None or value not in (default, [])):
            found.setdefault(table, {})[key] = value
    return found


def _check(options: Options) -> None:
    if options.port is not None and not 1 <= options.port <= 65534:
        raise InvalidInput(
            f"{options.port} is no port.",
            field="port",
            hint="Choose one from 1 to 65534; the next one is used too.",
        )
    if options.public_url:
        _check_public(options.public_url)
    if options.ca_bundle is not None and not options.ca_bundle.is_file():
        raise InvalidInput(
            f"There is no file {options.ca_bundle}.", field="ca-bundle", code="file-not-found"
        )
    try:
        Egress.of(options.repository_networks)
    except ValueError as error:
        raise InvalidInput(
            f"No repository can be read from there: {error}.",
            field="repository-network",
            hint="Write a network, an address or a host, with a port if need be: 10.1.0.0/16, git.corp.example:8443",
        ) from error


def _check_public(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in _USUAL_PORTS
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
            and parts.path in ("", "/")
            and not (parts.query or parts.fragment or "@" in parts.netloc)
        )
    except ValueError:
        usable = False
    if not usable:
        raise InvalidInput(
            f"{url!r} is no address of an installation.",
            field="public-url",
            hint="Write scheme, host and port alone: https://dev.example.com",
        )


def _list(text: str) -> list[str]:
    """As `kernel.settings` reads it."""
    return [item.strip() for item in text.split(",") if item.strip()]


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"The settings file {file} cannot be read: {error}.", code="settings-unreadable"
        ) from error
