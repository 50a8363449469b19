"""From the route table to the entries of HAProxy's map. Pure.

`passes.map` says which session may reach what, and where it is: `<workspace>.<zone>/<session id>` → address (every port),
`<port>-<workspace>.<zone>/<session id>` → address (that port). An entry exists only while session, right and address do:
what is not there does not pass. One look-up answers all three questions, at each request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from moorage.contract.gateway import Route
from moorage.contract.hosts import host_of, parse_host
from moorage.contract.spec import EDITOR_PORT
from moorage.gateway.table import Table
from moorage.kernel.addresses import is_address

PASSES = "passes.map"
EDITOR_MARK = "editor"
"""Stands for a session's id, which is longer, where an editor is not at the usual port: `<port>-<workspace>.<zone>/editor`. It lets
nobody pass, and says that this port is the editor's."""

_LAST_PORT = 65535

Entries = dict[str, dict[str, str]]
"""By workspace: key → address."""


@dataclass(frozen=True)
class Difference:
    """What has to be done to the map."""

    removed: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    added: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.changed or self.added)


def passes_of(
    route: Route | None,
    grants: Iterable[tuple[int, int]],
    sessions: Mapping[int, Collection[str]],
    zone: str,
) -> dict[str, str]:
    """Of one workspace. `grants`: user and port (0: all); `sessions`: the live ones' ids by user."""
    if route is None or not is_address(route.address):
        return {}
    rights = {(route.owner, 0), *grants}
    found = {
        f"{host_of(route.workspace, port, zone) if port else f'{route.workspace}.{zone}'}/{session}": route.address
        for user, port in sorted(rights)
        for session in sessions.get(user, ())
    }
    if route.editor_port != EDITOR_PORT and 0 < route.editor_port <= _LAST_PORT:
        found[f"{host_of(route.workspace, route.editor_port, zone)}/{EDITOR_MARK}"] = route.address
    return found


def entries_of(table: Table, zone: str, now: float, workspaces: Iterable[str] | None = None) -> Entries:
    """Of these workspaces (None: of all). One without entries is there, and empty, when it was asked for."""
    sessions = table.live_sessions(now)
    names = table.routes.keys() if workspaces is None else workspaces
    found = {
        name: passes_of(table.routes.get(name), table.grants.get(name, ()), sessions, zone) for name in names
    }
    return {name: entries for name, entries in found.items() if entries or workspaces is not None}


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    return Difference(
        removed=tuple(key for key in before if key not in after),
        changed=tuple((k, v) for k, v in after.items() if k in before and before[k] != v),
        added=tuple((k, v) for k, v in after.items() if k not in before),
    )


def flat(entries: Entries) -> dict[str, str]:
    return {key: address for found in entries.values() for key, address in found.items()}


def read_back(show_map: str, zone: str) -> Entries:
    """From the answer to `show map`: what HAProxy has now."""
    found: Entries = {}
    for line in show_map.splitlines():
        match line.split():
            case [_, key, address]:
                place = key.partition("/")[0]
                host = parse_host(place, zone) or parse_host(f"1-{place}", zone)
                if host is not None:
                    found.setdefault(host.workspace, {})[key] = address
    return found
