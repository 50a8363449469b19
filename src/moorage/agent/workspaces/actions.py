"""Carries out what was decided about one workspace, through its runtime."""

from __future__ import annotations

import msgspec

from moorage.agent import metrics
from moorage.agent.runtimes.port import Run, Runtime
from moorage.agent.workspaces.decision import Action, Decision
from moorage.agent.workspaces.steps import run_pre_stop
from moorage.contract import DesiredWorkspace, WorkspaceSpec


async def carry_out(
    decision: Decision,
    name: str,
    desired: DesiredWorkspace | None,
    run: Run | None,
    runtime: Runtime,
    *,
    made_from: WorkspaceSpec | None = None,
    received: float,
    pre_stop_timeout: float,
) -> None:
    """Ends when the runtime has done it. `run`: what was observed before; where that is for the
    workspace's repair, nothing of the devfile's is run in it. `made_from`: its spec, if that is
    known: what that says is to be done before the end of the run, not what came since.

    `received`: when the present wish arrived (seconds since the epoch). Raises `RuntimeFault`.
    """
    own = run is not None and run.rescue is None
    before = desired
    if desired is not None and made_from is not None:
        before = msgspec.structs.replace(desired, spec=made_from)
    match decision.action:
        case Action.START | Action.RECREATE if desired is not None and before is not None:
            fresh = decision.action is Action.RECREATE
            up = run is not None and run.alive and (run.progress.ready or decision.rescue is None)
            if fresh and own and up:
                await run_pre_stop(runtime, before, pre_stop_timeout)
            await runtime.start(desired, received=received, fresh=fresh, rescue=decision.rescue)
        case Action.HALT:
            await runtime.halt(name)
        case Action.STOP if desired is not None and before is not None:
            if run is not None and own and run.progress.ready:
                await run_pre_stop(runtime, before, pre_stop_timeout)
            await runtime.stop(name)
            await runtime.note(desired)
        case Action.NOTE if desired is not None:
            await runtime.note(desired)
        case Action.REMOVE:
            await runtime.remove(name)
            if desired is None:
                metrics.COLLECTED.inc()
