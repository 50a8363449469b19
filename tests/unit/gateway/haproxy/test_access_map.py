"""HAProxy's access map."""

from __future__ import annotations

import pytest

from moorage.gateway.haproxy.access_map import Difference, difference, file_text, read_back

ZONE = "z"
WS = "workspace-1-1-aaaaaa"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, Difference()),
        ({"a": "1"}, {"a": "1"}, Difference()),
        ({"a": "1"}, {}, Difference(removed=("a",))),
        ({}, {"a": "1"}, Difference(added=(("a", "1"),))),
        ({"a": "1"}, {"a": "2"}, Difference(changed=(("a", "2"),))),
        (
            {"a": "1", "b": "1"},
            {"b": "2", "c": "3"},
            Difference(removed=("a",), changed=(("b", "2"),), added=(("c", "3"),)),
        ),
    ],
)
def test_what_has_to_be_done(before: dict[str, str], after: dict[str, str], expected: Difference):
    """What goes, what changes, what is new; nothing for what stays."""
    assert difference(before, after) == expected
    assert bool(expected) == (before != after)


def test_what_haproxy_says_is_read_back():
    """The answer to `show map` becomes the entries that it was told."""
    entries = {
        WS: {f"{WS}.z/s1": "10.0.0.1", f"80-{WS}.z/s2": "10.0.0.1"},
        "workspace-1-2-bbbbbb": {"workspace-1-2-bbbbbb.z/s1": "::1"},
    }
    shown = "".join(f"0x55d0 {line}\n" for line in file_text(entries).splitlines()) + "\n"
    assert read_back(shown, ZONE) == entries
