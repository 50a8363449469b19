"""Starts HAProxy: writes what it reads, has it checked, and becomes it.

Its maps begin with the last route table that the controller wrote down, so that running workspaces
are reachable at once, whether controller and server are there or not.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from moorage.gateway import access, pages, persistence, trust
from moorage.gateway.haproxy import access_map, certificates, drain, upstream
from moorage.gateway.haproxy.configuration import (
    ERRORS,
    RUNTIME_LISTENS,
    RUNTIME_SOCKET,
    Configuration,
    render,
)
from moorage.gateway.haproxy.connections import FRONTEND
from moorage.gateway.settings import GatewaySettings
from moorage.kernel import log
from moorage.kernel import settings as kernel_settings
from moorage.kernel.addresses import EVERYWHERE, everywhere
from moorage.kernel.errors import Misconfigured, MoorageError
from moorage.kernel.home import Home, default_home, narrow_umask, write_private
from moorage.kernel.sockets import inherited

CONFIGURATION = "haproxy.cfg"
AUTHORITIES = "server-ca.pem"
"""File with the CAs that an https server is verified by."""
HOSTS = Path("/etc/hosts")
RESOLV_CONF = Path("/etc/resolv.conf")


def main() -> None:
    """`python -m moorage.gateway.haproxy --home H`"""
    parser = argparse.ArgumentParser(prog="python -m moorage.gateway.haproxy")
    parser.add_argument("--home", type=Path, default=None)
    narrow_umask()
    home = Home((parser.parse_args().home or default_home()).absolute())
    try:
        settings = kernel_settings.load(GatewaySettings, "gateway", home.settings)
        log.configure("haproxy", fmt=settings.log_format, level=settings.log_level)
        launch(home, settings)
    except MoorageError as error:
        print(error, file=sys.stderr)  # noqa: T201 - its last words, which the supervisor repeats
        sys.exit(error.exit_code)


def launch(home: Home, settings: GatewaySettings) -> None:
    """Does not return. Raises `Misconfigured` when HAProxy cannot run like this."""
    settings.check()
    program = shutil.which(settings.haproxy)
    if program is None:
        raise Misconfigured(
            f"HAProxy is not installed: there is no program {settings.haproxy!r}.",
            code="haproxy-missing",
            hint="On Debian and Ubuntu: apt-get install haproxy.",
        )
    prepare(home, settings)
    check_port_is_free(settings.address, settings.port)
    for address in settings.metrics_addresses:
        check_port_is_free(address, settings.metrics)
    os.chdir(home.gateway)
    check(program)
    # By its whole path: whoever looks for what an installation left behind finds it by that.
    command = [program, "-W", "-f", str(home.gateway / CONFIGURATION)]
    if settings.drain_seconds:
        alone = [program, "-db", "-f", CONFIGURATION]
        command = drain.command(
            settings.drain_seconds, settings.lameduck, FRONTEND, RUNTIME_SOCKET, alone
        )
    os.execv(command[0], command)  # noqa: S606 - our own arguments


def prepare(home: Home, settings: GatewaySettings) -> None:
    """Writes configuration, pages, maps and CAs into `<home>/gateway`. Raises `Misconfigured` when
    there are none to write."""
    home.make()
    now = time.time()
    table = persistence.load(home, now, settings.networks)
    entries = access.entries_of(table, settings.zone, now)
    write_private(home.gateway / access_map.FILE, access_map.file_text(entries))
    write_private(home.gateway / drain.STAGES, "")
    for name, text in pages.static_files(settings.as_zone).items():
        write_private(home.gateway / ERRORS / name, text)
    if settings.server_on_zone and settings.server.startswith("https:"):
        write_private(
            home.gateway / AUTHORITIES, trust.authorities(settings.server_ca_bundle).decode()
        )
    write_private(
        home.gateway / CONFIGURATION, render(configuration_of(home, settings, table.server_url))
    )


def configuration_of(home: Home, settings: GatewaySettings, server_url: str) -> Configuration:
    """Puts together what HAProxy is to do, from the settings and what there is on this machine.

    Raises `Misconfigured` for certificates that are not there.
    """
    zone = settings.as_zone
    return Configuration(
        zone=zone.name,
        scheme=zone.scheme,
        authority=zone.authority,
        former_hosts=zone.former_hosts,
        session_cookie=zone.session_cookie,
        cookie_prefix=zone.cookie_prefix,
        key=home.secret("gateway-key"),
        server=upstream_of(home, settings),
        server_url=server_url or _origin(settings.server),
        address=settings.address,
        port=settings.port,
        everywhere=everywhere(),
        certificates=tuple(
            str(files.certificate) for files in certificates.locate(settings.tls_certificates)
        ),
        proxy_protocol=settings.proxy_protocol,
        proxy_protocol_from=settings.proxy_protocol_from,
        metrics_addresses=settings.metrics_addresses,
        metrics_port=settings.metrics,
        runtime_socket=next((f"fd@{each}" for each in inherited()), RUNTIME_LISTENS),
        connections=settings.connections,
        open_files=_open_files(),
        threads=settings.threads,
        client_timeout_seconds=settings.client_timeout_seconds,
        idle_hours=settings.idle_hours,
        server_body_limit=settings.server_body_limit,
    )


def upstream_of(home: Home, settings: GatewaySettings) -> upstream.Upstream | None:
    """The server as HAProxy reaches it; None when it is the browsers that have to."""
    server_socket = settings.server_socket(home)
    if server_socket:
        return upstream.by_socket(_near(server_socket, home))
    if not settings.server_on_zone:
        return None
    return upstream.by_tcp(
        settings.server,
        ca_file=AUTHORITIES,
        hosts=_text(HOSTS),
        resolv_conf=_text(RESOLV_CONF),
    )


def check_port_is_free(address: str, port: int) -> None:
    """HAProxy's own words for it do not say what to do."""
    for host in everywhere() if address == EVERYWHERE else (address,):
        _try_to_bind(host, port, address)


def _try_to_bind(host: str, port: int, address: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Misconfigured(
                f"Port {port} on {address} cannot be used: {error.strerror}.",
                code="port-taken",
                hint="Choose another with --port, or stop what uses it. (Metrics use the port after it.)",
                port=port,
            ) from error


def check(program: str) -> None:
    """Has HAProxy read its configuration in the current folder."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        [program, "-c", "-f", CONFIGURATION],
        capture_output=True,
        text=True,
        check=False,
        pass_fds=inherited(),
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "[ALERT]" in line] or [
            done.stderr.strip()
        ]
        raise Misconfigured(
            f"HAProxy does not accept its configuration: {said[0]}",
            code="haproxy-configuration",
            hint=f"Look at {Path.cwd() / CONFIGURATION} and the table [gateway] of settings.toml.",
        )


def _near(path: Path, home: Home) -> str:
    """Relative to HAProxy's folder where possible: a Unix socket's path may not be long."""
    try:
        return f"../{path.relative_to(home.path)}"
    except ValueError:
        return str(path)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _text(file: Path) -> str:
    """ "" when there is none."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _open_files() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard
