"""From the route table to the entries of HAProxy's two maps. Pure.

`sessions.map`: session id → user id. `passes.map`: who may reach what, and where it is:
`<workspace>.<zone>/<user>` → address (every port), `<port>-<workspace>.<zone>/<user>` → address (that port).
An entry exists only while the workspace has an address: what is not there does not pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from moorage.contract.gateway import Route, Session
from moorage.contract.hosts import host_of
from moorage.gateway.table import Table, is_address

SESSIONS = "sessions.map"
PASSES = "passes.map"


@dataclass
class Entries:
    sessions: dict[str, str] = field(default_factory=dict)
    passes: dict[str, dict[str, str]] = field(default_factory=dict)
    """By workspace: key → address."""


@dataclass(frozen=True)
class Difference:
    """What has to be done to one map."""

    removed: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    added: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.changed or self.added)


def passes_of(route: Route | None, grants: Iterable[tuple[int, int]], zone: str) -> dict[str, str]:
    """`grants`: user and port (0: all)."""
    if route is None or not is_address(route.address):
        return {}
    entries = {f"{route.workspace}.{zone}/{route.owner}": route.address}
    for user, port in grants:
        host = host_of(route.workspace, port, zone) if port else f"{route.workspace}.{zone}"
        entries[f"{host}/{user}"] = route.address
    return entries


def user_of(session: Session | None, now: float) -> str | None:
    return str(session.user) if session is not None and session.expires_at > now else None


def entries_of(table: Table, zone: str, now: float) -> Entries:
    """All of them."""
    return Entries(
        sessions={s.id: user for s in table.sessions.values() if (user := user_of(s, now)) is not None},
        passes={
            name: entries
            for name, route in table.routes.items()
            if (entries := passes_of(route, table.grants.get(name, ()), zone))
        },
    )


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    return Difference(
        removed=tuple(key for key in before if key not in after),
        changed=tuple((k, v) for k, v in after.items() if k in before and before[k] != v),
        added=tuple((k, v) for k, v in after.items() if k not in before),
    )


def as_file(entries: Iterable[tuple[str, str]]) -> str:
    """The text of a map file."""
    return "".join(f"{key} {value}\n" for key, value in entries)
