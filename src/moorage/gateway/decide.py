"""Decides what a request gets that HAProxy did not let through to a workspace. Pure; a table test
spells it out.

HAProxy has refused it, or knows no address for it; here it is only found out which page says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from moorage.contract.gateway import Route, Session
from moorage.contract.states import ActualState, DesiredState
from moorage.gateway.table import Table
from moorage.gateway.zone import Zone


class Kind(StrEnum):
    """Names the page that answers."""

    UNKNOWN_HOST = "unknown-host"
    SIGN_IN = "not-signed-in"
    UNKNOWN_WORKSPACE = "unknown-workspace"
    FORBIDDEN = "forbidden"
    DELETED = "deleted"
    FAILED = "failed"
    STOPPED = "stopped"
    STOPPING = "stopping"
    STARTING = "starting"
    READY = "ready"
    """It may pass by now: the maps were a moment behind."""


STATUS = {
    Kind.UNKNOWN_HOST: 421,
    Kind.SIGN_IN: 401,
    Kind.UNKNOWN_WORKSPACE: 404,
    Kind.FORBIDDEN: 403,
    Kind.DELETED: 410,
    Kind.FAILED: 503,
    Kind.STOPPED: 503,
    Kind.STOPPING: 503,
    Kind.STARTING: 503,
    Kind.READY: 503,
}


@dataclass(frozen=True)
class Decision:
    """A page, and what it may show."""

    kind: Kind
    session: Session | None = None
    route: Route | None = None
    """Only when that person may see it."""

    @property
    def status(self) -> int:
        """The HTTP status of the page."""
        return STATUS[self.kind]


def decide(host: str, session: Session | None, table: Table, zone: Zone) -> Decision:
    """Decides which page answers. `session`: the live one that the cookie of that host names.
    Nobody who is not signed in learns what exists."""
    place = zone.workspace_host(host)
    if place is None:
        return Decision(Kind.UNKNOWN_HOST)
    if session is None:
        return Decision(Kind.SIGN_IN)
    route = table.routes.get(place.workspace)
    if route is None:
        return Decision(Kind.UNKNOWN_WORKSPACE, session)
    if not table.may_open(session.user, place.workspace, place.port):
        return Decision(Kind.FORBIDDEN, session)
    return Decision(_state(route), session, route)


def _state(route: Route) -> Kind:
    if route.desired is DesiredState.TERMINATED or route.state is ActualState.TERMINATED:
        return Kind.DELETED
    if route.desired is DesiredState.STOPPED:
        settled = route.state in (ActualState.STOPPED, ActualState.FAILED, ActualState.UNKNOWN)
        return Kind.STOPPED if settled else Kind.STOPPING
    if route.address:
        return Kind.READY
    return Kind.FAILED if route.state is ActualState.FAILED else Kind.STARTING
