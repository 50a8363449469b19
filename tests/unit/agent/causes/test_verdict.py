"""What all causes have in common."""

from __future__ import annotations

from moorage.agent import causes


def test_details_are_limited_to_the_end() -> None:
    """Of many words, the last are kept."""
    cause = causes.of_exit("py", 1, "x" * 100_000 + "the end").cause
    assert len(cause.detail) == causes.DETAIL_LIMIT
    assert cause.detail.endswith("the end")
