"""The route table as the controller holds it: the server's last word, and what it learned since.

In memory only. Everybody reads it; the reconciler alone changes it, by `changes`, as each change
has to reach HAProxy.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from moorage.contract.gateway import Grant, Route, RouteTable, Session
from moorage.gateway.rights import Right, rights_to
from moorage.kernel.addresses import Network


@dataclass
class Table:
    """The workspaces there are, who is signed in, and who was granted what."""

    networks: tuple[Network, ...] = ()
    """The networks that workspaces are in; (): see `kernel.addresses.workspace_address`."""
    known: bool = False
    """There is a table at all, if only the one from the disk."""
    confirmed: bool = False
    """The server has spoken since this process began. A table from the disk may be older than what
    HAProxy was told last: until then nothing is taken away but what ends by itself."""
    revision: int = -1
    server_url: str = ""
    routes: dict[str, Route] = field(default_factory=dict)
    """Routes by workspace."""
    sessions: dict[str, Session] = field(default_factory=dict)
    """Sessions by id."""
    grants: dict[str, set[Right]] = field(default_factory=dict)
    """Granted rights by workspace."""
    ended: dict[str, float] = field(default_factory=dict)
    """Sessions that were ended here, and until when they would have lasted: the server may not
    know yet."""
    unconfirmed: dict[str, float] = field(default_factory=dict)
    """Sessions that only another gateway's code has told of, and until when the server must have
    named them."""
    gone: dict[str, float] = field(default_factory=dict)
    """Sessions that the server has ended, and until when a code that tells of one may come."""

    def session(self, session_id: str | None, now: float) -> Session | None:
        """The live session of that id."""
        found = self.sessions.get(session_id) if session_id else None
        return found if found is not None and found.expires_at > now else None

    def rights(self, workspace: str) -> list[Right]:
        """Who may open what of that workspace."""
        return rights_to(self.routes.get(workspace), self.grants.get(workspace, ()))

    def may_open(self, user: int, workspace: str, port: int) -> bool:
        """Whether that person may open that port, whether the workspace runs or not. False for an
        unknown one."""
        return any(right.user == user and right.opens(port) for right in self.rights(workspace))

    def open_to(self, users: Collection[int]) -> set[str]:
        """Workspaces of which one of these people may open something."""
        return {
            name for name in self.routes if any(right.user in users for right in self.rights(name))
        }

    def live_sessions(self, now: float) -> dict[int, list[str]]:
        """Ids of the sessions that have not ended, by user."""
        found: dict[int, list[str]] = {}
        for session in self.sessions.values():
            if session.expires_at > now:
                found.setdefault(session.user, []).append(session.id)
        return found

    def next_expiry(self) -> float | None:
        """When the next session ends; seconds since the epoch."""
        return min((s.expires_at for s in self.sessions.values()), default=None)

    def message(self) -> RouteTable:
        """The table as the server would send it."""
        return RouteTable(
            revision=self.revision,
            server_url=self.server_url,
            routes=tuple(self.routes.values()),
            sessions=tuple(self.sessions.values()),
            grants=tuple(
                Grant(user=user, workspace=workspace, port=port)
                for workspace, granted in self.grants.items()
                for user, port in sorted(granted)
            ),
        )


@dataclass
class Affected:
    """Whom a change of the table may concern."""

    workspaces: set[str] = field(default_factory=set)
    """Workspaces whose route or grants changed."""
    users: set[int] = field(default_factory=set)
    """People whose sessions began or ended."""
    ended: set[str] = field(default_factory=set)
    """Ids of sessions that ended."""
    revoked: bool = False
    """Somebody may have lost access."""
