"""Tells from HAProxy's own books what people do in their workspaces, which keeps sessions alive.
Pure, and the part of the configuration that writes it down.

A stick table has an entry for each session by which a person did something: when, in seconds since
the epoch. It is written once in `NOTE_SECONDS` a connection, survives the controller, and costs a
request next to nothing. A WebSocket is one long request: how much its browser has sent is what
HAProxy counts anyway.

What a person causes is going to a page (a browser says so: `Sec-Fetch-User`), sending something
from the page itself, and whatever comes from a program that says nothing. What pages do by
themselves is none of it: fetching again and again, pictures that another site embeds, the heartbeat
of a WebSocket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

NOTE_SECONDS = 4
"""What a person does within so long of the last is not written down."""
TABLE = "activity"
HEARTBEAT = 8.0
"""Bytes that a WebSocket's browser may send in a second while nobody does anything."""

REQUESTS = r"""
  # Who works in a workspace keeps the session alive. Nothing that another site may have caused: its
  # pages may lead here, but only by a person's click.
  acl foreign_referrer var(txn.foreign) -m found
  http-request set-var(txn.foreign) bool(true) if admitted !says_who { req.fhdr(referer) -m found } !referred_by_kin
  http-request set-var(txn.by_person) bool(true) if admitted says_who persons !has_origin
  http-request set-var(txn.by_person) bool(true) if admitted says_who editors_own unsafe
  http-request set-var(txn.by_person) bool(true) if admitted !says_who !upgrade !foreign_referrer !has_origin
  http-request set-var(txn.by_person) bool(true) if admitted !says_who !upgrade !foreign_referrer own_origin unsafe
  acl by_person var(txn.by_person) -m found
  http-request track-sc1 var(sess.session) table $activity if by_person !noted
  http-request sc-set-gpt(0,1) date if by_person !noted
  http-request set-var(sess.noted) date if by_person !noted
"""

_NOTED = re.compile(r"key=(\S+) use=.*?gpt0=(\d+)")
_STREAM = re.compile(r"^(?=0x[0-9a-f]+: \[)", re.MULTILINE)
_TUNNEL = re.compile(
    r"(0x[0-9a-f]+): .*? id=(\d+) .*? req\.st=MSG_TUNNEL .*? req=0x[0-9a-f]+ \(.*?total=(\d+)\)",
    re.DOTALL,
)


def noted(show_table: str) -> dict[str, float]:
    """Reads from the answer to `show table`: session → when its person last did something."""
    return {found[1]: float(found[2]) for found in _NOTED.finditer(show_table) if int(found[2])}


def sent(show_streams: str) -> dict[tuple[str, str], int]:
    """Reads from the answers to `show sess <id>`: WebSocket → bytes that its browser has sent. It
    is named by that id and HAProxy's number for the request, as ids are used again."""
    found = (_TUNNEL.match(stream) for stream in _STREAM.split(show_streams))
    return {(each[1], each[2]): int(each[3]) for each in found if each}


@dataclass(frozen=True)
class Look:
    """How much browsers had sent over their open streams at one moment."""

    at: float
    """Seconds, monotonic."""
    sent: Mapping[tuple[str, str], int]


def busy(before: Look, now: Look) -> set[str]:
    """The streams over which more came between two looks than the heartbeat of a page."""
    seconds = max(now.at - before.at, 1.0)
    return {
        each[0]
        for each, total in now.sent.items()
        if each in before.sent and total - before.sent[each] > HEARTBEAT * seconds
    }
