"""Whose requests are open now, by HAProxy's own books, and which of them may not be. Pure.

HAProxy tracks each request to a workspace in a stick table under `<session id>/<host>/<source>`, for as long as it lasts.
That survives the controller, needs no listening, and costs nothing until somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from moorage.gateway.table import Table
from moorage.gateway.zone import Zone

_ENTRY = re.compile(r"key=([A-Za-z0-9_-]+)/([^/ ]+)/(\S+) use=([1-9]\d*) ")
_STREAM = re.compile(r"^(0x[0-9a-f]+): proto=\S+ src=(\S+) fe=(\S+) ", re.MULTILINE)


@dataclass(frozen=True)
class OpenRequest:
    session: str
    host: str
    source: str
    """Address and port of the browser's end of the connection."""


def open_requests(show_table: str) -> list[OpenRequest]:
    """From the answer to `show table`."""
    return [OpenRequest(found[1], found[2], found[3]) for found in _ENTRY.finditer(show_table)]


def streams(show_sess: str, frontend: str) -> dict[str, str]:
    """From the answer to `show sess`: source → stream id. With HTTP/1.1 a connection has one request at a time."""
    return {found[2]: found[1] for found in _STREAM.finditer(show_sess) if found[3] == frontend}


def forbidden(
    requests: Iterable[OpenRequest], table: Table, zone: Zone, now: float, ended: Collection[str]
) -> list[OpenRequest]:
    """Those whose session is over, or whose person may not open that host (any more).

    A workspace that merely stopped closes nothing: its connections end by themselves. While the table is not confirmed,
    only the sessions of `ended` count: what is not in a table from the disk may just be newer than it.
    """
    if not table.confirmed:
        return [request for request in requests if request.session in ended]
    return [request for request in requests if not _allowed(request, table, zone, now)]


def _allowed(request: OpenRequest, table: Table, zone: Zone, now: float) -> bool:
    session = table.session(request.session, now)
    place = zone.workspace_host(request.host)
    if session is None or place is None:
        return False
    return table.may_open(session.user, place.workspace, place.port)
