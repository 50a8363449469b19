"""The gateway's subscription to the server's route table, one connection after another."""

from __future__ import annotations

from moorage.contract.gateway import RouteTable
from moorage.gateway.metrics import Metrics
from moorage.gateway.reconcile import Reconciler
from moorage.gateway.server_client import ServerClient
from moorage.kernel import log
from moorage.kernel.errors import MoorageError, Unavailable

_log = log.get(part="gateway.subscription")


class Subscription:
    """Gives the reconciler what the server says, and tells the server which sessions ended here."""

    def __init__(self, *, server: ServerClient, reconciler: Reconciler, metrics: Metrics) -> None:
        self._server = server
        self._reconciler = reconciler
        self._metrics = metrics
        self._reported: set[str] = set()
        """Sessions whose end the server was told."""
        self.connected = False
        self.problem = ""
        """Why there is no connection, in plain words; "" while there is one."""

    async def follow(self) -> None:
        """Follows the server over one connection, from its table to its end.

        Raises `Unavailable` when the connection cannot be opened or breaks off.
        """
        try:
            async with self._server.stream() as messages:
                self._metrics.connected.set(1)
                self.connected, self.problem = True, ""
                try:
                    await self.report_ended_sessions()
                    async for message in messages:
                        self._metrics.heard()
                        if isinstance(message, RouteTable):
                            _log.info(
                                "route table received",
                                revision=message.revision,
                                routes=len(message.routes),
                            )
                        await self._reconciler.take(message)
                finally:
                    self.connected = False
                    self._metrics.connected.set(0)
        except Unavailable as error:
            self.problem = str(error)
            raise

    async def report_ended_sessions(self) -> None:
        """Tells the server of sessions that were ended here. What it cannot be told now, it is told
        when it is back."""
        ended = self._reconciler.table.ended
        for session_id in ended.keys() - self._reported:
            try:
                await self._server.end_session(session_id)
            except Unavailable:
                return
            except MoorageError as error:
                _log.warning("the server did not end a session", error=str(error))
            self._reported.add(session_id)
        self._reported &= ended.keys()
