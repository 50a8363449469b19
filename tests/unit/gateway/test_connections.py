"""Whose requests are open, and which of them may not be."""

from __future__ import annotations

import pytest

from moorage.contract.gateway import Grant, Route, RouteChange, RouteTable, Session
from moorage.gateway.haproxy.connections import Connection, connections, forbidden, is_ending, streams, tag
from moorage.gateway.table import Table
from moorage.gateway.zone import Zone

ZONE = Zone("z", "http", 80)
WS, OTHER = "workspace-1-1-aaaaaa", "workspace-1-2-bbbbbb"
ANA, BOB = 1, 2
NOW = 1000.0
ANAS = Session(id="session-ana", user=ANA, user_name="ana", expires_at=2000.0)
BOBS = Session(id="session-bob", user=BOB, user_name="bob", expires_at=1500.0)
GRANT = Grant(user=BOB, workspace=WS, port=80)
MESSAGE = RouteTable(
    revision=7,
    server_url="",
    routes=(Route(workspace=WS, owner=ANA, address="10.0.0.1"), Route(workspace=OTHER, owner=BOB)),
    sessions=(ANAS, BOBS),
    grants=(GRANT,),
)
OF_ANA = Connection("127.0.0.1:34162", tag(ANAS.id), tag(f"{WS}.z"), 80)
OF_BOB = Connection("::1:42368", tag(BOBS.id), tag(f"{WS}.z"), 80)


def entry(connection: Connection, use: int = 1, more: str = "") -> str:
    tags = (*connection.session, *connection.place, connection.port)
    said = " ".join(f"gpt{index}={number}" for index, number in enumerate(tags))
    return f"0x55: key={connection.source} use={use} exp=35 {more}{said}\n"


def test_connections_are_read_from_haproxys_books():
    """Entries in use, on which somebody passed; of HAProxy 2.6 and of newer ones, which say a little more."""
    nobodys = Connection("10.0.0.1:1", (0, 0), OF_ANA.place, 80)
    shown = "# table: connections, type: string, size:204800, used:4\n"
    shown += entry(OF_ANA) + entry(OF_BOB, more="shard=0 ") + entry(nobodys) + entry(OF_ANA, use=0) + "\n"
    assert connections(shown) == [OF_ANA, OF_BOB]


def test_streams_are_found_by_their_source():
    """Those of the frontend for people; not those of the metrics' port or of the runtime API."""
    answer = (
        "0x1a: proto=tcpv4 src=127.0.0.1:34162 fe=web be=b srv=s ts=00\n"
        "0x2b: proto=tcpv4 src=127.0.0.1:9 fe=metrics be=b srv=s ts=00\n"
        "0x3c: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00\n"
    )
    assert streams(answer, "web") == {"127.0.0.1:34162": "0x1a"}


@pytest.mark.parametrize(
    ("change", "closed"),
    [
        (RouteChange(revision=8), []),
        (RouteChange(revision=8, removed_sessions=(ANAS.id,)), [OF_ANA]),
        (RouteChange(revision=8, removed_grants=(GRANT,)), [OF_BOB]),
        (
            RouteChange(
                revision=8, removed_grants=(GRANT,), grants=(Grant(user=BOB, workspace=WS, port=81),)
            ),
            [OF_BOB],
        ),
        (
            RouteChange(revision=8, removed_grants=(GRANT,), grants=(Grant(user=BOB, workspace=WS),)),
            [],
        ),
        (RouteChange(revision=8, removed_routes=(WS,)), [OF_ANA, OF_BOB]),
        (RouteChange(revision=8, routes=(Route(workspace=WS, owner=ANA),)), []),
        (RouteChange(revision=8, routes=(Route(workspace=WS, owner=3),)), [OF_ANA]),
    ],
)
def test_what_may_not_be_open(change: RouteChange, closed: list[Connection]):
    """What is taken away closes that person's requests; a workspace that stopped closes none."""
    table = Table()
    table.replace(MESSAGE, NOW)
    table.apply(change, NOW)
    assert forbidden([OF_ANA, OF_BOB], table, ZONE, NOW, ()) == closed


def test_a_session_that_is_over_by_time_may_not_be_open():
    """At its end, whether it was dropped from the table yet or not."""
    table = Table()
    table.replace(MESSAGE, NOW)
    assert forbidden([OF_ANA, OF_BOB], table, ZONE, 1500.0, ()) == [OF_BOB]


def test_a_table_from_the_disk_closes_only_what_ended_since():
    """It may be older than what is open."""
    table = Table()
    table.replace(RouteTable(revision=1, server_url=""), NOW, confirmed=False)
    assert forbidden([OF_ANA, OF_BOB], table, ZONE, NOW, ()) == []
    assert forbidden([OF_ANA, OF_BOB], table, ZONE, NOW, {BOBS.id}) == [OF_BOB]


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        ("0x55d35258c460 ending\n\n", True),
        ("0x55d35258c460 ending\n0x55d35258c4e0 closed\n\n", True),
        ("\n", False),
        ("Unknown ACL identifier. Please use #<id> or <file>.\n", False),
    ],
)
def test_a_haproxy_that_is_about_to_end_is_known(answer: str, ending: bool):
    """By the stages that it has reached."""
    assert is_ending(answer) is ending
