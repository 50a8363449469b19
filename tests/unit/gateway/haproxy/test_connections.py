"""Whose requests are open."""

from __future__ import annotations

from moorage.gateway.haproxy.connections import Connection, connections, streams, tag

WS = "workspace-1-1-aaaaaa"
OF_ANA = Connection("127.0.0.1:34162", tag("session-ana"), tag(f"{WS}.z"), 80)
OF_BOB = Connection("::1:42368", tag("session-bob"), tag(f"{WS}.z"), 80)


def entry(connection: Connection, use: int = 1, more: str = "") -> str:
    tags = (*connection.session, *connection.place, connection.port)
    said = " ".join(f"gpt{index}={number}" for index, number in enumerate(tags))
    return f"0x55: key={connection.source} use={use} exp=35 {more}{said}\n"


def test_connections_are_read_from_haproxys_books():
    """Entries in use, on which somebody passed; of HAProxy 2.6 and of newer ones, which say a
    little more."""
    nobodys = Connection("10.0.0.1:1", (0, 0), OF_ANA.place, 80)
    shown = "# table: connections, type: string, size:204800, used:4\n"
    shown += (
        entry(OF_ANA)
        + entry(OF_BOB, more="shard=0 ")
        + entry(nobodys)
        + entry(OF_ANA, use=0)
        + "\n"
    )
    assert connections(shown) == [OF_ANA, OF_BOB]


def test_streams_are_found_by_their_source():
    """Those of the frontend for people; not those of the metrics' port or of the runtime API."""
    answer = (
        "0x1a: proto=tcpv4 src=127.0.0.1:34162 fe=web be=b srv=s ts=00\n"
        "0x2b: proto=tcpv4 src=127.0.0.1:9 fe=metrics be=b srv=s ts=00\n"
        "0x3c: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00\n"
    )
    assert streams(answer, "web") == {"127.0.0.1:34162": "0x1a"}
