"""The composition root: everything that the server is made of is made here, and handed down."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from moorage import __version__, resolvers
from moorage.devfile import Resolver
from moorage.kernel import log, serving, sockets
from moorage.kernel.addresses import EVERYWHERE, everywhere
from moorage.kernel.clock import Clock, SystemClock
from moorage.kernel.errors import Misconfigured, MoorageError
from moorage.kernel.home import Home, default_home, narrow_umask, write_client
from moorage.kernel.settings import load
from moorage.server.agents.forwarding import address_of
from moorage.server.agents.install_commands import HelmValues
from moorage.server.application import make_application
from moorage.server.core import Core, Replica
from moorage.server.domain import Domain
from moorage.server.domains import DOMAINS
from moorage.server.http import events
from moorage.server.metrics import Metrics
from moorage.server.migrations.runner import migrate
from moorage.server.repositories.default_devfile import load_default
from moorage.server.repositories.services import RepositoryReader
from moorage.server.repositories.ssh import load_hosts
from moorage.server.settings import Settings, load_credentials, load_helm_values
from moorage.server.setup import set_up
from moorage.server.storage.address import DatabaseAddress, database_address
from moorage.server.storage.changes import Changes, LocalChanges
from moorage.server.storage.database import Database, make_engine
from moorage.server.workspaces.editors import load_editors
from moorage.server.workspaces.specs import DevfileParents

PING_SECONDS = 4.0
"""Between two pings of a WebSocket, and until one that is not answered ends it: a dead agent is
known within 8 s."""
MESSAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of a WebSocket message: a full report of an agent with thousands of workspaces."""

_log = log.get(part="server")


def main(argv: list[str] | None = None) -> None:
    """`python -m moorage.server --home H`. Exits with the code of the error that keeps it from
    starting."""
    parser = argparse.ArgumentParser(prog="moor server")
    parser.add_argument("--home", type=Path, default=None, help="the state folder")
    parser.add_argument("--listen", default=None, help="host:port instead of the Unix socket")
    narrow_umask()
    options = parser.parse_args(argv)
    home = Home((options.home or default_home()).absolute())
    try:
        settings = load(Settings, "server", home.settings, listen=options.listen)
        settings.check()
        log.configure("server", fmt=settings.log_format, level=settings.log_level)
        # it tells of every WebSocket otherwise
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        home.make()
        with only_one(home), bound(home, settings) as listening:
            asyncio.run(serve(home, settings, listening))
    except MoorageError as error:
        print(f"moor server: {error}", file=sys.stderr)  # noqa: T201 - the log may not be set up yet
        sys.exit(error.exit_code)


async def serve(home: Home, settings: Settings, listening: list[socket.socket]) -> None:
    """Until SIGTERM or SIGINT. Raises `Misconfigured` when it cannot start."""
    async with running_core(home, settings) as core:
        if settings.listen and home.secret_file("admin-token").exists():
            # There is no supervisor that would: `moor` works beside the server, as the first
            # administrator.
            write_client(
                home,
                server=own_url(settings.listen),
                url=settings.origin,
                token=home.secret("admin-token"),
            )
        server = make_server(make_application(core), core)
        address = settings.listen or str(home.socket("server"))
        _log.info("serving", address=address, public_url=settings.origin, version=__version__)
        await server.serve(sockets=listening)


def own_url(listen: str) -> str:
    """Where a server that listens there is found from the same machine."""
    host, port = sockets.parse_address(listen)
    loopback = {"": "127.0.0.1", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked for
    return f"http://{sockets.format_address(loopback.get(host, host), port)}"


def make_server(app: FastAPI, core: Core) -> serving.HttpServer:
    return serving.HttpServer(
        app,
        closing=core.closing,
        http=_Connection,
        ws="websockets-sansio",
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_max_size=MESSAGE_LIMIT,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=3,
        # longer than HAProxy keeps an idle connection, so that it is never the one to be late
        timeout_keep_alive=75,
    )


@asynccontextmanager
async def running_core(
    home: Home,
    settings: Settings,
    *,
    clock: Clock | None = None,
    domains: Sequence[Domain] = DOMAINS,
) -> AsyncIterator[Core]:
    """Opens and migrates the database and puts the parts together. Raises `Misconfigured`."""
    clock = clock or SystemClock()
    credentials = load_credentials(settings.git_credentials)
    ssh_hosts = load_hosts(settings.git_ssh)
    helm_values = HelmValues(load_helm_values(settings.helm_values))
    default_devfile = load_default(settings.default_devfile)
    editors = load_editors(home.editors)
    resolver = make_resolver(settings)
    where = database_address(settings.database, home.database)
    engine = make_engine(where, pool=settings.database_pool)
    try:
        file = None if settings.database else home.database
        await migrate(engine, file)
        changes = _changes(where, domains)
        database = Database(engine, changes, clock)
        installation = await set_up(database, home, settings, clock.now())
        metrics = Metrics()
        core = Core(
            settings=settings,
            clock=clock,
            database=database,
            changes=changes,
            metrics=metrics,
            replica=Replica(installation, address_of(settings, home.socket("server")), clock.now()),
        )
        readings = RepositoryReader(settings, credentials, metrics, ssh_hosts=ssh_hosts)
        core.give(
            (readings, editors, credentials, helm_values, DevfileParents(resolver), default_devfile)
        )
        for domain in domains:
            core.give(domain.parts(core))
        yield core
    finally:
        await engine.dispose()


def make_resolver(settings: Settings) -> Resolver:
    """Makes the resolver that finds the parents of devfiles. Raises `Misconfigured`."""
    try:
        return resolvers.resolver_of(
            resolvers.Sources(
                registry=settings.devfile_registry,
                registry_url=settings.devfile_registry_url,
                hosts=settings.devfile_hosts,
                networks=settings.devfile_networks,
            )
        )
    except ValueError as error:
        raise Misconfigured(
            f"devfile_networks holds what is no network: {error}.",
            code="settings-invalid",
            hint="Write networks as 10.1.0.0/16.",
        ) from error


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Raises `Misconfigured` when another server has this state folder."""
    descriptor = os.open(home.run / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Misconfigured(
            f"Another server runs on the state folder {home.path}.",
            code="server-running",
            hint="End it first: moor down",
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def bound(home: Home, settings: Settings) -> Iterator[list[socket.socket]]:
    """The listening sockets. A Unix socket that an earlier server left behind is replaced at
    once."""
    if settings.listen:
        with ExitStack() as stack:
            yield [stack.enter_context(each) for each in _bound_tcp(settings.listen)]
        return
    with sockets.listening(home.socket("server")) as listening:
        yield [listening]


def _bound_tcp(listen: str) -> Iterator[socket.socket]:
    try:
        host, port = sockets.parse_address(listen)
        for address in everywhere() if host == EVERYWHERE else (host,):
            yield socket.create_server((address, port), backlog=1024, family=_family(address))
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"The server cannot listen on {listen}: {error}.",
            code="listen-failed",
            hint="Choose another port, or end what has it.",
        ) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _changes(where: DatabaseAddress, domains: Iterable[Domain]) -> Changes:
    if where.sqlite:
        return LocalChanges()
    from moorage.server.storage.changes_postgres import PostgresChanges

    return PostgresChanges(where.arguments, [kind for domain in domains for kind in domain.changes])


class _Connection(H11Protocol):
    """Tells a request how to cut its connection off: who does not read what is sent would else be
    waited for at its end, too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_abort(scope: Any, receive: Any, send: Any) -> None:
            scope[events.ABORT] = transport.abort
            await app(scope, receive, send)

        self.app = with_abort
