"""Cookies as browsers send them, and how a planted one is taken away. Pure.

HAProxy reads them by the same rule (`haproxy.configuration`): apart by semicolons, without spaces
around; quotes, `$Version` and odd bytes mean nothing. Two parsers that disagree would let nobody in
and send nobody to sign in, for ever.

Without TLS, a page of any workspace can set a cookie of our name for the whole zone, by a script.
The browser then sends two of that name. Which one is ours cannot be told from outside; but a
browser forgets one that is set again, with the same Domain, Path and Partitioned, to have ended.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

_MOST_PATHS = 24
_MOST_DOMAINS = 8
_MOST_HEADERS, _MOST_BYTES = 60, 8_000
"""Bytes of an answer's headers, at most: beyond 101 headers in all, or 15 KiB of them, HAProxy
takes it for no answer."""


def values(headers: Iterable[str], name: str) -> tuple[str, ...]:
    """Returns what `Cookie` headers say of that name, in their order; usually one at most."""
    found = []
    for header in headers:
        for pair in header.split(";"):
            key, equals, value = pair.partition("=")
            if equals and key.strip(" \t") == name:
                found.append(value.strip(" \t"))
    return tuple(found)


def doubled(headers: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Returns those of the names that come more than once."""
    known = tuple(headers)
    return tuple(name for name in names if len(values(known, name)) > 1)


def removals(name: str, host: str, zone: str, path: str) -> list[str]:
    """`Set-Cookie` headers that end every cookie of that name which a browser sends to `path` of
    `host`, but for the one that is set for this host alone and for all its paths: ours.

    One with `Domain=<host>` is another cookie than ours (RFC 6265bis, 5.7: the host-only-flag tells
    them apart), and so is one that is kept apart by the site that it was set on (`Partitioned`). A
    page of a workspace can set both, but none for the zone's host alone: a browser that does not
    know `Partitioned` would take that one for ours.
    """
    domains = ["", *dict.fromkeys((host, *_above(zone)))][: _MOST_DOMAINS + 1]
    places = [(domain, each) for domain in domains for each in list(_paths(path))[:_MOST_PATHS]]
    ended = [(*place, "") for place in places if place != ("", "/")]
    ended += [
        (*place, "; Secure; Partitioned") for place in places if place != ("", "/") or host != zone
    ]
    return [
        f"{name}=; Max-Age=0; Path={each}{f'; Domain={domain}' if domain else ''}{apart}"
        for domain, each, apart in ended
    ]


def endings(headers: Iterable[str], host: str, zone: str, path: str) -> list[str]:
    """`Set-Cookie` headers that end the cookies which a browser sends to `path` of `host`, as far
    as one answer can have them: those of the host and all its paths first."""
    pairs = [pair for header in headers for pair in header.split(";")]
    names = dict.fromkeys(pair.partition("=")[0].strip(" \t") for pair in pairs)
    named = [name for name in names if name.isprintable() and name]
    first = portion([f"{name}=; Max-Age=0; Path=/" for name in named])
    others = [each for name in named for each in removals(name, host, zone, path)]
    return [*first, *portion(others)[: _MOST_HEADERS - len(first)]]


def portion(headers: Sequence[str]) -> list[str]:
    """Returns as many of these headers as one answer can have: all, or others at each time, so that
    none is left in the end."""
    found: list[str] = []
    room = _MOST_BYTES
    for header in random.sample(headers, len(headers)):
        if len(found) < _MOST_HEADERS and len(header) <= room:
            found.append(header)
            room -= len(header)
    return found


def _above(zone: str) -> list[str]:
    """The zone, and what is above it; browsers refuse what is a registry's."""
    labels = zone.split(".")
    return [".".join(labels[number:]) for number in range(len(labels) - 1)] or [zone]


def _paths(path: str) -> Iterable[str]:
    """Values of Path by which a cookie is sent there (RFC 6265bis, 5.1.4)."""
    yield "/"
    folder = ""
    for part in path.split("?", maxsplit=1)[0].split("/")[1:]:
        folder += f"/{part}"
        if part and not any(c in folder for c in ";,") and folder.isprintable():
            yield folder
            yield f"{folder}/"
