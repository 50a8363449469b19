"""The report on one workspace: a state and what was observed → what the server is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.port import Progress, Run
from moorage.agent.runtimes.timeline import ORDER, Timeline
from moorage.agent.workspaces.decide import state_of
from moorage.agent.workspaces.steps import DONE
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    ContainerStatus,
    DesiredState,
    DesiredWorkspace,
    Stage,
    StageName,
    StageState,
)


def report_of(
    desired: DesiredWorkspace,
    state: ActualState,
    cause: Cause | None,
    *,
    trouble: tuple[Cause, ...] = (),
    run: Run | None,
    restarts: Mapping[str, int] | None = None,
    progress: Progress,
    post_start: dict[str, str],
    volumes: frozenset[str] = frozenset(),
    received: float,
    now: float,
) -> ActualWorkspace:
    """The report, without the time at which it was made.

    `restarts`: how often the agent has started each container again, for engines that do not count.
    `received`: when the server's present wish arrived; `now`: both in seconds since the epoch.
    """
    wants_running = desired.desired is DesiredState.RUNNING
    return ActualWorkspace(
        name=desired.name,
        generation=desired.generation,
        state=state,
        address=run.address if run is not None and _is_reached(state, run) else "",
        stages=_stages(state, cause, progress, received, now) if wants_running else (),
        cause=cause,
        trouble=(*trouble, *progress.troubles, *_of_steps(post_start))
        if state is ActualState.RUNNING
        else (),
        rescue=run is not None and run.rescue is not None and state is ActualState.RUNNING,
        containers=_statuses(run, restarts or {}),
        settings=run.settings if run is not None else 0,
        post_start=post_start if state is ActualState.RUNNING else {},
        volumes=tuple(sorted(volumes)),
    )


def _of_steps(outcomes: dict[str, str]) -> tuple[Cause, ...]:
    """The causes of those postStart steps that failed."""
    return tuple(
        causes.post_start_failed(said) for said in outcomes.values() if said not in ("", DONE)
    )


def dated(cause: Cause | None, before: ActualWorkspace | None, now: float) -> Cause | None:
    """The cause with the time since which it holds: the last report's when that had the same
    cause."""
    if cause is None or cause.since:
        return cause
    known = before.cause if before is not None else None
    since = known.since if known is not None and known.code == cause.code else now
    return msgspec.structs.replace(cause, since=since)


def complete_stages(
    stages: tuple[Stage, ...], *, ready: bool, failed: str = "", now: float
) -> tuple[Stage, ...]:
    """All stages from `received` on: those not begun are waiting, and `ready` is the last.

    Of a failed start (`failed` is then the reason), no stage is left running.
    """
    known = {stage.name: stage for stage in stages}
    whole = []
    for name in ORDER[ORDER.index(StageName.RECEIVED) : ORDER.index(StageName.READY)]:
        stage = known.get(name, Stage(name=name))
        if failed and stage.state is StageState.RUNNING:
            stage = msgspec.structs.replace(
                stage, state=StageState.FAILED, finished_at=now, detail=failed
            )
        whole.append(stage)
    whole.append(_ready_stage(tuple(whole), ready=ready))
    return tuple(whole)


def _ready_stage(stages: tuple[Stage, ...], *, ready: bool) -> Stage:
    if not ready:
        return Stage(name=StageName.READY)
    ends = [stage.finished_at for stage in stages if stage.finished_at is not None]
    at = max(ends, default=None)
    return Stage(name=StageName.READY, state=StageState.DONE, started_at=at, finished_at=at)


def _stages(
    state: ActualState, cause: Cause | None, progress: Progress, received: float, now: float
) -> tuple[Stage, ...]:
    known = progress.stages
    if not known:
        timeline = Timeline()
        timeline.begin(StageName.RECEIVED, received)
        known = timeline.stages()
    failed = cause.message if state is ActualState.FAILED and cause is not None else ""
    ready = progress.ready and state is ActualState.RUNNING
    return complete_stages(known, ready=ready, failed=failed, now=now)


def _statuses(run: Run | None, restarts: Mapping[str, int]) -> tuple[ContainerStatus, ...]:
    if run is None:
        return ()
    return tuple(
        ContainerStatus(
            name=container.name,
            image=container.image,
            state=container.state,
            exit_code=container.exit_code,
            restarts=max(
                container.restarts,
                0 if run.restarts_itself else restarts.get(container.name, 0),
            ),
            started_at=container.started_at,
            detail=container.fault.message if container.fault is not None else "",
        )
        for container in run.containers
        if container.role != "sandbox"
    )


def _is_reached(state: ActualState, run: Run) -> bool:
    """Whether people may be led to it.

    Trouble of the agent's, or of the way to engine or node, takes nothing away from those who work
    in what is up.
    """
    return state is ActualState.RUNNING or (
        state is ActualState.ERROR and state_of(run) is ActualState.RUNNING
    )
