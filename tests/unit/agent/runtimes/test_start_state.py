"""What every runtime knows of one start."""

from __future__ import annotations

from moorage.agent.runtimes.start_state import StartState
from moorage.contract import Cause, StageName, StageState


def test_ready_with_projects_and_editor() -> None:
    """A start is ready once the projects are complete and the editor has answered, and nothing is
    wrong."""
    start = StartState()
    start.cloned = True
    assert not start.progress.ready
    start.answered = True
    assert start.progress.ready
    start.fault = Cause(code="disk-limit", message="Too much.")
    assert not start.progress.ready


def test_the_first_fault_stays() -> None:
    """What went wrong first is told, with the stage in which it did."""
    start = StartState()
    assert start.fail_at(StageName.CLONE, Cause(code="a", message="A."), 5.0)
    assert not start.fail_at(StageName.EDITOR, Cause(code="b", message="B."), 6.0)
    progress = start.progress
    assert progress.fault == Cause(code="a", message="A.", since=5.0)
    assert [(stage.name, stage.state, stage.detail) for stage in progress.stages] == [
        (StageName.CLONE, StageState.FAILED, "A.")
    ]
