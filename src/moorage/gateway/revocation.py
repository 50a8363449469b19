"""Ends what may not go on: sessions whose time is over, and open requests whose access has ended.

HAProxy lets no new request through once its map says so. What is open already, WebSockets above
all, has to be closed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable

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
from moorage.gateway.reconcile import Reconciler
from moorage.gateway.subscription import Subscription
from moorage.gateway.table import Affected, Table
from moorage.gateway.zone import Zone
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.tasks import is_set_within

_LOOK_AGAIN = 0.3
"""Seconds until open requests are looked at once more: one may have gone through just before the
map changed."""
_LONGEST_WAIT = 3600.0
"""Seconds until the sessions are looked at again, at most."""

_log = log.get(part="gateway.revocation")


class Revocation:
    """Watches for access that ends."""

    def __init__(
        self,
        *,
        reconciler: Reconciler,
        subscription: Subscription,
        runtime: Runtime,
        zone: Zone,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._table = reconciler.table
        self._reconciler = reconciler
        self._subscription = subscription
        self._runtime = runtime
        self._zone = zone
        self._clock = clock
        self._metrics = metrics
        self._revoked = asyncio.Event()
        self._sessions_changed = asyncio.Event()
        self._ended: set[str] = set()
        """Sessions that ended while the table was not confirmed."""

    def note(self, affected: Affected) -> None:
        """Wakes whoever below waits for such a change of the table."""
        if not self._table.confirmed:
            self._ended |= affected.ended
        if affected.revoked:
            self._revoked.set()
        if affected.users:
            self._sessions_changed.set()

    async def expire_sessions(self) -> None:
        """Waits for the next session to end, and ends it, whether the server is there or not.

        While the server is there, the sessions that it should have named by now end as well.
        """
        self._sessions_changed.clear()
        ends = [self._clock.now() + _LONGEST_WAIT, self._table.next_expiry() or math.inf]
        if self._subscription.connected:
            ends += self._table.unconfirmed.values()
        wait = min(ends) - self._clock.now()
        if wait > 0:
            await is_set_within(self._sessions_changed, wait)
        await self._reconciler.drop_expired()
        if self._subscription.connected:
            await self._reconciler.drop_unconfirmed()

    async def close_requests(self) -> None:
        """Waits until somebody may have lost access, and closes the requests that are open without
        it."""
        await self._revoked.wait()
        self._revoked.clear()
        await self._close_forbidden()
        await asyncio.sleep(_LOOK_AGAIN)
        await self._close_forbidden()

    async def _close_forbidden(self) -> None:
        if not self._table.known:
            return
        # In this order: a request that is refused while we look has taken its connection's tags
        # away.
        answer = await self._runtime.ask("show sess", f"show table {CONNECTIONS_TABLE}")
        ids = streams(answer, FRONTEND)
        open_now = (found for found in connections(answer) if found.source in ids)
        closing = forbidden(open_now, self._table, self._zone, self._clock.now(), self._ended)
        if not closing:
            return
        victims = [ids[connection.source] for connection in closing]
        await self._runtime.shutdown(victims)
        self._metrics.closed.inc(len(victims))
        _log.info("open requests closed: access ended", count=len(victims))


def forbidden(
    open_now: Iterable[Connection], table: Table, zone: Zone, now: float, ended: Collection[str]
) -> list[Connection]:
    """The connections whose session is over, or whose person may not open that port (any more).

    A workspace that merely stopped closes nothing: its connections end by themselves. While the
    table is not confirmed, only the sessions of `ended` count: what is not in a table from the disk
    may just be newer than it.
    """
    if not table.confirmed:
        over = {tag(session) for session in ended}
        return [connection for connection in open_now if connection.session in over]
    users = {tag(s.id): s.user for s in table.sessions.values() if s.expires_at > now}
    places = {tag(f"{name}.{zone.name}"): name for name in table.routes}

    def allowed(connection: Connection) -> bool:
        user, workspace = users.get(connection.session), places.get(connection.place)
        if user is None or workspace is None:
            return False
        return table.may_open(user, workspace, connection.port)

    return [connection for connection in open_now if not allowed(connection)]
