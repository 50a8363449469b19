"""The last route table on disk: what the gateway lives by until the server speaks again."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from moorage.contract.gateway import RouteTable
from moorage.gateway import changes
from moorage.gateway.table import Affected, Table
from moorage.kernel import log
from moorage.kernel.addresses import Network
from moorage.kernel.home import Home, write_private
from moorage.kernel.tasks import is_set_within

_SAVE_AFTER = 0.25
"""Seconds, at least, that changes are gathered before the table is written."""
_SAVE_SHARE = 20
"""Changes are gathered so many times longer than writing takes: a large table is written less
often."""

_log = log.get(part="gateway.persistence")


class Stored(msgspec.Struct, frozen=True):
    """The content of the file."""

    table: RouteTable
    ended: dict[str, float] = {}
    """Sessions that were ended here, and until when they would have lasted."""


class Persistence:
    """Keeps the copy on disk up to date."""

    def __init__(self, home: Home, table: Table) -> None:
        self._home = home
        self._table = table
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._writing = asyncio.Lock()
        self._gather = _SAVE_AFTER

    def note(self, affected: Affected) -> None:
        """Has the table written: at once where sessions or rights ended or began, else soon."""
        self._changed.set()
        if affected.revoked or affected.users:
            self._urgent.set()

    async def save_changes(self) -> None:
        """Waits for changes, gathers them for a while, and writes the table."""
        await self._changed.wait()
        await is_set_within(self._urgent, self._gather)
        await self.save_now()

    async def save_now(self) -> None:
        """Returns when the table, as it is now, is on the disk. Nobody waits for the disk
        meanwhile."""
        async with self._writing:
            self._changed.clear()
            self._urgent.clear()
            began = time.monotonic()
            await asyncio.to_thread(write, self._home, snapshot(self._table))
            self._gather = max(_SAVE_AFTER, _SAVE_SHARE * (time.monotonic() - began))


def path(home: Home) -> Path:
    """The file of the copy."""
    return home.gateway / "routes.json"


def snapshot(table: Table) -> Stored:
    """The table as it is now, whatever becomes of it while it is written."""
    return Stored(table.message(), dict(table.ended))


def write(home: Home, stored: Stored) -> None:
    """Replaces the copy."""
    # HAProxy begins with it: where that has an account of its own, it reads this by the gateway's
    # group.
    write_private(path(home), msgspec.json.encode(stored).decode(), mode=0o640)


def save(home: Home, table: Table) -> None:
    """Writes the table as it is now."""
    write(home, snapshot(table))


def load(home: Home, now: float, networks: tuple[Network, ...] = ()) -> Table:
    """The last table; one that is not `known` when there is none that can be read. `networks`: as
    in `Table`."""
    table = Table(networks=networks)
    try:
        stored = msgspec.json.decode(path(home).read_bytes(), type=Stored)
    except FileNotFoundError:
        return table
    except (OSError, msgspec.DecodeError) as error:
        _log.warning(
            "the last route table cannot be read; waiting for the server's", error=str(error)
        )
        return table
    changes.restore(table, stored.table, stored.ended, now)
    return table
