"""Makes the entries of HAProxy's access map from the route table. Pure.

An entry exists only while session, right and address do: what is not there is not let through.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from moorage.contract.gateway import Route
from moorage.contract.spec import EDITOR_PORT
from moorage.gateway.haproxy.access_map import Entries, editor_key, key, tls_key
from moorage.gateway.rights import Right
from moorage.gateway.table import Table
from moorage.kernel.addresses import is_address

_LAST_PORT = 65535


def entries_of(
    table: Table, zone: str, now: float, workspaces: Iterable[str] | None = None
) -> Entries:
    """The entries of these workspaces (None: of all). A workspace without any is there, and empty,
    when it was asked for."""
    sessions = table.live_sessions(now)
    names = table.routes.keys() if workspaces is None else workspaces
    found = {
        name: entries_of_workspace(table.routes.get(name), table.rights(name), sessions, zone)
        for name in names
    }
    return {name: entries for name, entries in found.items() if entries or workspaces is not None}


def entries_of_workspace(
    route: Route | None, rights: Iterable[Right], sessions: Mapping[int, Collection[str]], zone: str
) -> dict[str, str]:
    """The entries of one workspace: key → address. `sessions`: the live ones' ids, by user."""
    if route is None or not is_address(route.address):
        return {}
    found = {
        key(route.workspace, right.port, zone, session): route.address
        for right in sorted(set(rights))
        for session in sessions.get(right.user, ())
    }
    if route.editor_port != EDITOR_PORT and 0 < route.editor_port <= _LAST_PORT:
        found[editor_key(route.workspace, route.editor_port, zone)] = route.address
    for port in route.tls_ports:
        if 0 < port <= _LAST_PORT and port != route.editor_port:
            found[tls_key(route.workspace, port, zone)] = route.address
    return found
