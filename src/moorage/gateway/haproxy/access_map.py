"""The map by which HAProxy decides whether a request reaches a workspace, and where that is. Pure.

`<workspace>.<zone>/<session id>` → address stands for every port,
`<port>-<workspace>.<zone>/<session id>` → address for that port. One look-up at each request
answers who may open what and where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from moorage.contract.hosts import host_of, parse_host
from moorage.gateway.haproxy import words
from moorage.kernel import log

FILE = "access.map"
"""The file that HAProxy begins with, and knows the map by."""
TLS_MARK = "tls"
"""Stands for a session's id where a port speaks TLS. It lets nobody through."""
EDITOR_MARK = "editor"
"""Stands for a session's id, which is longer, where an editor is not at the usual port. It lets
nobody through, and says that this port is the editor's."""

Entries = dict[str, dict[str, str]]
"""By workspace: key → address."""

_log = log.get(part="gateway.haproxy")


@dataclass(frozen=True)
class Difference:
    """Changes that make one map the other."""

    removed: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    added: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.removed or self.changed or self.added)


def key(workspace: str, port: int, zone: str, session: str) -> str:
    """The key for that session at that port; 0: at every port."""
    host = host_of(workspace, port, zone) if port else f"{workspace}.{zone}"
    return f"{host}/{session}"


def editor_key(workspace: str, port: int, zone: str) -> str:
    """The key that says that the editor is at that port."""
    return key(workspace, port, zone, EDITOR_MARK)


def tls_key(workspace: str, port: int, zone: str) -> str:
    """The key that says that this port speaks TLS."""
    return key(workspace, port, zone, TLS_MARK)


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    """Finds the changes that make the one map the other."""
    return Difference(
        removed=tuple(each for each in before if each not in after),
        changed=tuple((k, v) for k, v in after.items() if k in before and before[k] != v),
        added=tuple((k, v) for k, v in after.items() if k not in before),
    )


def flat(entries: Entries) -> dict[str, str]:
    """The entries of all workspaces as one map."""
    return {each: address for found in entries.values() for each, address in found.items()}


def writable(entries: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The entries that can stand in a map. Others are left out and logged, and keep none away."""
    for name, value in entries:
        if words.is_word(name) and words.is_word(value):
            yield name, value
        else:
            _log.error(
                "an entry of HAProxy's map is left out: it cannot be written",
                key=name[:80],
                value=value[:80],
            )


def file_text(entries: Entries) -> str:
    """The text of the file that the map begins with."""
    return "".join(
        f"{words.line(f'{name} {value}')}\n" for name, value in writable(flat(entries).items())
    )


def read_back(show_map: str, zone: str) -> Entries:
    """Reads from the answer to `show map` what HAProxy has now."""
    found: Entries = {}
    for line in show_map.splitlines():
        match line.split():
            case [_, name, address]:
                place = name.partition("/")[0]
                host = parse_host(place, zone) or parse_host(f"1-{place}", zone)
                if host is not None:
                    found.setdefault(host.workspace, {})[name] = address
    return found
