"""Reads from HAProxy's own books whose requests are open now. Pure.

A stick table has an entry for each browser's connection, by its source, in use for as long as the
connection lasts. When HAProxy lets the first request of a session to a workspace's port through on
it, it writes beside it (general purpose tags, 32 bits each) which session and which place
(`<workspace>.<zone>`) that was, by the beginning of their SHA-256, and the port; and nothing when
the last one did not pass. That survives the controller, needs no listening, and costs nothing until
somebody asks.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_ENTRY = re.compile(
    r"key=(\S+) use=[1-9]\d* .*?gpt0=(\d+) gpt1=(\d+) gpt2=(\d+) gpt3=(\d+) gpt4=(\d+)"
)
_STREAM = re.compile(r"^(0x[0-9a-f]+): proto=\S+ src=(\S+) fe=(\S+) ", re.MULTILINE)

CONNECTIONS_TABLE = "connections"
"""Stick table whose entries in use are the browsers' connections, by source."""
FRONTEND = "web"
"""The frontend that browsers connect to."""

Tag = tuple[int, int]


@dataclass(frozen=True)
class Connection:
    """A connection that leads to a workspace."""

    source: str
    """Address and port of the other end: the browser's, or a balancer's."""
    session: Tag
    place: Tag
    port: int


def tag(text: str) -> Tag:
    """The first 64 bits of its SHA-256, as two numbers."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:4], "big"), int.from_bytes(digest[4:8], "big")


def connections(show_table: str) -> list[Connection]:
    """Reads from the answer to `show table` the connections that lead to a workspace."""
    found = []
    for entry in _ENTRY.finditer(show_table):
        session1, session2, place1, place2, port = (int(number) for number in entry.groups()[1:])
        if session1 or session2:
            found.append(Connection(entry[1], (session1, session2), (place1, place2), port))
    return found


def streams(show_sess: str, frontend: str) -> dict[str, str]:
    """Reads from the answer to `show sess`: source → stream id. With HTTP/1.1 a connection has one
    request at a time; one that rests between two requests has none, and needs no closing: its next
    request is looked at anew."""
    return {found[2]: found[1] for found in _STREAM.finditer(show_sess) if found[3] == frontend}
