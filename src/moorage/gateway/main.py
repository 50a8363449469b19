"""The controller's composition root: `python -m moorage.gateway --home H`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from moorage.gateway import persistence
from moorage.gateway.activity import Activity
from moorage.gateway.app import Application
from moorage.gateway.certificates import Certificates
from moorage.gateway.codes import Codes
from moorage.gateway.haproxy.runtime import Runtime
from moorage.gateway.metrics import Metrics
from moorage.gateway.pages import Pages
from moorage.gateway.persistence import Persistence
from moorage.gateway.reconcile import Reconciler
from moorage.gateway.revocation import Revocation
from moorage.gateway.server_client import ServerClient
from moorage.gateway.settings import GatewaySettings
from moorage.gateway.sign_in import SignIn
from moorage.gateway.signing import Signer
from moorage.gateway.subscription import Subscription
from moorage.gateway.table import Table
from moorage.gateway.watchers import Watchers
from moorage.kernel import log, serving, sockets
from moorage.kernel import settings as kernel_settings
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import MoorageError
from moorage.kernel.home import Home, default_home, narrow_umask
from moorage.kernel.tasks import Backoff, Work, running

_LONGEST_PAUSE = 1.0
"""Seconds between tries to reach server and HAProxy: both are beside us, or worth asking for
often."""


def main() -> None:
    """Runs the controller until a signal. Exits with the code of the error that keeps it from
    starting."""
    parser = argparse.ArgumentParser(prog="python -m moorage.gateway")
    parser.add_argument("--home", type=Path, default=None)
    narrow_umask(0o027)
    home = Home((parser.parse_args().home or default_home()).absolute())
    try:
        settings = kernel_settings.load(GatewaySettings, "gateway", home.settings)
        settings.check()
        log.configure("gateway", fmt=settings.log_format, level=settings.log_level)
        asyncio.run(serve(home, settings))
    except MoorageError as error:
        print(error, file=sys.stderr)  # noqa: T201 - its last words, which the supervisor repeats
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        pass


async def serve(home: Home, settings: GatewaySettings) -> None:
    """Runs until SIGTERM or SIGINT."""
    home.make()
    controller = compose(home, settings)
    server = serving.HttpServer(
        controller.application,
        before_end=lambda: _drain(controller.runtime, settings.drain_seconds),
        lifespan="off",
        ws="none",
        loop="asyncio",
        http="h11",
        timeout_graceful_shutdown=1,
        proxy_headers=False,
    )
    try:
        async with running(
            controller.work, backoff=lambda: Backoff(0.1, _LONGEST_PAUSE), rest=False
        ):
            with sockets.listening(home.socket("gateway")) as listening:
                await server.serve(sockets=[listening])
    finally:
        if controller.table.known:
            persistence.save(home, controller.table)
        await controller.server.close()


@dataclass(frozen=True)
class Controller:
    """The parts that `serve` runs."""

    table: Table
    runtime: Runtime
    server: ServerClient
    application: Application
    work: dict[str, Work]
    """The background tasks, by name."""


def compose(home: Home, settings: GatewaySettings) -> Controller:
    """Makes the parts and puts them together. Raises `Misconfigured` for what cannot be read."""
    clock = SystemClock()
    zone = settings.as_zone
    table = persistence.load(home, clock.now(), settings.networks)
    metrics = Metrics(table, clock)
    runtime = Runtime(home.socket("haproxy"))
    server = ServerClient(
        settings.server_socket(home),
        settings.server,
        home.secret("gateway-token"),
        settings.server_ca_bundle,
    )
    reconciler = Reconciler(table=table, runtime=runtime, zone=zone, clock=clock, metrics=metrics)
    subscription = Subscription(server=server, reconciler=reconciler, metrics=metrics)
    revocation = Revocation(
        reconciler=reconciler,
        subscription=subscription,
        runtime=runtime,
        zone=zone,
        clock=clock,
        metrics=metrics,
    )
    activity = Activity(
        table=table,
        runtime=runtime,
        server=server,
        subscription=subscription,
        clock=clock,
        metrics=metrics,
    )
    copy = Persistence(home, table)
    watchers = Watchers()
    for observer in (revocation.note, copy.note, watchers.wake):
        reconciler.observe(observer)
    pages = Pages(zone, table, clock)
    signer = Signer(home.secret("gateway-key").encode())
    sign_in = SignIn(
        zone=zone,
        signer=signer,
        table=table,
        codes=Codes(clock, settings.code_seconds, signer),
        reconciler=reconciler,
        persistence=copy,
        subscription=subscription,
        server=server,
        pages=pages,
        metrics=metrics,
        clock=clock,
        state_seconds=settings.sign_in_minutes * 60,
    )
    application = Application(
        zone=zone,
        table=table,
        reconciler=reconciler,
        subscription=subscription,
        watchers=watchers,
        server=server,
        pages=pages,
        sign_in=sign_in,
        metrics=metrics,
    )
    work: dict[str, Work] = {
        "gateway.subscription": subscription.follow,
        "gateway.haproxy": reconciler.keep_haproxy,
        "gateway.expiry": revocation.expire_sessions,
        "gateway.persistence": copy.save_changes,
        "gateway.revocation": revocation.close_requests,
        "gateway.activity": activity.watch,
    }
    if settings.tls_certificates:
        work["gateway.certificates"] = Certificates(
            entries=settings.tls_certificates,
            seconds=settings.certificate_seconds,
            zone=zone.name,
            runtime=runtime,
            metrics=metrics,
            clock=clock,
        ).keep
    return Controller(table, runtime, server, application, work)


async def _drain(runtime: Runtime, seconds: float) -> None:
    """Works on while HAProxy, which was told to end when we were, still has somebody to carry."""
    if seconds:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await runtime.drained()
