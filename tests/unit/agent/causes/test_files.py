"""Words about lost files."""

from __future__ import annotations

import pytest

from moorage.agent import causes


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        ({""}, "The workspace's files are gone: "),
        ({"pg"}, "The workspace's volume pg is gone: "),
        ({"pg", "data"}, "The workspace's volumes data, pg are gone: "),
        ({"", "pg"}, "The workspace's files and its volume pg are gone: "),
    ],
)
def test_what_is_lost_is_named(volumes: set[str], words: str) -> None:
    """The sentence says what is gone, and the hint how to go on."""
    cause = causes.files_lost("app", volumes)
    assert cause.message.startswith(words)
    assert "`moor start app --fresh-files`" in cause.hint
    assert causes.files_going(volumes).code == "files-going"
