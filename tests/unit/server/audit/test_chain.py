"""The chain of the audit's entries."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from moorage.server.audit import chain
from moorage.server.audit.chain import Link


@dataclass(frozen=True)
class Entry:
    number: int
    actor_name: str = "ann"
    at: float = 1700000000.25
    actor_kind: str = "person"
    actor_id: int = 7
    by: str = "session abc"
    address: str = "203.0.113.9"
    action: str = "stop-workspace"
    target_kind: str = "workspace"
    target_id: str = "workspace-1-7-abcdef"
    outcome: str = "done"
    detail: str = ""
    hash: str = ""


START = Link(0, "")


def chained(count: int, after: Link = START) -> list[Entry]:
    entries = []
    for number in range(after.number + 1, after.number + count + 1):
        entry = Entry(number)
        entry = replace(entry, hash=chain.hash_of(entry, after.hash))
        after = Link(number, entry.hash)
        entries.append(entry)
    return entries


def test_a_chain_that_holds() -> None:
    """From its first entry, and from whichever is the first that is kept."""
    entries = chained(5)
    end = Link(5, entries[-1].hash)
    assert chain.check(entries, START) == (end, [])
    assert chain.check(entries[3:], Link(3, entries[2].hash)) == (end, [])
    assert chain.check_end(end, end) == []
    assert chain.check([], START) == (START, [])


@pytest.mark.parametrize("field", chain.FIELDS[1:])
def test_whatever_is_changed_shows(field: str) -> None:
    """In the entry where it was; those after it are judged by what they follow."""
    entries = chained(3)
    value = getattr(entries[1], field)
    entries[1] = replace(entries[1], **{field: value + (1 if field in {"at", "actor_id"} else "x")})
    _, breaks = chain.check(entries, START)
    assert [(each.number, each.what) for each in breaks] == [
        (2, "Entry 2 is not what was written.")
    ]


def test_one_that_was_written_anew_no_longer_fits_the_next() -> None:
    entries = chained(3)
    other = replace(entries[1], actor_name="bob")
    entries[1] = replace(other, hash=chain.hash_of(other, entries[0].hash))
    _, breaks = chain.check(entries, START)
    assert [each.number for each in breaks] == [3]


def test_missing_ones_are_counted() -> None:
    """In the middle, at the beginning and at the end."""
    entries = chained(6)
    end = Link(6, entries[-1].hash)
    _, breaks = chain.check([entries[0], *entries[3:]], START)
    assert [(each.number, each.what) for each in breaks] == [(2, "Entries 2 to 3 are missing.")]
    _, breaks = chain.check(entries[1:], START)
    assert [each.what for each in breaks] == ["Entry 1 is missing."]
    at, breaks = chain.check(entries[:4], START)
    assert breaks == []
    assert [each.what for each in chain.check_end(at, end)] == ["Entries 5 to 6 are missing."]


def test_another_end_shows() -> None:
    """A chain that somebody made anew ends with another hash."""
    entries = chained(2)
    (found,) = chain.check_end(Link(2, entries[-1].hash), Link(2, "0" * 64))
    assert "does not end" in found.what
