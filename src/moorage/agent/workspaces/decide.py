"""What to do next about one workspace: desired and observed → an action, and what to say meanwhile.

Pure.

The loop asks again after every action, every event and every `again_in`; nothing here remembers.
What must be remembered of former tries is `History`, which the loop keeps.
"""

from __future__ import annotations

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.port import Observed, ObservedContainer, Rescue, Run, digest_of
from moorage.agent.runtimes.rescue import made_as
from moorage.agent.workspaces import rescues, sides
from moorage.agent.workspaces.decision import Action, Decision, Limits
from moorage.agent.workspaces.history import History, recent_crashes
from moorage.contract import ActualState, Cause, ContainerState, DesiredState, DesiredWorkspace


def decide(
    desired: DesiredWorkspace | None,
    observed: Observed,
    history: History,
    now: float,
    limits: Limits,
    *,
    removal: str = "",
    here: str = "",
) -> Decision:
    """`desired` None: the server knows of no such workspace; `removal` is then the mark of what it
    wants to be removed all the same. `here`: this agent's place."""
    known = sides.noted(history.sides, observed.run, now, limits.sides, history.excused_until)
    history = msgspec.structs.replace(history, sides=known)
    if desired is None:
        decision = _unlisted(observed, removal, here)
    elif observed.knows_more(desired):
        decision = _held(observed, causes.server_set_back(_elsewhere(observed, here)))
    elif desired.desired is DesiredState.TERMINATED:
        decision = _terminated(observed, here)
    elif desired.desired is DesiredState.STOPPED:
        decision = _stopped(desired, observed)
    else:
        decision = _running(desired, observed, history, now, limits)
    decision = _in_time(_noted(decision, desired, observed), history, now)
    decision = msgspec.structs.replace(
        _if_reached(decision, observed.run),
        sides=known,
        restarted=_restarted(observed.run) if decision.action is Action.START else (),
    )
    decision = _with_trouble(decision, desired, observed.run, now, limits)
    return _with_rescue(decision, observed.run)


def _unlisted(observed: Observed, removal: str, here: str) -> Decision:
    """That a server does not list it is no reason to remove anything: it may have lost what it
    knew. Its processes end, and all else stays until somebody says what is to become of it. What
    another agent works on is left alone altogether."""
    if not observed.present:
        return Decision(action=Action.NONE, state=ActualState.TERMINATED)
    elsewhere = bool(_elsewhere(observed, here))
    if removal and removal == observed.mark and not elsewhere:
        return Decision(action=Action.REMOVE, state=ActualState.TERMINATING)
    if observed.run is not None and observed.run.alive and not elsewhere:
        return Decision(action=Action.HALT, state=ActualState.STOPPING)
    return _held(observed, None)


def _held(observed: Observed, cause: Cause | None) -> Decision:
    """Goes on as it is."""
    up = observed.run is not None and observed.run.alive
    state = state_of(observed.run) if up and observed.run is not None else ActualState.STOPPED
    return Decision(action=Action.NONE, state=state, cause=cause)


def _elsewhere(observed: Observed, here: str) -> str:
    """The place of another agent that wrote the newest word about it; "": there is none."""
    place = observed.known.place if observed.known is not None else ""
    return place if place and here and place != here else ""


def _noted(decision: Decision, desired: DesiredWorkspace | None, observed: Observed) -> Decision:
    """When nothing else is to be done, the server's word is written to the data, unless there is a
    newer one."""
    if (
        decision.action is not Action.NONE
        or decision.gives_up
        or desired is None
        or not observed.data
    ):
        return decision
    if desired.desired is DesiredState.TERMINATED or observed.generation > desired.generation:
        return decision
    if (
        observed.recorded
        and observed.known is not None
        and observed.known.generation == desired.generation
    ):
        return decision
    return msgspec.structs.replace(decision, action=Action.NOTE, repair=True)


def _in_time(decision: Decision, history: History, now: float) -> Decision:
    """Not before the pause after the last try is over."""
    if decision.action is Action.NONE:
        return decision
    if now >= history.retry_at:
        if decision.repair and history.error is not None and decision.cause is None:
            return msgspec.structs.replace(decision, cause=history.error)
        return decision
    held_up = history.error is not None and not decision.repair
    return msgspec.structs.replace(
        decision,
        action=Action.NONE,
        repair=False,
        crash=False,
        gives_up=False,
        state=ActualState.ERROR if held_up else decision.state,
        cause=history.error or decision.cause,
        again_in=history.retry_at - now,
    )


def _if_reached(decision: Decision, run: Run | None) -> Decision:
    """A workspace that is up where nobody reaches it is not Running.

    It is left alone all the same: it may come back as it was.
    """
    if run is None or run.unreachable is None or decision.state is not ActualState.RUNNING:
        return decision
    return msgspec.structs.replace(decision, state=ActualState.ERROR, cause=run.unreachable)


def _terminated(observed: Observed, here: str) -> Decision:
    if observed.present and (place := _elsewhere(observed, here)):
        return _held(observed, causes.works_elsewhere(place))
    if observed.present:
        return Decision(action=Action.REMOVE, state=ActualState.TERMINATING)
    return Decision(action=Action.NONE, state=ActualState.TERMINATED)


def _stopped(desired: DesiredWorkspace, observed: Observed) -> Decision:
    if observed.run is not None or observed.leftovers:
        return Decision(action=Action.STOP, state=ActualState.STOPPING)
    lost = lost_volumes(desired, observed)
    cause = causes.files_lost(desired.name, lost) if lost else None
    return Decision(action=Action.NONE, state=ActualState.STOPPED, cause=cause)


def _running(
    desired: DesiredWorkspace, observed: Observed, history: History, now: float, limits: Limits
) -> Decision:
    run = observed.run
    if history.failed is not None and history.failed_generation == desired.generation:
        rescued = _rescued(desired, run, history.failed, history, limits)
        return rescued or _failed(run, history.failed)
    if lost := lost_volumes(desired, observed):
        return _without(desired, run, lost, history, limits)
    pending = history.pending_rescue(desired)
    if run is None or run.restarts != desired.restarts or history.failed is not None:
        return _begin(desired, run, pending, limits)
    if pending is not None and run.rescue is None:
        return _begin(desired, run, pending, limits)
    if run.progress.fault is not None:
        return _give_up(desired, run, run.progress.fault, history, limits)
    if _ended(run):
        return _after_end(desired, run, history, now, limits)
    if run.missing:
        return _repair(desired, run)
    return _beside(desired, run, history, now, limits)


def _begin(
    desired: DesiredWorkspace, run: Run | None, pending: Rescue | None, limits: Limits
) -> Decision:
    return Decision(
        action=Action.START if run is None else Action.RECREATE,
        state=ActualState.STARTING,
        rescue=rescues.wanted(desired, pending, limits.rescue_image),
    )


def _beside(
    desired: DesiredWorkspace, run: Run, history: History, now: float, limits: Limits
) -> Decision:
    """All that it needs is there. What has ended beside it is started again in its time, unless
    the engine does that, or all would have to be made anew for it."""
    goes_on = Decision(action=Action.NONE, state=state_of(run), cause=run.progress.warning)
    if run.restarts_itself or not _is_made_of(run, desired):
        return goes_on
    due = sides.due_in(history.sides, run, now, limits.sides, history.excused_until)
    if due == 0.0:
        return msgspec.structs.replace(_repair(desired, run), cause=goes_on.cause)
    return msgspec.structs.replace(goes_on, again_in=due)


def _with_trouble(
    decision: Decision,
    desired: DesiredWorkspace | None,
    run: Run | None,
    now: float,
    limits: Limits,
) -> Decision:
    if run is None or desired is None or decision.state is not ActualState.RUNNING:
        return decision
    again = run.restarts_itself or _is_made_of(run, desired)
    looks = [decision.again_in, sides.looked_at_in(decision.sides, now, limits.sides)]
    return msgspec.structs.replace(
        decision,
        trouble=sides.troubles(decision.sides, now, limits.sides, again=again),
        again_in=min((seconds for seconds in looks if seconds is not None), default=None),
    )


def _with_rescue(decision: Decision, run: Run | None) -> Decision:
    """Says of what runs for a workspace's repair why it is there."""
    rescue = decision.rescue or (run.rescue if run is not None else None)
    if rescue is None:
        return decision
    if decision.state is ActualState.RUNNING:
        why = causes.in_rescue(rescue.cause, rescue.image)
        return msgspec.structs.replace(decision, trouble=(why, *decision.trouble))
    if decision.state is ActualState.STARTING and decision.cause is None:
        return msgspec.structs.replace(decision, cause=causes.beginning(rescue.cause))
    return decision


def lost_volumes(desired: DesiredWorkspace, observed: Observed) -> frozenset[str]:
    """The volumes that have been there, are still wanted, and are no more."""
    lasting = (volume.name for volume in desired.spec.volumes if not volume.ephemeral)
    return frozenset(("", *lasting)).intersection(desired.volumes) - observed.volumes


def _without(
    desired: DesiredWorkspace,
    run: Run | None,
    lost: frozenset[str],
    history: History,
    limits: Limits,
) -> Decision:
    """Nothing is made in the place of what is lost before its owner has agreed: a fresh clone would
    look as if all were well. What still runs has the files still, and goes on, whatever is asked
    for but a stop."""
    if run is not None and state_of(run) is ActualState.RUNNING:
        cause = causes.files_going(lost)
        return Decision(action=Action.NONE, state=ActualState.RUNNING, cause=cause)
    cause = causes.files_lost(desired.name, lost)
    if run is not None:
        return _give_up(desired, run, cause, history, limits)
    return Decision(action=Action.NONE, state=ActualState.FAILED, cause=cause, gives_up=True)


def _after_end(
    desired: DesiredWorkspace, run: Run, history: History, now: float, limits: Limits
) -> Decision:
    """Something that should run has ended: start it again, some time later, or no more."""
    ended = _ended(run)
    if all((container.finished_at or 0.0) <= history.excused_until for container in ended):
        return _repair(desired, run)
    worst = next((container for container in ended if container.hopeless), ended[0])
    cause = worst.fault or causes.of_exit(worst.name, worst.exit_code, "").cause
    if worst.hopeless:
        return _give_up(desired, run, cause, history, limits)
    recent = recent_crashes(history, now, limits)
    if len(recent) >= limits.crash_limit:
        looping = causes.crash_loop(cause, len(recent)).cause
        return _give_up(desired, run, looping, history, limits)
    if recent:
        pause = recent[-1] + limits.first_pause * 2 ** (len(recent) - 1) - now
        if pause > 0:
            return Decision(action=Action.NONE, state=state_of(run), cause=cause, again_in=pause)
    return msgspec.structs.replace(_repair(desired, run), cause=cause, crash=True)


def _repair(desired: DesiredWorkspace, run: Run) -> Decision:
    """Makes again what is missing.

    Containers of a spec that has changed since are all made anew.
    """
    action = Action.START if _is_made_of(run, desired) else Action.RECREATE
    state = state_of(run)
    repair = state is ActualState.RUNNING
    return Decision(action=action, state=state, repair=repair, rescue=run.rescue)


def _is_made_of(run: Run, desired: DesiredWorkspace) -> bool:
    return run.spec == digest_of(made_as(desired, run.rescue).spec)


def _give_up(
    desired: DesiredWorkspace, run: Run, cause: Cause, history: History, limits: Limits
) -> Decision:
    if (rescued := _rescued(desired, run, cause, history, limits)) is not None:
        return rescued
    if run.rescue is not None:
        cause = causes.rescue_failed(run.rescue.cause, cause)
    return msgspec.structs.replace(_failed(run, cause), gives_up=True)


def _rescued(
    desired: DesiredWorkspace, run: Run | None, cause: Cause, history: History, limits: Limits
) -> Decision | None:
    """Instead of giving up, an environment to repair it from; None: there is to be none."""
    pending = history.pending_rescue(desired)
    rescue = rescues.after(
        desired, run, cause, pending, image=limits.rescue_image, by_itself=limits.rescue
    )
    if rescue is None:
        return None
    action = Action.START if run is None else Action.RECREATE
    return Decision(action=action, state=ActualState.STARTING, rescue=rescue)


def _failed(run: Run | None, cause: Cause) -> Decision:
    action = Action.HALT if run is not None and run.alive else Action.NONE
    return Decision(action=action, state=ActualState.FAILED, cause=cause)


def state_of(run: Run) -> ActualState:
    """Whether it is up. A side container that is down takes nobody's page away."""
    running = {c.role for c in run.containers if c.state is ContainerState.RUNNING}
    up = {"main", "sandbox"} <= running
    return (
        ActualState.RUNNING if up and run.address and run.progress.ready else ActualState.STARTING
    )


def _ended(run: Run) -> list[ObservedContainer]:
    """What a workspace cannot do without, and has ended. A preStart step is to end, with 0."""
    return [
        container
        for container in run.containers
        if container.state is ContainerState.EXITED
        and container.role != "sidecar"
        and (container.role != "init" or container.exit_code != 0)
    ]


def _restarted(run: Run | None) -> tuple[str, ...]:
    return tuple(
        container.name
        for container in (run.containers if run is not None else ())
        if container.state is ContainerState.EXITED
        and container.role in ("main", "sidecar")
        and container.started_at is not None
    )
