"""The last route table on disk: what the gateway lives by until the server speaks again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from moorage.contract.gateway import RouteTable
from moorage.gateway.signing import usable_session_id
from moorage.gateway.table import Table
from moorage.kernel import log
from moorage.kernel.addresses import Network
from moorage.kernel.home import Home, write_private

_log = log.get(part="gateway.store")


class Stored(msgspec.Struct, frozen=True):
    table: RouteTable
    ended: dict[str, float] = {}
    """Sessions that were ended here, and until when they would have lasted."""


def path(home: Home) -> Path:
    return home.gateway / "routes.json"


def snapshot(table: Table) -> Stored:
    """The table as it is now, whatever becomes of it while it is written."""
    return Stored(table.message(), dict(table.ended))


def write(home: Home, stored: Stored) -> None:
    # HAProxy begins with it: where that has an account of its own, it reads this by the gateway's group.
    write_private(path(home), msgspec.json.encode(stored).decode(), mode=0o640)


def save(home: Home, table: Table) -> None:
    write(home, snapshot(table))


def load(home: Home, now: float, networks: tuple[Network, ...] = ()) -> Table:
    """The last table; one that is not `known` when there is none that can be read. `networks`: as of `Table`."""
    table = Table(networks=networks)
    try:
        stored = msgspec.json.decode(path(home).read_bytes(), type=Stored)
    except FileNotFoundError:
        return table
    except (OSError, msgspec.DecodeError) as error:
        _log.warning("the last route table cannot be read; waiting for the server's", error=str(error))
        return table
    table.ended = {
        key: until for key, until in stored.ended.items() if until > now and usable_session_id(key)
    }
    table.replace(stored.table, now, confirmed=False)
    return table
