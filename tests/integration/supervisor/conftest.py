"""Installations for tests. Their agent runs workspaces in memory: what is tested here is the
machinery around it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.supervisor.installation import Installation, installation


@pytest.fixture
def fresh() -> Iterator[Installation]:
    """Not started."""
    with installation(MOORAGE_AGENT_RUNTIME="memory") as made:
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[Installation]:
    """Started once for all tests of a module."""
    with installation(MOORAGE_AGENT_RUNTIME="memory") as made:
        made.started()
        yield made
