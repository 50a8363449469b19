"""The report on one workspace."""

from __future__ import annotations

from moorage.agent.runtimes.port import ObservedContainer, Progress, Run
from moorage.agent.runtimes.timeline import Timeline
from moorage.agent.workspaces.reports import complete_stages, dated, report_of
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    ContainerState,
    DesiredState,
    DesiredWorkspace,
    StageName,
    StageState,
    WorkspaceSpec,
)

NAME = "workspace-1-1-abc123"


def wanted(state: DesiredState) -> DesiredWorkspace:
    spec = WorkspaceSpec(containers=(), main_container="dev")
    return DesiredWorkspace(name=NAME, generation=3, desired=state, spec=spec)


def test_complete_timeline_of_a_start_that_is_ready() -> None:
    """A report has every stage from `received` on; `ready` comes with the last one's end."""
    timeline = Timeline()
    timeline.end(StageName.RECEIVED, 1.0)
    timeline.end(StageName.EDITOR, 9.0)
    stages = complete_stages(timeline.stages(), ready=True, now=10.0)
    assert [stage.name for stage in stages] == list(StageName)[1:]
    assert stages[-1].finished_at == 9.0
    assert stages[1].state is StageState.WAITING


def test_complete_timeline_of_a_failed_start() -> None:
    """Of a start that failed, no stage is left running."""
    timeline = Timeline()
    timeline.begin(StageName.CLONE, 2.0)
    stages = {
        s.name: s
        for s in complete_stages(timeline.stages(), ready=False, failed="No space.", now=10.0)
    }
    assert stages[StageName.CLONE].state is StageState.FAILED
    assert stages[StageName.CLONE].detail == "No space."
    assert stages[StageName.READY].state is StageState.WAITING


def test_a_report_without_anything_observed() -> None:
    """A start that has just been asked for is told with its first stage, and without containers."""
    report = report_of(
        wanted(DesiredState.RUNNING),
        ActualState.STARTING,
        None,
        run=None,
        progress=Progress(),
        post_start={},
        received=5.0,
        now=6.0,
    )
    assert (report.generation, report.state, report.containers) == (3, ActualState.STARTING, ())
    assert report.stages[0].name is StageName.RECEIVED
    assert report.stages[0].started_at == 5.0


def test_who_is_led_to_a_workspace() -> None:
    """Its address is told while it runs, also through the agent's own trouble, and not while it
    starts."""
    containers = (
        ObservedContainer(name="dev", role="main", image="i", state=ContainerState.RUNNING),
        ObservedContainer(name="sandbox", role="sandbox", image="i", state=ContainerState.RUNNING),
    )
    run = Run(
        restarts=0,
        spec="s",
        containers=containers,
        address="10.0.0.2",
        progress=Progress(ready=True),
    )
    addresses = {
        state: report_of(
            wanted(DesiredState.RUNNING),
            state,
            None,
            run=run,
            progress=run.progress,
            post_start={"setup": "done"},
            received=1.0,
            now=2.0,
        ).address
        for state in (
            ActualState.RUNNING,
            ActualState.ERROR,
            ActualState.STARTING,
            ActualState.FAILED,
        )
    }
    assert addresses == {
        ActualState.RUNNING: "10.0.0.2",
        ActualState.ERROR: "10.0.0.2",
        ActualState.STARTING: "",
        ActualState.FAILED: "",
    }


def test_a_cause_keeps_its_time() -> None:
    """A cause that was told before holds since then; another one since now; a dated one as it is
    dated."""
    before = ActualWorkspace(
        name=NAME,
        generation=3,
        state=ActualState.ERROR,
        cause=Cause(code="a", message="A.", since=4.0),
    )
    for cause, since in (
        (Cause(code="a", message="A."), 4.0),
        (Cause(code="b", message="B."), 9.0),
        (Cause(code="b", message="B.", since=2.0), 2.0),
    ):
        assert (told := dated(cause, before, 9.0)) is not None
        assert told.since == since
    assert dated(None, before, 9.0) is None
