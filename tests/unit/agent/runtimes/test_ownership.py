"""Whose objects they are."""

from __future__ import annotations

from moorage.agent.runtimes.ownership import WORKSPACE, is_ours, labels_for
from moorage.agent.runtimes.port import Identity


def test_an_agent_knows_its_own_objects() -> None:
    """Installation, agent and Moorage's own mark must all be there; the place is no part of it."""
    own = Identity("inst", 7, "folder")
    labels = labels_for(own, "workspace-7-1-abc123")
    assert labels[WORKSPACE] == "workspace-7-1-abc123"
    assert is_ours(labels, own)
    assert is_ours(labels_for(own), Identity("inst", 7, "elsewhere"))
    assert not is_ours(labels, Identity("inst", 8))
    assert not is_ours(labels, Identity("other", 7))
    for name in labels_for(own):
        assert not is_ours({key: value for key, value in labels.items() if key != name}, own)
