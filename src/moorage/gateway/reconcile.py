"""Makes HAProxy's map equal the route table, at every change of the table.

Only the reconciler changes the table, so that no change can be forgotten: each reaches HAProxy and
whoever observes. It is level-triggered: a change that HAProxy could not be told makes it tell all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from moorage.contract.gateway import RouteTable, Session, ToGateway
from moorage.gateway import access, changes
from moorage.gateway.haproxy import access_map
from moorage.gateway.haproxy.runtime import Runtime
from moorage.gateway.metrics import Metrics
from moorage.gateway.table import Affected, Table
from moorage.gateway.zone import Zone
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import Unavailable

_log = log.get(part="gateway.reconcile")

Observer = Callable[[Affected], None]
"""Is told of each change of the table once HAProxy knows it, or is away."""


class Reconciler:
    """Changes the table, and tells HAProxy. When one of its changes returns, HAProxy knows it, or
    is away and will be told."""

    def __init__(
        self, *, table: Table, runtime: Runtime, zone: Zone, clock: Clock, metrics: Metrics
    ) -> None:
        self.table = table
        """To be read by all."""
        self._runtime = runtime
        self._zone = zone
        self._clock = clock
        self._metrics = metrics
        self._observers: list[Observer] = []
        self._told: access_map.Entries | None = None
        """The entries that HAProxy was told; None: not known, so that all of it must be told
        anew."""
        self._telling = asyncio.Lock()
        self._rebuild = asyncio.Event()

    def observe(self, observer: Observer) -> None:
        """Tells `observer` of every change from now on."""
        self._observers.append(observer)

    @property
    def in_sync(self) -> bool:
        """Whether HAProxy knows the table."""
        return self._told is not None

    async def take(self, message: ToGateway) -> None:
        """Takes the server's word. Raises `ValueError` for a change that does not follow the
        table's revision."""
        now = self._clock.now()
        if isinstance(message, RouteTable):
            await self._changed(changes.replace(self.table, message, now))
        else:
            await self._changed(changes.apply(self.table, message, now))

    async def learn(self, session: Session) -> None:
        """Takes a session that a code was exchanged for. Raises `ValueError` when its id cannot be
        used."""
        await self._changed(changes.learn(self.table, session))

    async def introduce(self, session: Session) -> bool:
        """Takes a session that a hand-over's code tells of. False when that session is over."""
        affected = changes.introduce(self.table, session, self._clock.now())
        if affected is None:
            return False
        if affected.users:
            await self._changed(affected)
        return True

    async def end_session(self, session_id: str) -> None:
        """Ends a session here and now, whatever the server says of it later."""
        await self._changed(changes.end(self.table, session_id))

    async def drop_expired(self) -> None:
        """Ends the sessions whose time is over."""
        affected = changes.drop_expired(self.table, self._clock.now())
        if affected.users:
            await self._changed(affected)

    async def drop_unconfirmed(self) -> None:
        """Ends the sessions that the server should have named by now. Call it only while the server
        is listened to."""
        affected = changes.drop_unconfirmed(self.table, self._clock.now())
        if affected.users:
            await self._changed(affected)

    async def keep_haproxy(self) -> None:
        """Tells HAProxy everything, and again when that is needed, until HAProxy ends.

        Raises `Unavailable` when HAProxy does not answer.
        """
        async with self._runtime.watching() as gone:
            try:
                while not gone.done():
                    self._rebuild.clear()
                    await self._tell_all()
                    self._metrics.haproxy_connected.set(1)
                    again = asyncio.create_task(self._rebuild.wait(), name="gateway.rebuild")
                    await asyncio.wait({gone, again}, return_when=asyncio.FIRST_COMPLETED)
                    again.cancel()
            finally:
                self._metrics.haproxy_connected.set(0)
                self._told = None

    async def _changed(self, affected: Affected) -> None:
        began = time.monotonic()
        try:
            async with self._telling:
                await self._tell(affected)
        except Unavailable as error:
            _log.warning("HAProxy could not be told; all will be told anew", error=str(error))
            self._told = None
            self._rebuild.set()
        self._metrics.map_seconds.observe(time.monotonic() - began)
        self._notify(affected)

    def _notify(self, affected: Affected) -> None:
        for observer in self._observers:
            observer(affected)

    async def _tell(self, affected: Affected) -> None:
        """Tells HAProxy what changed, as far as it knows the rest."""
        if self._told is None:
            self._rebuild.set()
            return
        names = affected.workspaces | (
            self.table.open_to(affected.users) if affected.users else set()
        )
        after = access.entries_of(self.table, self._zone.name, self._clock.now(), names)
        before = {name: self._told.get(name, {}) for name in names}
        difference = access_map.difference(access_map.flat(before), access_map.flat(after))
        if not difference:
            return
        await self._runtime.change(access_map.FILE, difference)
        for name, entries in after.items():
            if entries:
                self._told[name] = entries
            else:
                self._told.pop(name, None)
        self._metrics.map_updates.labels("change").inc()

    async def _tell_all(self) -> None:
        """Tells HAProxy the whole table; before the server has spoken, takes over what it has."""
        if not self.table.known:
            return
        async with self._telling:
            if self.table.confirmed:
                entries = access.entries_of(self.table, self._zone.name, self._clock.now())
                self._told = None
                await self._runtime.replace(access_map.FILE, access_map.flat(entries).items())
                self._told = entries
            else:
                self._told = access_map.read_back(
                    await self._runtime.ask(f"show map {access_map.FILE}"), self._zone.name
                )
        self._metrics.map_updates.labels("rebuild").inc()
        _log.info(
            "HAProxy's map is known", workspaces=len(self._told), confirmed=self.table.confirmed
        )
        people = {session.user for session in self.table.sessions.values()}
        self._notify(Affected(set(self.table.routes), people, revoked=True))
