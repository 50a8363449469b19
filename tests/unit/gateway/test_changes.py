"""Every change of the route table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session, apply
from moorage.contract.states import ActualState
from moorage.gateway import changes
from moorage.gateway.table import Table

WS, OTHER = "workspace-1-1-aaaaaa", "workspace-1-2-bbbbbb"
ANA, BOB = 1, 2
NOW = 1000.0
ANAS = Session(id="session-ana", user=ANA, user_name="ana", expires_at=2000.0)
BOBS = Session(id="session-bob", user=BOB, user_name="bob", expires_at=1500.0)
MESSAGE = RouteTable(
    revision=7,
    server_url="http://s",
    routes=(Route(workspace=WS, owner=ANA, address="10.0.0.1"), Route(workspace=OTHER, owner=BOB)),
    sessions=(ANAS, BOBS),
    grants=(Grant(user=BOB, workspace=WS, port=80),),
)


def table() -> Table:
    made = Table()
    changes.replace(made, MESSAGE, NOW)
    return made


def test_changes_do_what_the_contract_says():
    """A change applied here gives the table that the contract's own rule gives."""
    change = RouteChange(
        revision=8,
        routes=(Route(workspace=OTHER, owner=BOB, address="10.0.0.2"),),
        grants=(Grant(user=ANA, workspace=OTHER),),
        removed_sessions=(BOBS.id,),
        removed_grants=MESSAGE.grants,
    )
    ours = table()
    affected = changes.apply(ours, change, NOW)
    expected, found = apply(MESSAGE, change), ours.message()
    assert (found.revision, set(found.routes), set(found.sessions), set(found.grants)) == (
        expected.revision, set(expected.routes), set(expected.sessions), set(expected.grants),
    )  # fmt: skip
    assert (affected.workspaces, affected.users, affected.ended, affected.revoked) == (
        {WS, OTHER},
        {BOB},
        {BOBS.id},
        True,
    )


@pytest.mark.parametrize("revision", [7, 9, 0])
def test_a_gap_is_an_error(revision: int):
    """Then the gateway connects anew."""
    with pytest.raises(ValueError, match="does not follow"):
        changes.apply(table(), RouteChange(revision=revision), NOW)
    with pytest.raises(ValueError, match="does not follow"):
        changes.apply(Table(), RouteChange(revision=0), NOW)


def test_sessions_end_by_time():
    """At its end a session is gone, and the next end is known."""
    ours = table()
    assert ours.next_expiry() == 1500.0
    assert ours.session(BOBS.id, 1500.0) is None
    assert changes.drop_expired(ours, 1499.0).ended == set()
    affected = changes.drop_expired(ours, 1500.0)
    assert (affected.ended, affected.users, affected.revoked) == ({BOBS.id}, {BOB}, True)
    assert ours.next_expiry() == 2000.0


def test_a_session_that_ended_here_does_not_come_back():
    """Neither by a change nor by a whole table, until it would have ended anyway."""
    ours = table()
    assert changes.end(ours, ANAS.id).ended == {ANAS.id}
    changes.apply(ours, RouteChange(revision=8, sessions=(ANAS,)), NOW)
    assert ANAS.id not in ours.sessions
    changes.replace(ours, MESSAGE, NOW)
    assert ours.sessions.keys() == {BOBS.id}
    changes.drop_expired(ours, 2000.0)
    assert ours.ended == {}


def test_what_could_be_something_else_to_haproxy_stays_out():
    """Names, ids and addresses come from the server; what is malformed never reaches a map."""
    ours = Table()
    changes.replace(
        ours,
        RouteTable(
            revision=1,
            server_url="",
            routes=(
                Route(workspace="x y; shutdown", owner=1),
                Route(workspace="workspace-1-1-aaaaaa\n", owner=1),
            ),
            sessions=(Session(id="a b;c 12345", user=1, user_name="", expires_at=2000.0),),
        ),
        NOW,
    )
    assert (ours.routes, ours.sessions) == ({}, {})


@pytest.mark.parametrize(
    "name",
    [
        "workspace-1-1-aaaaaa.z:;disable frontend web", "workspace-1-1-AAAAAA", "1-workspace-1-1-aaaaaa", "workspace-1-1-aaaaaa.",
        "workspace-1-1-aaaaaa;x", "workspace-١-1-aaaaaa", "",
    ],
)  # fmt: skip
def test_a_route_has_a_workspaces_name(name: str):
    """Nothing is made of a name but what it is: a port at its end, a dot and capitals are no part
    of one."""
    ours = table()
    changes.apply(
        ours,
        RouteChange(revision=8, routes=(Route(workspace=name, owner=ANA, address="10.0.0.9"),)),
        NOW,
    )
    assert ours.routes == table().routes


@pytest.mark.parametrize(
    "address",
    ["::1%x;disable frontend web", "10.0.0.1;x", "127.0.0.1", "169.254.169.254", "host", "ff02::1"],
)
def test_an_address_that_nobody_is_led_to_says_so(address: str):
    """The route is there, leads nowhere and has a cause; the others of the same message are as they
    were."""
    ours = table()
    bad, good = (
        Route(workspace=WS, owner=ANA, address=address),
        Route(workspace=OTHER, owner=BOB, address="10.0.0.2"),
    )
    changes.apply(ours, RouteChange(revision=8, routes=(bad, good)), NOW)
    found = ours.routes[WS]
    assert (found.address, found.state, found.cause and found.cause.code) == (
        "",
        ActualState.FAILED,
        "address-refused",
    )
    assert ours.routes[OTHER] == good


def test_addresses_are_kept_in_their_one_form():
    """However they are written."""
    ours = table()
    told = Route(workspace=WS, owner=ANA, address="FD00:0::0001")
    changes.apply(ours, RouteChange(revision=8, routes=(told,)), NOW)
    assert ours.routes[WS].address == "fd00::1"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://moorage.example.com", True), ("http://[fd00::1]:8080", True), ("", True),
        ("https://x/ if FALSE\n  stats enable", False), ("https://x/%[env(HOME)]", False), ("javascript:alert(1)", False),
        ("https://user@x", False), ("https://x y", False),
    ],
)  # fmt: skip
def test_the_servers_address_is_an_origin(url: str, kept: bool):
    """It is written into HAProxy's configuration: what is more than an origin is as good as
    none."""
    ours = Table()
    changes.replace(ours, RouteTable(revision=1, server_url=url), NOW)
    assert ours.server_url == (url if kept else "")


NEW = Session(id="session-new", user=BOB, user_name="bob", expires_at=2000.0)


def test_a_session_that_another_replica_tells_of_is_known_at_once():
    """It stays once the server has named it, in a change or in a table."""
    for confirm in (
        lambda t: changes.apply(t, RouteChange(revision=8, sessions=(NEW,)), NOW),
        lambda t: changes.replace(
            t, RouteTable(revision=9, server_url="http://s", sessions=(NEW,)), NOW
        ),
    ):
        ours = table()
        affected = changes.introduce(ours, NEW, NOW)
        assert affected is not None
        assert affected.users == {BOB}
        assert ours.session(NEW.id, NOW) == NEW
        confirm(ours)
        assert not changes.drop_unconfirmed(ours, NOW + 1000).users
        assert ours.session(NEW.id, NOW) == NEW


def test_a_session_that_the_server_never_names_is_over_after_30_seconds():
    """It may have ended before this replica could hear of it; what it let pass is closed."""
    ours = table()
    changes.introduce(ours, NEW, NOW)
    assert not changes.drop_unconfirmed(ours, NOW + 29.9).users
    affected = changes.drop_unconfirmed(ours, NOW + 30)
    assert (affected.users, affected.ended, affected.revoked) == ({BOB}, {NEW.id}, True)
    assert ours.session(NEW.id, NOW) is None
    assert changes.introduce(ours, NEW, NOW + 31) is None


@pytest.mark.parametrize(
    ("end", "now"),
    [
        (
            lambda t: changes.apply(t, RouteChange(revision=8, removed_sessions=(ANAS.id,)), NOW),
            NOW,
        ),
        (lambda t: changes.replace(t, RouteTable(revision=9, server_url="http://s"), NOW), NOW),
        (lambda t: changes.end(t, ANAS.id), NOW),
        (lambda t: changes.drop_expired(t, 2000.0), 2000.0),
    ],
)
def test_a_code_brings_no_session_back(end: Callable[[Table], object], now: float):
    """Whoever ended it, and however this replica heard of it."""
    ours = table()
    assert changes.introduce(ours, ANAS, NOW) is not None
    end(ours)
    assert changes.introduce(ours, ANAS, now) is None


def test_what_has_ended_is_not_remembered_for_ever():
    """Ten minutes are longer than any code lives."""
    ours = table()
    changes.apply(ours, RouteChange(revision=8, removed_sessions=(ANAS.id,)), NOW)
    changes.drop_expired(ours, NOW + 599)
    assert ours.gone
    changes.drop_expired(ours, NOW + 600)
    assert not ours.gone
