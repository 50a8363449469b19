"""The chain of the audit's entries. Each one's hash is over what it says and the hash of the one
before it: an entry that was changed, taken out or put in between no longer fits. Pure.

SHA-256 (FIPS 180-4), over JSON with sorted keys. Whoever may write to the database can make the
whole chain anew: what shows that is a hash that was noted elsewhere before (`moor audit check
--since`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

FIELDS = (
    "number",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "by",
    "address",
    "action",
    "target_kind",
    "target_id",
    "outcome",
    "detail",
)


class Entry(Protocol):
    """All of `FIELDS`, and these."""

    number: int | None
    hash: str


@dataclass(frozen=True)
class Link:
    """A place in the chain: an entry's number and hash. (0, ""): before the first."""

    number: int
    hash: str


@dataclass(frozen=True)
class Break:
    """A place where the chain does not hold."""

    number: int
    """Of the entry that does not fit; for missing ones, of the first of them."""
    what: str
    """One sentence."""


def hash_of(entry: Entry, before: str) -> str:
    """Returns 64 hexadecimal digits. `before`: the hash of the entry before it."""
    said = {name: getattr(entry, name) for name in FIELDS}
    text = json.dumps({"before": before, **said}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def check(entries: Iterable[Entry], after: Link) -> tuple[Link, list[Break]]:
    """Follows the chain through entries in the order of their numbers, beginning after `after`.
    Returns its end, and where it does not hold; what comes after a break is judged by itself."""
    at, breaks = after, []
    for entry in entries:
        number = entry.number or 0
        if number != at.number + 1:
            breaks.append(Break(at.number + 1, _missing(at.number + 1, number - 1)))
        elif hash_of(entry, at.hash) != entry.hash:
            breaks.append(Break(number, f"Entry {number} is not what was written."))
        at = Link(number, entry.hash)
    return at, breaks


def check_end(at: Link, end: Link) -> list[Break]:
    """Tells whether the chain ends where it should."""
    if at.number < end.number:
        return [Break(at.number + 1, _missing(at.number + 1, end.number))]
    if at != end:
        return [Break(at.number, "The chain does not end where it ended when it was last written.")]
    return []


def _missing(first: int, last: int) -> str:
    if first == last:
        return f"Entry {first} is missing."
    return f"Entries {first} to {last} are missing."
