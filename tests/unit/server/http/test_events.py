"""Server-sent events, as they are written."""

from __future__ import annotations

from moorage.server.http import events


def test_events_are_encoded() -> None:
    """Each line of the data is a line of its own, so that no text can end an event."""
    assert (
        events.encode("x", "a\nevent: y\n\nb")
        == b"event: x\ndata: a\ndata: event: y\ndata: \ndata: b\n\n"
    )
    assert events.encode("x", "") == b"event: x\ndata: \n\n"
