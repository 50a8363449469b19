"""Keeps HAProxy true to the route table: maps, open requests, the copy on disk, and who waits for news.

Everything here is level-triggered: a change that could not be told to HAProxy makes the next look rebuild all of it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress

from moorage.contract.gateway import RouteTable, ToGateway
from moorage.gateway import maps, store
from moorage.gateway.haproxy.configuration import CONNECTIONS_TABLE, FRONTEND
from moorage.gateway.haproxy.connections import connections, forbidden, is_ending, streams
from moorage.gateway.haproxy.drain import STAGES
from moorage.gateway.haproxy.runtime import Runtime
from moorage.gateway.metrics import Metrics
from moorage.gateway.server import Server
from moorage.gateway.table import Table, Touched
from moorage.gateway.zone import Zone
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError, Unavailable
from moorage.kernel.home import Home

_SAVE_AFTER = 0.25
"""Seconds, at least, that changes are gathered before the table is written down; those of sessions are written at once."""
_SAVE_SHARE = 20
"""How many times longer than writing takes changes are gathered: a large table is written less often."""
_LOOK_AGAIN = 0.3
"""Seconds until open requests are looked at once more: one may have passed just before the map changed."""
_LONGEST_WAIT = 3600.0
_DRAIN_BEGINS = 4.0
"""Seconds within which a HAProxy that was told to end, when we were, says so (`haproxy.drain`)."""
_DRAIN_LOOK = 0.25

_log = log.get(part="gateway.upkeep")


class Upkeep:
    def __init__(
        self, *, table: Table, runtime: Runtime, metrics: Metrics, zone: Zone, clock: Clock, home: Home
    ) -> None:
        self.table = table
        self._runtime = runtime
        self._metrics = metrics
        self._zone = zone
        self._clock = clock
        self._home = home
        self._shown: maps.Entries | None = None
        """What HAProxy was told; None: not known, so that all of it must be told anew."""
        self._telling = asyncio.Lock()
        self._rebuild = asyncio.Event()
        self._unsaved = asyncio.Event()
        self._urgent = asyncio.Event()
        self._saving = asyncio.Lock()
        self._lost = asyncio.Event()
        self._sessions_changed = asyncio.Event()
        self._server_there = False
        self._server_problem = ""
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._gather = _SAVE_AFTER
        self._told_ended: set[str] = set()
        self._ended: set[str] = set()
        """Sessions that ended while the table was not confirmed."""

    async def took(self, touched: Touched) -> None:
        """Call after each change of the table. When it returns, HAProxy knows (or is away)."""
        began = time.monotonic()
        try:
            async with self._telling:
                await self._tell(touched)
        except Unavailable as error:
            _log.warning("HAProxy could not be told; all will be told anew", error=str(error))
            self._shown = None
            self._rebuild.set()
        self._metrics.map_seconds.observe(time.monotonic() - began)
        if not self.table.confirmed:
            self._ended |= touched.ended
        self._unsaved.set()
        if touched.lost or touched.users:
            self._urgent.set()
        if touched.lost:
            self._lost.set()
        if touched.users:
            self._sessions_changed.set()
        self._wake(self._watchers if touched.users else touched.workspaces)

    @contextmanager
    def watching(self, workspace: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something about that workspace, or about anybody's session, has changed."""
        event = asyncio.Event()
        watchers = self._watchers.setdefault(workspace, set())
        watchers.add(event)
        try:
            yield event
        finally:
            watchers.discard(event)
            if not watchers:
                self._watchers.pop(workspace, None)

    def waits_for(self) -> str:
        """What is missing before this gateway can let people pass, in plain words; "" when it can."""
        if not self.table.known:
            return f"Waiting for the server's route table. {self._server_problem}".rstrip()
        return "" if self._shown is not None else "Waiting for HAProxy, to tell it who may pass."

    async def follow(self, server: Server) -> None:
        """One connection to the server, from its table to its end."""
        try:
            async with server.stream() as messages:
                self._metrics.connected.set(1)
                self._server_there, self._server_problem = True, ""
                try:
                    await self.tell_ended(server)
                    await self._listen(messages)
                finally:
                    self._server_there = False
                    self._metrics.connected.set(0)
        except Unavailable as error:
            self._server_problem = str(error)
            raise

    async def haproxy_drained(self) -> None:
        """Returns when HAProxy is gone, or was not told to end."""
        end = time.monotonic() + _DRAIN_BEGINS
        with suppress(Unavailable):
            while is_ending(await self._runtime.ask(f"show acl {STAGES}")) or time.monotonic() < end:  # noqa: ASYNC110 - not of this process
                await asyncio.sleep(_DRAIN_LOOK)

    async def tell_ended(self, server: Server) -> None:
        """Tells the server of sessions that were ended here; what it cannot be told now, it is told when it is back."""
        for session_id in self.table.ended.keys() - self._told_ended:
            try:
                await server.end_session(session_id)
            except Unavailable:
                return
            except MoorageError as error:
                _log.warning("the server did not end a session", error=str(error))
            self._told_ended.add(session_id)
        self._told_ended &= self.table.ended.keys()

    async def keep_haproxy(self) -> None:
        """One life of HAProxy: tells it everything, and returns when it ends or must be told anew."""
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
                self._shown = None

    async def expire_sessions(self) -> None:
        """Waits for the next session to end, and ends it, whether the server is there or not; and those that it should have
        named by now, while it is there."""
        self._sessions_changed.clear()
        ends = [self._clock.now() + _LONGEST_WAIT, self.table.next_expiry() or math.inf]
        if self._server_there:
            ends += self.table.unconfirmed.values()
        wait = min(ends) - self._clock.now()
        if wait > 0:
            await _set_within(self._sessions_changed, wait)
        touched = [self.table.drop_expired(self._clock.now())]
        if self._server_there:
            touched.append(self.table.drop_unconfirmed(self._clock.now()))
        for change in touched:
            if change.users:
                await self.took(change)

    async def save(self) -> None:
        """Waits for changes, and writes the table down: those of sessions at once, others gathered for a while."""
        await self._unsaved.wait()
        await _set_within(self._urgent, self._gather)
        await self.saved()

    async def saved(self) -> None:
        """Returns when the table, as it is now, is on the disk. Nobody waits for the disk meanwhile."""
        async with self._saving:
            self._unsaved.clear()
            self._urgent.clear()
            began = time.monotonic()
            await asyncio.to_thread(store.write, self._home, store.snapshot(self.table))
            self._gather = max(_SAVE_AFTER, _SAVE_SHARE * (time.monotonic() - began))

    async def close_lost(self) -> None:
        """Waits until somebody may have lost access, and ends the requests that are open without it."""
        await self._lost.wait()
        self._lost.clear()
        await self._close_forbidden()
        await asyncio.sleep(_LOOK_AGAIN)
        await self._close_forbidden()

    async def _listen(self, messages: AsyncIterator[ToGateway]) -> None:
        async for message in messages:
            now = self._clock.now()
            self._metrics.heard()
            if isinstance(message, RouteTable):
                _log.info("route table received", revision=message.revision, routes=len(message.routes))
                touched = self.table.replace(message, now)
            else:
                touched = self.table.apply(message, now)
            await self.took(touched)

    async def _tell(self, touched: Touched) -> None:
        """Tells HAProxy what changed, as far as it knows the rest."""
        if self._shown is None:
            self._rebuild.set()
            return
        names = touched.workspaces | (self.table.open_to(touched.users) if touched.users else set())
        after = maps.entries_of(self.table, self._zone.name, self._clock.now(), names)
        before = {name: self._shown.get(name, {}) for name in names}
        changes = maps.difference(maps.flat(before), maps.flat(after))
        if not changes:
            return
        await self._runtime.change(maps.PASSES, changes)
        for name, entries in after.items():
            if entries:
                self._shown[name] = entries
            else:
                self._shown.pop(name, None)
        self._metrics.map_updates.labels("change").inc()

    async def _tell_all(self) -> None:
        if not self.table.known:
            return
        async with self._telling:
            if self.table.confirmed:
                entries = maps.entries_of(self.table, self._zone.name, self._clock.now())
                self._shown = None
                await self._runtime.replace(maps.PASSES, maps.flat(entries).items())
                self._shown = entries
            else:
                self._shown = maps.read_back(
                    await self._runtime.ask(f"show map {maps.PASSES}"), self._zone.name
                )
        self._metrics.map_updates.labels("rebuild").inc()
        _log.info("HAProxy's map is known", workspaces=len(self._shown), confirmed=self.table.confirmed)
        self._lost.set()
        self._wake(self._watchers)

    async def _close_forbidden(self) -> None:
        if not self.table.known:
            return
        # In this order: a request that is refused while we look has taken its connection's tags away.
        answer = await self._runtime.ask("show sess", f"show table {CONNECTIONS_TABLE}")
        ids = streams(answer, FRONTEND)
        open_now = (found for found in connections(answer) if found.source in ids)
        closing = forbidden(open_now, self.table, self._zone, self._clock.now(), self._ended)
        if not closing:
            return
        victims = [ids[connection.source] for connection in closing]
        await self._runtime.shutdown(victims)
        self._metrics.closed.inc(len(victims))
        _log.info("open requests closed: access ended", count=len(victims))

    def _wake(self, workspaces: Iterable[str]) -> None:
        for name in workspaces:
            for event in self._watchers.get(name, ()):
                event.set()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
