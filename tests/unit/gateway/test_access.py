"""From the route table to HAProxy's access map."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session
from moorage.gateway import changes
from moorage.gateway.access import entries_of, entries_of_workspace
from moorage.gateway.haproxy.access_map import EDITOR_MARK, TLS_MARK, flat
from moorage.gateway.rights import Right, rights_to
from moorage.gateway.signing import usable_session_id
from moorage.gateway.table import Table

ZONE = "z"
WS = "workspace-1-1-aaaaaa"
NOW = 100.0


def of(route: Route | None, grants: list[Any], sessions: dict[int, list[str]]) -> dict[str, str]:
    rights = rights_to(route, [Right(*grant) for grant in grants])
    return entries_of_workspace(route, rights, sessions, ZONE)


@pytest.mark.parametrize(
    ("address", "grants", "sessions", "expected"),
    [
        ("10.0.0.1", [], {1: ["s1"]}, {f"{WS}.z/s1"}),
        ("10.0.0.1", [], {1: ["s1", "s2"]}, {f"{WS}.z/s1", f"{WS}.z/s2"}),
        ("10.0.0.1", [], {2: ["s1"]}, set()),
        ("10.0.0.1", [(2, 0)], {2: ["s1"]}, {f"{WS}.z/s1"}),
        ("10.0.0.1", [(2, 80), (2, 81)], {2: ["s1"]}, {f"80-{WS}.z/s1", f"81-{WS}.z/s1"}),
        ("10.0.0.1", [(1, 0)], {1: ["s1"]}, {f"{WS}.z/s1"}),
        ("fd00::1", [], {1: ["s1"]}, {f"{WS}.z/s1"}),
        ("", [(2, 0)], {1: ["s1"], 2: ["s2"]}, set()),
        ("no-address", [], {1: ["s1"]}, set()),
        ("10.0.0.1; shutdown", [], {1: ["s1"]}, set()),
    ],
)
def test_who_is_let_through(
    address: str, grants: list[Any], sessions: dict[int, list[str]], expected: set[str]
):
    """The owner's sessions at every port, a grantee's where it was granted, nobody without an
    address."""
    found = of(Route(workspace=WS, owner=1, address=address), grants, sessions)
    assert set(found) == expected
    assert set(found.values()) <= {address}


@pytest.mark.parametrize(
    ("port", "marked"),
    [(60001, set()), (8443, {f"8443-{WS}.z/editor"}), (0, set()), (-1, set()), (65536, set())],
)
def test_an_editor_at_another_port_is_marked(port: int, marked: set[str]):
    """By an entry that no session can have, as their ids are longer: HAProxy knows by it whose
    rules hold there."""
    route = Route(workspace=WS, owner=1, address="10.0.0.1", editor_port=port)
    assert set(of(route, [], {1: ["session-1"]})) == {f"{WS}.z/session-1", *marked}
    assert set(of(route, [], {})) == marked
    assert not usable_session_id(EDITOR_MARK)


@pytest.mark.parametrize(
    ("ports", "marked"),
    [((), set()), ((8443, 9443), {8443, 9443}), ((0, -1, 65536), set()), ((60001,), set())],
)
def test_ports_that_speak_tls_are_marked(ports: tuple[int, ...], marked: set[int]):
    """By entries that no session can have. The editor speaks HTTP, whatever a devfile says of its
    port."""
    route = Route(workspace=WS, owner=1, address="10.0.0.1", tls_ports=ports)
    entries = {f"{port}-{WS}.z/tls" for port in marked}
    assert set(of(route, [], {1: ["session-1"]})) == {f"{WS}.z/session-1", *entries}
    assert set(of(route, [], {})) == entries
    assert not usable_session_id(TLS_MARK)


def test_an_unknown_workspace_has_no_entries():
    """What is not in the table is not let through."""
    assert of(None, [(1, 0)], {1: ["s1"]}) == {}


names = st.sampled_from([f"workspace-1-{i}-aaaaaa" for i in range(4)])
users = st.integers(1, 3)
routes = st.builds(
    Route, workspace=names, owner=users, address=st.sampled_from(["", "10.0.0.1", "10.0.0.2"])
)
sessions = st.builds(
    Session,
    id=st.sampled_from([f"session-{i}" for i in range(4)]),
    user=users,
    user_name=st.just(""),
    expires_at=st.sampled_from([50.0, 150.0]),
)
grants = st.builds(Grant, user=users, workspace=names, port=st.sampled_from([0, 80]))
parts = {
    "routes": st.lists(routes, max_size=3).map(tuple),
    "sessions": st.lists(sessions, max_size=3).map(tuple),
    "grants": st.lists(grants, max_size=3).map(tuple),
}
removals = {
    "removed_routes": st.lists(names, max_size=2).map(tuple),
    "removed_sessions": st.lists(sessions.map(lambda s: s.id), max_size=2).map(tuple),
    "removed_grants": st.lists(grants, max_size=2).map(tuple),
}


@settings(max_examples=200)
@given(
    st.fixed_dictionaries(parts), st.lists(st.fixed_dictionaries({**parts, **removals}), max_size=5)
)
def test_telling_what_a_change_affected_tells_all(
    first: dict[str, Any], later: list[dict[str, Any]]
):
    """After any changes, what HAProxy was told bit by bit is what the whole table says."""
    table = Table()
    changes.replace(table, RouteTable(revision=0, server_url="", **first), NOW)
    shown = entries_of(table, ZONE, NOW)
    for revision, change in enumerate(later, 1):
        affected = changes.apply(table, RouteChange(revision=revision, **change), NOW)
        again = entries_of(table, ZONE, NOW, affected.workspaces | table.open_to(affected.users))
        shown = {name: entries for name, entries in (shown | again).items() if entries}
        assert shown == entries_of(table, ZONE, NOW)
        assert flat(shown).keys() <= {key for key in flat(shown) if "session-" in key}
