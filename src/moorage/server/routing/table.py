"""The route table: from rows to routes, and from what a gateway knows to what it is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from moorage.contract import ActualState, DesiredState
from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session
from moorage.contract.spec import EDITOR_PORT
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import actual_of, open_path, spec_of, stages_of

K = TypeVar("K")
V = TypeVar("V")

GrantKey = tuple[int, str, int]

_ROUTED = frozenset({ActualState.RUNNING, ActualState.ERROR, ActualState.UNKNOWN})
"""States in which a workspace that had an address is probably still there: trouble of the agent, or its silence, takes
nothing away from the people who work in it."""


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
        address=actual.address if actual and state in _ROUTED else "",
        editor_port=spec.editor.port if spec.editor else EDITOR_PORT,
        open_path=open_path(spec),
        stages=stages_of(workspace, actual),
        cause=actual.cause if actual else None,
    )


def key_of(grant: Grant) -> GrantKey:
    return grant.user, grant.workspace, grant.port


@dataclass
class Facts:
    """What is so. As news, None says that something is gone."""

    routes: dict[str, Route | None] = field(default_factory=dict)
    sessions: dict[str, Session | None] = field(default_factory=dict)
    grants: dict[GrantKey, Grant | None] = field(default_factory=dict)

    def table(self, revision: int, server_url: str) -> RouteTable:
        return RouteTable(
            revision=revision,
            server_url=server_url,
            routes=tuple(v for v in self.routes.values() if v),
            sessions=tuple(v for v in self.sessions.values() if v),
            grants=tuple(v for v in self.grants.values() if v),
        )

    def learn(self, news: Facts, revision: int) -> RouteChange | None:
        """Takes the news in, and returns what it changed; None when it changed nothing."""
        change = RouteChange(
            revision=revision,
            routes=_new(self.routes, news.routes),
            sessions=_new(self.sessions, news.sessions),
            grants=_new(self.grants, news.grants),
            removed_routes=tuple(_gone(self.routes, news.routes)),
            removed_sessions=tuple(_gone(self.sessions, news.sessions)),
            removed_grants=tuple(
                Grant(user=u, workspace=w, port=p) for u, w, p in _gone(self.grants, news.grants)
            ),
        )
        _take(self.routes, news.routes)
        _take(self.sessions, news.sessions)
        _take(self.grants, news.grants)
        return None if change == RouteChange(revision=revision) else change

    def replaced_by(self, whole: Facts) -> Facts:
        """The news that makes these facts into `whole`."""
        return Facts(
            routes={**dict.fromkeys(self.routes), **whole.routes},
            sessions={**dict.fromkeys(self.sessions), **whole.sessions},
            grants={**dict.fromkeys(self.grants), **whole.grants},
        )


def _new(known: Mapping[K, V | None], news: Mapping[K, V | None]) -> tuple[V, ...]:
    return tuple(value for key, value in news.items() if value is not None and known.get(key) != value)


def _gone(known: Mapping[K, V | None], news: Mapping[K, V | None]) -> list[K]:
    return [key for key, value in news.items() if value is None and key in known]


def _take(known: dict[K, V | None], news: Mapping[K, V | None]) -> None:
    for key, value in news.items():
        if value is None:
            known.pop(key, None)
        else:
            known[key] = value
