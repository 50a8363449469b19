"""From rows to routes, and to the news that there are of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from moorage.contract import ActualState, DesiredState
from moorage.contract.gateway import Grant, Route, Session
from moorage.contract.spec import EDITOR_PORT, WorkspaceSpec
from moorage.server.workspaces.decisions import address_to_lead_to
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import actual_of, open_path, spec_of, stages_of

GrantKey = tuple[int, str, int]
SessionKey = tuple[str, str]
"""Zone and session id: a gateway knows the sessions that it took over, and a zone has one gateway
(with replicas)."""

_TLS = frozenset({"https", "wss"})
_ROUTED = frozenset({ActualState.RUNNING, ActualState.ERROR, ActualState.UNKNOWN})
"""States in which a workspace that had an address is probably still there: trouble of the agent, or
its silence, takes nothing away from the people who work in it."""


def route_of(workspace: Workspace) -> Route:
    """As the agent last reported it."""
    spec, actual = spec_of(workspace), actual_of(workspace)
    state = ActualState(workspace.state)
    return Route(
        workspace=workspace.name,
        owner=workspace.owner_id,
        title=workspace.title,
        desired=DesiredState(workspace.desired),
        state=state,
        address=address_to_lead_to(actual) if actual and state in _ROUTED else "",
        editor_port=spec.editor.port if spec.editor else EDITOR_PORT,
        tls_ports=tls_ports(spec),
        open_path=open_path(spec),
        stages=stages_of(workspace, actual),
        cause=actual.cause if actual else None,
    )


def tls_ports(spec: WorkspaceSpec) -> tuple[int, ...]:
    """Ports whose endpoints all say `https` or `wss`. One that is named as plain HTTP too is plain:
    that is how everything was before."""
    said: dict[int, set[str]] = {}
    for container in spec.containers:
        for endpoint in container.endpoints:
            said.setdefault(endpoint.port, set()).add(endpoint.protocol)
    return tuple(sorted(port for port, protocols in said.items() if protocols <= _TLS))


def key_of(grant: Grant) -> GrantKey:
    return grant.user, grant.workspace, grant.port


@dataclass(frozen=True)
class Placed:
    """A route, and the zone (its origin) whose gateways carry it."""

    zone: str
    route: Route


@dataclass
class Facts:
    """Facts about routes, sessions and grants. As news, None says that something is gone."""

    routes: dict[str, Placed | None] = field(default_factory=dict)
    sessions: dict[SessionKey, Session | None] = field(default_factory=dict)
    grants: dict[GrantKey, Grant | None] = field(default_factory=dict)
