"""`/metrics` and `/healthz`: on the agent's own socket, which nobody but this machine's
administrators reaches, and where the settings say so, on a TCP port."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec
from aiohttp import web
from prometheus_client import generate_latest

from moorage.agent.connection import Connection
from moorage.agent.workspaces.fleet import Fleet
from moorage.kernel import sockets
from moorage.kernel.errors import Misconfigured


def listening_address(text: str) -> tuple[str | None, int] | None:
    """Host (None: all addresses) and port out of `host:port`; None when there is no text.

    Raises `Misconfigured`.
    """
    if not text:
        return None
    try:
        host, port = sockets.parse_address(text)
    except ValueError:
        host, port = "", 0
    if not host or not port:
        raise Misconfigured(
            f"status_listen = {text!r} is no address to listen on.",
            code="settings-invalid",
            hint="Set it under [agent] to something like *:8082.",
        )
    return (None if host == "*" else host), port


class Status:
    """The HTTP server of this process. Use as `async with`."""

    def __init__(
        self,
        socket: Path,
        listen: tuple[str | None, int] | None,
        fleet: Fleet,
        connection: Connection,
        caveat: Callable[[], str],
    ) -> None:
        """`listen`: as of `listening_address`."""
        self._socket = socket
        self._listen = listen
        self._listening = ExitStack()
        self._fleet = fleet
        self._connection = connection
        self._caveat = caveat
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        listening = self._listening.enter_context(sockets.listening(self._socket))
        await web.SockSite(self._runner, listening).start()
        if self._listen is not None:
            await self._listen_on(*self._listen)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        self._listening.close()

    async def _listen_on(self, host: str | None, port: int) -> None:
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.__aexit__()
            raise Misconfigured(
                f"The agent cannot listen on {host or '*'}:{port}: {error.strerror}.",
                code="listen-failed",
                hint="Choose another status_listen under [agent], or end what has that port.",
            ) from error

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    async def _health(self, _: web.Request) -> web.Response:
        """200: this process works.

        What it waits for (server, engine) is in the body, and is no reason to restart it.
        """
        fault = self._fleet.engine_fault
        body = {
            "connected": self._connection.connected,
            "server": self._connection.problem,
            "engine": msgspec.to_builtins(fault) if fault is not None else None,
            "workspaces": len(self._fleet.states),
            "caveat": self._caveat(),
        }
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")
