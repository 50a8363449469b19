"""The route table as the controller holds it: the server's last word, plus what it learned by itself since.

In memory only; `message` and `replace` carry it to the disk and back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from msgspec import structs

from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session
from moorage.contract.hosts import is_name
from moorage.contract.states import ActualState, Cause
from moorage.gateway.signing import usable_session_id
from moorage.gateway.zone import usable_origin
from moorage.kernel import log
from moorage.kernel.addresses import Network, workspace_address

CONFIRM_SECONDS = 30.0
"""The server tells every gateway of a session well within a second; replicas of the server may be a little apart."""
GONE_SECONDS = 600.0
"""Longer than any code lives."""

_log = log.get(part="gateway.table")


@dataclass
class Touched:
    """What a change may have changed. `lost`: somebody may have lost access by it."""

    workspaces: set[str] = field(default_factory=set)
    users: set[int] = field(default_factory=set)
    """Whose sessions began or ended."""
    ended: set[str] = field(default_factory=set)
    """Sessions that ended."""
    lost: bool = False


@dataclass
class Table:
    """What may pass, and who."""

    networks: tuple[Network, ...] = ()
    """Those that workspaces are in, and no others; (): see `workspace_address`."""
    known: bool = False
    """There is a table at all, if only the one from the disk."""
    confirmed: bool = False
    """The server has spoken since this process began. A table from the disk may be older than what HAProxy was told
    last: until then nothing is taken away but what ends by itself."""
    revision: int = -1
    server_url: str = ""
    routes: dict[str, Route] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    grants: dict[str, set[tuple[int, int]]] = field(default_factory=dict)
    """By workspace: user and port (0: all ports)."""
    ended: dict[str, float] = field(default_factory=dict)
    """Sessions that were ended here, and until when they would have lasted: the server may not know yet."""
    unconfirmed: dict[str, float] = field(default_factory=dict)
    """Sessions that only another gateway's code has told of, and until when the server must have named them."""
    gone: dict[str, float] = field(default_factory=dict)
    """Sessions that the server has ended, for as long as a code may still be on its way that tells of one."""

    def session(self, session_id: str | None, now: float) -> Session | None:
        """The live session of that id."""
        found = self.sessions.get(session_id) if session_id else None
        return found if found is not None and found.expires_at > now else None

    def may_open(self, user: int, workspace: str, port: int) -> bool:
        """Whether that person may open that port, whether the workspace runs or not. False for an unknown one."""
        route = self.routes.get(workspace)
        if route is None:
            return False
        grants = self.grants.get(workspace, ())
        return route.owner == user or (user, 0) in grants or (user, port) in grants

    def live_sessions(self, now: float) -> dict[int, list[str]]:
        """Ids of the sessions that have not ended, by user."""
        found: dict[int, list[str]] = {}
        for session in self.sessions.values():
            if session.expires_at > now:
                found.setdefault(session.user, []).append(session.id)
        return found

    def open_to(self, users: Collection[int]) -> set[str]:
        """Workspaces of which one of these users may open something."""
        owned = {name for name, route in self.routes.items() if route.owner in users}
        granted = {name for name, grants in self.grants.items() if any(user in users for user, _ in grants)}
        return owned | granted

    def replace(self, message: RouteTable, now: float, *, confirmed: bool = True) -> Touched:
        """Takes a whole table. Routes and sessions that cannot be written to HAProxy's maps safely are left out."""
        before = set(self.routes) | set(self.grants)
        users = {session.user for session in self.sessions.values()}
        self.known, self.confirmed = True, confirmed
        self.revision, self.server_url = message.revision, usable_origin(message.server_url)
        usable = (usable_route(route, self.networks) for route in message.routes)
        self.routes = {route.workspace: route for route in usable if route is not None}
        known = set(self.sessions)
        self.sessions = {s.id: s for s in message.sessions if self._wanted(s, now)}
        self._are_gone(known - self.sessions.keys(), now)
        self.unconfirmed = {}
        self.grants = {}
        for grant in message.grants:
            self.grants.setdefault(grant.workspace, set()).add((grant.user, grant.port))
        users |= {session.user for session in self.sessions.values()}
        return Touched(before | set(self.routes), users, lost=True)

    def apply(self, change: RouteChange, now: float) -> Touched:
        """Raises `ValueError` when the change does not follow the table's revision."""
        if not self.known or change.revision != self.revision + 1:
            raise ValueError(f"revision {change.revision} does not follow {self.revision}")
        self.revision = change.revision
        touched = Touched(
            lost=bool(change.removed_routes or change.removed_sessions or change.removed_grants)
        )
        self._take_routes(change, touched)
        for session in change.sessions:
            if self._wanted(session, now):
                self.unconfirmed.pop(session.id, None)
                self._take_session(session, touched)
        for session_id in change.removed_sessions:
            self._drop_session(session_id, touched)
        self._are_gone(change.removed_sessions, now)
        for grant in change.grants:
            self.grants.setdefault(grant.workspace, set()).add((grant.user, grant.port))
            touched.workspaces.add(grant.workspace)
        for grant in change.removed_grants:
            self._drop_grant(grant)
            touched.workspaces.add(grant.workspace)
        return touched

    def learn(self, session: Session) -> Touched:
        """A session that this gateway was just given in exchange for a code; the server's table will have it too."""
        if not usable_session_id(session.id):
            raise ValueError("a session id that cannot be used")
        touched = Touched()
        self.ended.pop(session.id, None)
        self._take_session(session, touched)
        return touched

    def introduce(self, session: Session, now: float) -> Touched | None:
        """A session that a code of this gateway, or of another with its key, tells of. None when it is over.

        What the server does not name within `CONFIRM_SECONDS` is over as well: it may have ended before we could hear of it.
        """
        if session.id in self.sessions:
            return Touched() if self.session(session.id, now) else None
        if session.id in self.gone or not self._wanted(session, now):
            return None
        touched = Touched()
        self.unconfirmed[session.id] = now + CONFIRM_SECONDS
        self._take_session(session, touched)
        return touched

    def drop_unconfirmed(self, now: float) -> Touched:
        """Call only while the server is listened to."""
        late = [session_id for session_id, until in self.unconfirmed.items() if until <= now]
        touched = Touched(lost=bool(late))
        for session_id in late:
            self._drop_session(session_id, touched)
        self._are_gone(late, now)
        return touched

    def end(self, session_id: str) -> Touched:
        """Ends a session here and now. A table that still has it does not bring it back."""
        touched = Touched(lost=session_id in self.sessions)
        if touched.lost:
            self.ended[session_id] = self.sessions[session_id].expires_at
        self._drop_session(session_id, touched)
        return touched

    def drop_expired(self, now: float) -> Touched:
        gone = [s.id for s in self.sessions.values() if s.expires_at <= now]
        touched = Touched(lost=bool(gone))
        for session_id in gone:
            self._drop_session(session_id, touched)
        self.ended = {key: until for key, until in self.ended.items() if until > now}
        self.gone = {key: until for key, until in self.gone.items() if until > now}
        return touched

    def next_expiry(self) -> float | None:
        """When the next session ends; seconds since the epoch."""
        return min((s.expires_at for s in self.sessions.values()), default=None)

    def message(self) -> RouteTable:
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

    def _take_routes(self, change: RouteChange, touched: Touched) -> None:
        for told in change.routes:
            route = usable_route(told, self.networks)
            if route is None:
                continue
            before = self.routes.get(route.workspace)
            touched.lost |= before is not None and before.owner != route.owner
            self.routes[route.workspace] = route
            touched.workspaces.add(route.workspace)
        for name in change.removed_routes:
            self.routes.pop(name, None)
            touched.workspaces.add(name)

    def _drop_grant(self, grant: Grant) -> None:
        left = self.grants.get(grant.workspace, set()) - {(grant.user, grant.port)}
        if left:
            self.grants[grant.workspace] = left
        else:
            self.grants.pop(grant.workspace, None)

    def _take_session(self, session: Session, touched: Touched) -> None:
        before = self.sessions.get(session.id)
        if before is not None and before.user != session.user:
            touched.users.add(before.user)
            touched.lost = True
        if before is None or before.user != session.user:
            touched.users.add(session.user)
        self.sessions[session.id] = session

    def _drop_session(self, session_id: str, touched: Touched) -> None:
        session = self.sessions.pop(session_id, None)
        self.unconfirmed.pop(session_id, None)
        if session is not None:
            touched.users.add(session.user)
            touched.ended.add(session_id)

    def _are_gone(self, session_ids: Iterable[str], now: float) -> None:
        self.gone.update(dict.fromkeys(session_ids, now + GONE_SECONDS))

    def _wanted(self, session: Session, now: float) -> bool:
        return usable_session_id(session.id) and session.id not in self.ended and session.expires_at > now


def usable_route(route: Route, networks: tuple[Network, ...] = ()) -> Route | None:
    """As it may be written into HAProxy's maps. None for a name that is no workspace's; one whose address may not be led to has no
    address, and says why. All others are as useful as before."""
    if not is_name(route.workspace):
        _log.error("a route is left out: that is no workspace's name", workspace=route.workspace[:80])
        return None
    if not route.address:
        return route
    try:
        address = workspace_address(route.address, networks)
    except ValueError as error:
        _log.error("a workspace's address is refused", workspace=route.workspace, cause=str(error))
        return structs.replace(route, address="", state=ActualState.FAILED, cause=_refused(error))
    return route if address == route.address else structs.replace(route, address=address)


def _refused(error: ValueError) -> Cause:
    return Cause(
        code="address-refused",
        message=f"The gateway does not lead to the address that the agent reports: {error}.",
        hint="Ask whoever runs the agent; the gateway's setting workspace_networks names the networks that workspaces are in.",
    )
