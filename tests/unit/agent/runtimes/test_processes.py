"""The first process of a container."""

from __future__ import annotations

import pytest

from moorage.agent.runtimes.processes import INIT, under_init


@pytest.mark.parametrize("words", [["sleep", "infinity"], ["sh", "-c", "tini"], ["/bin/initdb"]])
def test_an_init_stands_first(words: list[str]) -> None:
    """Whatever a container runs, an init starts it."""
    assert under_init(words) == [*INIT, *words]


@pytest.mark.parametrize(
    "words", [[], ["/init"], ["tini", "-g", "--", "x"], ["/usr/bin/dumb-init", "x"], list(INIT)]
)
def test_an_init_of_ones_own_stays(words: list[str]) -> None:
    """What is an init already, and may insist on being process 1, gets no other."""
    assert under_init(words) == words
