"""Which page a request gets that did not pass."""

from __future__ import annotations

import pytest

from moorage.contract import ActualState as A
from moorage.contract import DesiredState as D
from moorage.contract.gateway import Grant, Route, RouteTable, Session
from moorage.gateway import changes
from moorage.gateway.decide import STATUS, Kind, decide
from moorage.gateway.table import Table
from moorage.gateway.zone import Zone

WS = "workspace-1-1-aaaaaa"
ZONE = Zone("localhost", "http", 8080)
HOST = f"80-{WS}.localhost:8080"
ANA = Session(id="session-ana", user=1, user_name="ana", expires_at=1e12)
BOB = Session(id="session-bob", user=2, user_name="bob", expires_at=1e12)


def table(route: Route, *grants: Grant) -> Table:
    made = Table()
    changes.replace(
        made, RouteTable(revision=1, server_url="", routes=(route,), grants=grants), 0.0
    )
    return made


RUNNING = Route(workspace=WS, owner=1, state=A.RUNNING, address="10.0.0.1")


@pytest.mark.parametrize(
    ("host", "session", "kind"),
    [
        ("localhost:8080", ANA, Kind.UNKNOWN_HOST),
        ("example.dev", ANA, Kind.UNKNOWN_HOST),
        (f"0-{WS}.localhost", ANA, Kind.UNKNOWN_HOST),
        ("", None, Kind.UNKNOWN_HOST),
        (HOST, None, Kind.SIGN_IN),
        ("80-workspace-1-1-zzzzzz.localhost", None, Kind.SIGN_IN),
        ("80-workspace-1-1-zzzzzz.localhost", ANA, Kind.UNKNOWN_WORKSPACE),
        (HOST, BOB, Kind.FORBIDDEN),
        (HOST, ANA, Kind.READY),
    ],
)
def test_who_gets_what(host: str, session: Session | None, kind: Kind):
    """Nobody who is not signed in learns what exists; others see only their own."""
    decision = decide(host, session, table(RUNNING), ZONE)
    assert decision.kind is kind
    assert (decision.route is not None) == (kind is Kind.READY)


def test_a_grant_of_one_port_shows_that_ports_page():
    """Who may open a port sees its page, and no other port's."""
    granted = table(RUNNING, Grant(user=2, workspace=WS, port=80))
    assert decide(HOST, BOB, granted, ZONE).kind is Kind.READY
    assert decide(f"81-{WS}.localhost", BOB, granted, ZONE).kind is Kind.FORBIDDEN


@pytest.mark.parametrize(
    ("desired", "state", "address", "kind"),
    [
        (D.RUNNING, A.CREATION_REQUESTED, "", Kind.STARTING),
        (D.RUNNING, A.STARTING, "", Kind.STARTING),
        (D.RUNNING, A.STOPPED, "", Kind.STARTING),
        (D.RUNNING, A.RUNNING, "", Kind.STARTING),
        (D.RUNNING, A.RUNNING, "10.0.0.1", Kind.READY),
        (D.RUNNING, A.UNKNOWN, "10.0.0.1", Kind.READY),
        (D.RUNNING, A.ERROR, "10.0.0.1", Kind.READY),
        (D.RUNNING, A.ERROR, "", Kind.STARTING),
        (D.RUNNING, A.FAILED, "", Kind.FAILED),
        (D.STOPPED, A.RUNNING, "10.0.0.1", Kind.STOPPING),
        (D.STOPPED, A.STARTING, "", Kind.STOPPING),
        (D.STOPPED, A.STOPPING, "", Kind.STOPPING),
        (D.STOPPED, A.STOPPED, "", Kind.STOPPED),
        (D.STOPPED, A.FAILED, "", Kind.STOPPED),
        (D.STOPPED, A.UNKNOWN, "", Kind.STOPPED),
        (D.TERMINATED, A.RUNNING, "10.0.0.1", Kind.DELETED),
        (D.TERMINATED, A.TERMINATING, "", Kind.DELETED),
        (D.RUNNING, A.TERMINATED, "", Kind.DELETED),
    ],
)
def test_states(desired: D, state: A, address: str, kind: Kind):
    """Each pair of desired and actual state has its page."""
    route = Route(workspace=WS, owner=1, desired=desired, state=state, address=address)
    decision = decide(HOST, ANA, table(route), ZONE)
    assert (decision.kind, decision.status) == (kind, STATUS[kind])
    assert decision.route == route


def test_every_kind_has_a_status():
    """No page is 200: none of them is what was asked for."""
    assert set(STATUS) == set(Kind)
    assert all(status >= 400 for status in STATUS.values())
