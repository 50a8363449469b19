"""The route table as the controller holds it."""

from __future__ import annotations

import pytest

from moorage.contract.gateway import Grant, Route, RouteTable, Session
from moorage.gateway import changes
from moorage.gateway.access import entries_of
from moorage.gateway.haproxy.access_map import flat, key
from moorage.gateway.table import Table

WS, OTHER = "workspace-1-1-aaaaaa", "workspace-1-2-bbbbbb"
ANA, BOB, EVE = 1, 2, 3


def table() -> Table:
    made = Table()
    routes = (Route(workspace=WS, owner=ANA, address="10.0.0.1"), Route(workspace=OTHER, owner=BOB))
    grants = (Grant(user=BOB, workspace=WS, port=80),)
    changes.replace(made, RouteTable(revision=7, server_url="", routes=routes, grants=grants), 0.0)
    return made


ROUTE = Route(workspace=WS, owner=ANA, address="10.0.0.1")
EVERY = (1, 80, 60001)


@pytest.mark.parametrize(
    ("route", "grants", "open_ports"),
    [
        (ROUTE, [], {ANA: EVERY}),
        (ROUTE, [(BOB, 80)], {ANA: EVERY, BOB: (80,)}),
        (ROUTE, [(BOB, 80), (BOB, 60001)], {ANA: EVERY, BOB: (80, 60001)}),
        (ROUTE, [(BOB, 0)], {ANA: EVERY, BOB: EVERY}),
        (ROUTE, [(ANA, 80), (EVE, 1)], {ANA: EVERY, EVE: (1,)}),
        (Route(workspace=WS, owner=ANA), [(BOB, 80)], {ANA: EVERY, BOB: (80,)}),
        (None, [(BOB, 0)], {}),
    ],
    ids=["owner", "granted", "granted two", "granted all", "owner too", "asleep", "unknown"],
)
def test_who_may_open_what(
    route: Route | None, grants: list[tuple[int, int]], open_ports: dict[int, tuple[int, ...]]
):
    """Owners every port, others what was granted, nobody an unknown workspace; whether it runs or
    not.

    Pages, open requests, the look-up of what a person's session concerns and HAProxy's map all say
    so.
    """
    ours = Table()
    changes.replace(
        ours,
        RouteTable(
            revision=1,
            server_url="",
            routes=(route,) if route else (),
            sessions=tuple(
                Session(id=f"session-{user}", user=user, user_name="", expires_at=2.0)
                for user in (ANA, BOB, EVE)
            ),
            grants=tuple(Grant(user=user, workspace=WS, port=port) for user, port in grants),
        ),
        0.0,
    )
    entries = flat(entries_of(ours, "z", 1.0))
    running = route is not None and bool(route.address)
    for user in (ANA, BOB, EVE):
        expected = open_ports.get(user, ())
        assert tuple(port for port in EVERY if ours.may_open(user, WS, port)) == expected
        assert ours.open_to({user}) == ({WS} if expected else set())
        keys = [{key(WS, each, "z", f"session-{user}") for each in (0, port)} for port in EVERY]
        let_through = tuple(
            port for port, each in zip(EVERY, keys, strict=True) if each & entries.keys()
        )
        assert let_through == (expected if running else ())


@pytest.mark.parametrize(
    ("user", "workspace", "port", "may"),
    [
        (ANA, WS, 1, True), (BOB, WS, 80, True), (BOB, WS, 81, False), (ANA, OTHER, 80, False),
        (BOB, OTHER, 1, True), (3, WS, 80, False), (ANA, "workspace-1-1-zzzzzz", 80, False),
    ],
)  # fmt: skip
def test_who_may_open_what_of_several(user: int, workspace: str, port: int, may: bool):
    """Owners every port, others what was granted, nobody an unknown workspace; whether it runs or
    not."""
    assert table().may_open(user, workspace, port) is may
