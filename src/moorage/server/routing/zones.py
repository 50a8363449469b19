"""Facts about routes, sessions and grants, by zone: a gateway carries the workspaces of one zone,
and is told of no other. Pure.

A session belongs where a gateway took it over, and may be in several zones. A grant belongs where
its workspace is. Taking news in costs what the news are, however many zones there are and whatever
they hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session
from moorage.server.routing.table import Facts, GrantKey, Placed, SessionKey, key_of


@dataclass
class Delta:
    """The changes in one zone."""

    routes: list[Route] = field(default_factory=list)
    removed_routes: list[str] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    removed_grants: list[Grant] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    removed_sessions: list[str] = field(default_factory=list)

    def change(self, revision: int) -> RouteChange:
        """As the gateways of that zone are told of it."""
        return RouteChange(
            revision=revision,
            routes=tuple(self.routes),
            sessions=tuple(self.sessions),
            grants=tuple(self.grants),
            removed_routes=tuple(self.removed_routes),
            removed_sessions=tuple(self.removed_sessions),
            removed_grants=tuple(self.removed_grants),
        )


Difference = dict[str, Delta]
"""By zone: those in which something has changed."""


class Zones:
    def __init__(self) -> None:
        self._places: dict[str, Placed] = {}
        self._names: defaultdict[str, dict[str, None]] = defaultdict(dict)
        """By zone: its workspaces, in the order in which they came."""
        self._grants: defaultdict[str, dict[GrantKey, Grant]] = defaultdict(dict)
        """By workspace, also of one that is in no zone (yet, or any more)."""
        self._sessions: defaultdict[str, dict[str, Session]] = defaultdict(dict)
        """By zone and id."""

    def session_keys(self) -> frozenset[SessionKey]:
        return frozenset(
            (zone, key) for zone, sessions in self._sessions.items() for key in sessions
        )

    def session_keys_of(
        self, sessions: AbstractSet[str], users: AbstractSet[int]
    ) -> frozenset[SessionKey]:
        """The keys of these sessions, by their ids, and of all sessions of these users."""
        return frozenset(
            (zone, key)
            for zone, known in self._sessions.items()
            for key, session in known.items()
            if key in sessions or session.user in users
        )

    def grant_keys(self) -> frozenset[GrantKey]:
        return frozenset(key for grants in self._grants.values() for key in grants)

    def table(self, zone: str, revision: int, server_url: str) -> RouteTable:
        """All that a gateway of that zone knows."""
        names = self._names.get(zone, {})
        return RouteTable(
            revision=revision,
            server_url=server_url,
            routes=tuple(self._places[name].route for name in names),
            sessions=tuple(self._sessions.get(zone, {}).values()),
            grants=tuple(grant for name in names for grant in self._granted(name)),
        )

    def news_of(self, whole: Facts) -> Facts:
        """The news that make what is known into `whole`."""
        return Facts(
            routes={**dict.fromkeys(self._places), **whole.routes},
            sessions={**dict.fromkeys(self.session_keys()), **whole.sessions},
            grants={**dict.fromkeys(self.grant_keys()), **whole.grants},
        )

    def learn(self, news: Facts) -> Difference:
        """Takes the news in, and returns what they change."""
        zones: defaultdict[str, Delta] = defaultdict(Delta)
        for name, placed in news.routes.items():
            self._learn_route(name, placed, zones)
        for key, grant in news.grants.items():
            self._learn_grant(key, grant, zones)
        for (zone, session_id), session in news.sessions.items():
            self._learn_session(zone, session_id, session, zones)
        return dict(zones)

    def _learn_session(
        self, zone: str, session_id: str, session: Session | None, zones: defaultdict[str, Delta]
    ) -> None:
        known = self._sessions.get(zone, {}).get(session_id)
        if session == known:
            return
        if session is not None:
            self._sessions[zone][session_id] = session
            zones[zone].sessions.append(session)
            return
        del self._sessions[zone][session_id]
        if not self._sessions[zone]:
            del self._sessions[zone]
        zones[zone].removed_sessions.append(session_id)

    def _learn_route(
        self, name: str, placed: Placed | None, zones: defaultdict[str, Delta]
    ) -> None:
        before = self._places.get(name)
        if placed == before:
            return
        if before is not None and (placed is None or placed.zone != before.zone):
            zones[before.zone].removed_routes.append(name)
            zones[before.zone].removed_grants += self._granted(name)
            del self._places[name], self._names[before.zone][name]
            if not self._names[before.zone]:
                del self._names[before.zone]
        if placed is not None:
            zones[placed.zone].routes.append(placed.route)
            if name not in self._places:
                zones[placed.zone].grants += self._granted(name)
                self._names[placed.zone][name] = None
            self._places[name] = placed

    def _learn_grant(
        self, key: GrantKey, grant: Grant | None, zones: defaultdict[str, Delta]
    ) -> None:
        workspace = key[1]
        known = self._grants.get(workspace, {}).get(key)
        if grant == known:
            return
        placed = self._places.get(workspace)
        if grant is not None:
            self._grants[workspace][key_of(grant)] = grant
            if placed is not None:
                zones[placed.zone].grants.append(grant)
        elif known is not None:
            del self._grants[workspace][key]
            if not self._grants[workspace]:
                del self._grants[workspace]
            if placed is not None:
                zones[placed.zone].removed_grants.append(known)

    def _granted(self, workspace: str) -> Iterator[Grant]:
        yield from self._grants.get(workspace, {}).values()
