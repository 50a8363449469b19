"""Tells the server now and then which sessions their people use: HAProxy has written it down, or
counts it (`haproxy.activity`).

One request for all sessions, at most once in `LOOK_SECONDS`, and for one session once in a part of
the time that it has left. What cannot be told is told later: HAProxy's books outlive the
controller.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from moorage.contract.gateway import USED_AT_MOST, SessionsUsed
from moorage.gateway.haproxy import activity as books
from moorage.gateway.haproxy.connections import (
    CONNECTIONS_TABLE,
    FRONTEND,
    Connection,
    connections,
    streams,
    tag,
)
from moorage.gateway.haproxy.runtime import Runtime
from moorage.gateway.metrics import Metrics
from moorage.gateway.server_client import ServerClient
from moorage.gateway.subscription import Subscription
from moorage.gateway.table import Table
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError, Unavailable

LOOK_SECONDS = 5.0
"""Between two looks into HAProxy's books."""
PART = 0.06
"""Of the time that a session has left, which goes by before its use is told again: a little more
than the server needs to write it down."""
_log = log.get(part="gateway.activity")


@dataclass
class _Told:
    """The last use of a session that the server was told of."""

    used_at: float
    at: float
    """When it was told."""
    part: float
    """Seconds until it is told of again."""


@dataclass
class Activity:
    """Watches what people do. Times are seconds since the epoch."""

    table: Table
    runtime: Runtime
    server: ServerClient
    subscription: Subscription
    clock: Clock
    metrics: Metrics
    used: dict[str, float] = field(default_factory=dict)
    """Sessions → when their person last did something."""
    told: dict[str, _Told] = field(default_factory=dict)
    last: books.Look = field(default_factory=lambda: books.Look(0.0, {}))

    async def watch(self) -> None:
        """Looks once, and tells the server what is new. Raises `Unavailable` when HAProxy or the
        server does not answer."""
        await asyncio.sleep(LOOK_SECONDS)
        if not (self.table.known and self.subscription.connected):
            return
        await self._look()
        await self._tell()

    async def _look(self) -> None:
        now = self.clock.now()
        self._forget(now)
        noted = books.noted(await self.runtime.ask(f"show table {books.TABLE}"))
        for session_id, used_at in noted.items():
            self._note(session_id, min(used_at, now))
        answer = await self.runtime.ask("show sess", f"show table {CONNECTIONS_TABLE}")
        open_now = self._telling(connections(answer), streams(answer, FRONTEND), now)
        sent = books.sent(await self.runtime.describe(open_now)) if open_now else {}
        look = books.Look(time.monotonic(), sent)
        for stream in books.busy(self.last, look):
            self._note(open_now[stream], now)
        self.last = look

    def _telling(self, found: list[Connection], ids: dict[str, str], now: float) -> dict[str, str]:
        """The streams that may tell of a session's use, and that session: whose use is to be told
        again."""
        sessions = {
            tag(session.id): session.id
            for session in self.table.sessions.values()
            if self._is_due(session.id, now)
        }
        return {
            ids[each.source]: sessions[each.session]
            for each in found
            if each.source in ids and each.session in sessions
        }

    async def _tell(self) -> None:
        now = self.clock.now()
        due = {
            session_id: used_at
            for session_id, used_at in self.used.items()
            if self._is_due(session_id, now)
            and (session_id not in self.told or self.told[session_id].used_at < used_at)
        }
        names = list(due)
        for first in range(0, len(names), USED_AT_MOST):
            some = names[first : first + USED_AT_MOST]
            try:
                await self.server.use_sessions(
                    SessionsUsed(used={each: max(0.0, now - due[each]) for each in some})
                )
            except Unavailable:
                raise
            except MoorageError as error:
                # One of a version before looks at its own pages alone.
                _log.debug("the server does not take what people do", error=str(error))
            for each in some:
                session = self.table.session(each, now)
                left = session.expires_at - now if session else 0.0
                self.told[each] = _Told(due[each], now, PART * left)
            self.metrics.sessions_used.inc(len(some))

    def _is_due(self, session_id: str, now: float) -> bool:
        if self.table.session(session_id, now) is None:
            return False
        told = self.told.get(session_id)
        return told is None or now - told.at >= told.part

    def _note(self, session_id: str, used_at: float) -> None:
        if session_id in self.table.sessions:
            self.used[session_id] = max(used_at, self.used.get(session_id, 0.0))

    def _forget(self, now: float) -> None:
        for kept in (self.used, self.told):
            for session_id in kept.keys() - self.table.sessions.keys():
                del kept[session_id]
