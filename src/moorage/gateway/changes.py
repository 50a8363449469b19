"""Every change of the route table, each with what it affects.

In memory only. Called by the reconciler, which tells HAProxy what is affected, and where the table
is read from the disk; by nobody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import structs

from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session
from moorage.contract.hosts import is_name
from moorage.contract.states import ActualState, Cause
from moorage.gateway.rights import Right
from moorage.gateway.signing import usable_session_id
from moorage.gateway.table import Affected, Table
from moorage.gateway.zone import usable_origin
from moorage.kernel import log
from moorage.kernel.addresses import Network, workspace_address

CONFIRM_SECONDS = 30.0
"""Seconds that a session lives which another gateway's code told of, unless the server names it.
The server tells every gateway well within a second; replicas of the server may be a little
apart."""
GONE_SECONDS = 600.0
"""Seconds that an ended session is remembered: longer than any code lives."""

_log = log.get(part="gateway.table")


def replace(table: Table, message: RouteTable, now: float, *, confirmed: bool = True) -> Affected:
    """Takes a whole table. Routes and sessions that cannot be written to HAProxy's maps safely are
    left out."""
    workspaces = set(table.routes) | set(table.grants)
    users = {session.user for session in table.sessions.values()}
    before = set(table.sessions)
    table.known, table.confirmed = True, confirmed
    table.revision, table.server_url = message.revision, usable_origin(message.server_url)
    usable = (usable_route(route, table.networks) for route in message.routes)
    table.routes = {route.workspace: route for route in usable if route is not None}
    table.sessions = {s.id: s for s in message.sessions if _is_wanted(table, s, now)}
    _remember_gone(table, before - table.sessions.keys(), now)
    table.unconfirmed = {}
    table.grants = {}
    for grant in message.grants:
        _add_grant(table, grant)
    users |= {session.user for session in table.sessions.values()}
    return Affected(workspaces | set(table.routes), users, revoked=True)


def restore(table: Table, message: RouteTable, ended: Mapping[str, float], now: float) -> None:
    """Takes the last table from the disk, with the sessions that were ended here and until when
    they would have lasted. The server has not confirmed any of it."""
    table.ended = {
        key: until for key, until in ended.items() if until > now and usable_session_id(key)
    }
    replace(table, message, now, confirmed=False)


def apply(table: Table, change: RouteChange, now: float) -> Affected:
    """Raises `ValueError` when the change does not follow the table's revision."""
    if not table.known or change.revision != table.revision + 1:
        raise ValueError(f"revision {change.revision} does not follow {table.revision}")
    table.revision = change.revision
    revoked = bool(change.removed_routes or change.removed_sessions or change.removed_grants)
    affected = Affected(revoked=revoked)
    _apply_routes(table, change, affected)
    for session in change.sessions:
        if _is_wanted(table, session, now):
            table.unconfirmed.pop(session.id, None)
            _add_session(table, session, affected)
    for session_id in change.removed_sessions:
        _remove_session(table, session_id, affected)
    _remember_gone(table, change.removed_sessions, now)
    for grant in change.grants:
        _add_grant(table, grant)
        affected.workspaces.add(grant.workspace)
    for grant in change.removed_grants:
        _remove_grant(table, grant)
        affected.workspaces.add(grant.workspace)
    return affected


def learn(table: Table, session: Session) -> Affected:
    """Takes a session that this gateway was just given in exchange for a code; the server's table
    will have it too. Raises `ValueError` when its id cannot be used."""
    if not usable_session_id(session.id):
        raise ValueError("a session id that cannot be used")
    affected = Affected()
    table.ended.pop(session.id, None)
    _add_session(table, session, affected)
    return affected


def introduce(table: Table, session: Session, now: float) -> Affected | None:
    """Takes a session that a code of this gateway, or of another with its key, tells of. None when
    the session is over.

    What the server does not name within `CONFIRM_SECONDS` is over as well: it may have ended before
    this gateway could hear of it.
    """
    if session.id in table.sessions:
        return Affected() if table.session(session.id, now) else None
    if session.id in table.gone or not _is_wanted(table, session, now):
        return None
    affected = Affected()
    table.unconfirmed[session.id] = now + CONFIRM_SECONDS
    _add_session(table, session, affected)
    return affected


def end(table: Table, session_id: str) -> Affected:
    """Ends a session here and now. A message of the server that still has it does not bring it
    back."""
    affected = Affected(revoked=session_id in table.sessions)
    if affected.revoked:
        table.ended[session_id] = table.sessions[session_id].expires_at
    _remove_session(table, session_id, affected)
    return affected


def drop_unconfirmed(table: Table, now: float) -> Affected:
    """Ends the sessions that the server should have named by now. Call it only while the server is
    listened to."""
    late = [session_id for session_id, until in table.unconfirmed.items() if until <= now]
    affected = Affected(revoked=bool(late))
    for session_id in late:
        _remove_session(table, session_id, affected)
    _remember_gone(table, late, now)
    return affected


def drop_expired(table: Table, now: float) -> Affected:
    """Ends the sessions whose time is over, and forgets what nobody can bring back any more."""
    expired = [s.id for s in table.sessions.values() if s.expires_at <= now]
    affected = Affected(revoked=bool(expired))
    for session_id in expired:
        _remove_session(table, session_id, affected)
    table.ended = {key: until for key, until in table.ended.items() if until > now}
    table.gone = {key: until for key, until in table.gone.items() if until > now}
    return affected


def usable_route(route: Route, networks: tuple[Network, ...] = ()) -> Route | None:
    """The route as it may be written into HAProxy's maps. None where its name is no workspace's.

    One whose address may not be led to has no address, and says why; all others are as useful as
    before.
    """
    if not is_name(route.workspace):
        _log.error(
            "a route is left out: that is no workspace's name", workspace=route.workspace[:80]
        )
        return None
    if not route.address:
        return route
    try:
        address = workspace_address(route.address, networks)
    except ValueError as error:
        _log.error("a workspace's address is refused", workspace=route.workspace, cause=str(error))
        return structs.replace(route, address="", state=ActualState.FAILED, cause=_refused(error))
    return route if address == route.address else structs.replace(route, address=address)


def _apply_routes(table: Table, change: RouteChange, affected: Affected) -> None:
    for told in change.routes:
        route = usable_route(told, table.networks)
        if route is None:
            continue
        before = table.routes.get(route.workspace)
        affected.revoked |= before is not None and before.owner != route.owner
        table.routes[route.workspace] = route
        affected.workspaces.add(route.workspace)
    for name in change.removed_routes:
        table.routes.pop(name, None)
        affected.workspaces.add(name)


def _add_grant(table: Table, grant: Grant) -> None:
    table.grants.setdefault(grant.workspace, set()).add(Right(grant.user, grant.port))


def _remove_grant(table: Table, grant: Grant) -> None:
    left = table.grants.get(grant.workspace, set()) - {Right(grant.user, grant.port)}
    if left:
        table.grants[grant.workspace] = left
    else:
        table.grants.pop(grant.workspace, None)


def _add_session(table: Table, session: Session, affected: Affected) -> None:
    before = table.sessions.get(session.id)
    if before is not None and before.user != session.user:
        affected.users.add(before.user)
        affected.revoked = True
    if before is None or before.user != session.user:
        affected.users.add(session.user)
    table.sessions[session.id] = session


def _remove_session(table: Table, session_id: str, affected: Affected) -> None:
    session = table.sessions.pop(session_id, None)
    table.unconfirmed.pop(session_id, None)
    if session is not None:
        affected.users.add(session.user)
        affected.ended.add(session_id)


def _remember_gone(table: Table, session_ids: Iterable[str], now: float) -> None:
    table.gone.update(dict.fromkeys(session_ids, now + GONE_SECONDS))


def _is_wanted(table: Table, session: Session, now: float) -> bool:
    return (
        usable_session_id(session.id) and session.id not in table.ended and session.expires_at > now
    )


def _refused(error: ValueError) -> Cause:
    return Cause(
        code="address-refused",
        message=f"The gateway does not lead to the address that the agent reports: {error}.",
        hint="Ask whoever runs the agent; the gateway's setting workspace_networks names the networks that workspaces are in.",
    )
