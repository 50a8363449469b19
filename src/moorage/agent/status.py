"""`/metrics` and `/healthz` on the agent's own socket; nobody but this machine's administrators reaches it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import msgspec
from aiohttp import web
from prometheus_client import generate_latest

from moorage.agent.connection import Connection
from moorage.agent.fleet import Fleet


class Status:
    def __init__(self, socket: Path, fleet: Fleet, connection: Connection) -> None:
        self._socket = socket
        self._fleet = fleet
        self._connection = connection
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> Self:
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self._socket)).start()
        self._socket.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _health(self, _: web.Request) -> web.Response:
        """200: this process works. What it waits for (server, engine) is in the body, and is no reason to restart it."""
        fault = self._fleet.engine_fault
        body = {
            "connected": self._connection.connected,
            "server": self._connection.problem,
            "engine": msgspec.to_builtins(fault) if fault is not None else None,
            "workspaces": len(self._fleet.states),
        }
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")
