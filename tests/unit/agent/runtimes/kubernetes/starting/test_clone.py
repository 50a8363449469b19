from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes.kubernetes.starting import clone
from moorage.contract import Container, DesiredState, DesiredWorkspace, Project, WorkspaceSpec

SPEC = WorkspaceSpec(
    containers=(Container(name="py", image="i"),),
    main_container="py",
    projects=(Project(name="app", clone_path="app", url="https://git.example.com/app.git", ref="nope"),),
)
DESIRED = DesiredWorkspace(name="workspace-1-1-abcdef", generation=1, desired=DesiredState.RUNNING, spec=SPEC)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"event":"cloning","path":"app","detail":"https://u:p@h/a"}', {"detail": "Cloning https://h/a."}),
        (b'{"event":"retrying","path":"app","detail":"timed out"}', {"detail": "Trying again: timed out"}),
        (b'{"event":"empty","path":"app"}', {"detail": "The repository is empty: so is its folder."}),
        (b'{"event":"done","path":""}', {"done": True}),
    ],
)
def test_the_clones_words(line: bytes, expected: dict[str, Any]) -> None:
    """Each event of the sandbox is understood, without a password that an address may hold."""
    told = clone.CloneLog()
    assert clone.take(line, DESIRED, told)
    for name, value in expected.items():
        assert getattr(told, name) == value


def test_a_failed_clone_has_its_cause() -> None:
    """A clone that failed is told with the project's address and ref."""
    told = clone.CloneLog()
    clone.take(b'{"event":"failed","path":"app","code":"unknown-ref","detail":""}', DESIRED, told)
    assert told.fault is not None
    assert told.fault.code == "ref-not-found"
    assert "'nope'" in told.fault.message


@pytest.mark.parametrize(
    "line", [b"", b"Cloning into 'x'...", b'{"event":', b'{"event":"later"}', b"\xff\xfe"]
)
def test_what_is_no_event_is_left(line: bytes) -> None:
    """Git's own words, half lines and events of another version are no events."""
    told = clone.CloneLog()
    assert not clone.take(line, DESIRED, told)
    assert told == clone.CloneLog()
