"""What to do next about one workspace: desired and observed → an action, and what to say meanwhile.

Pure.

The loop asks again after every action, every event and every `again_in`; nothing here remembers.
What must be remembered of former tries is `History`, which the loop keeps and `after_…` change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.port import Observed, ObservedContainer, Run, digest_of
from moorage.agent.workspaces import sides
from moorage.agent.workspaces.sides import Pauses, Sides
from moorage.contract import ActualState, Cause, ContainerState, DesiredState, DesiredWorkspace


class Action(StrEnum):
    """A step that a runtime can do for a workspace."""

    NONE = "none"
    START = "start"
    """Make and start what is missing."""
    RECREATE = "recreate"
    """End what runs, then start with new containers."""
    HALT = "halt"
    """End the processes of a failed start; their output stays to be read."""
    STOP = "stop"
    NOTE = "note"
    """Keep the server's word at the data."""
    REMOVE = "remove"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How patient an agent is with what ends by itself."""

    crash_limit: int = 3
    """How often what ended is started again within `crash_window`."""
    crash_window: float = 600.0
    """Seconds."""
    first_pause: float = 1.0
    """Seconds before the first container's second restart; doubles from there."""

    @property
    def sides(self) -> Pauses:
        return Pauses(first=self.first_pause, forgotten=self.crash_window)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's memory of former tries, which no engine keeps."""

    failed: Cause | None = None
    """Why it is given up until the generation rises."""
    failed_generation: int = -1
    crashes: tuple[float, ...] = ()
    """When something that had ended was started again (seconds since the epoch)."""
    error: Cause | None = None
    """Why the last action did not succeed; it is tried again."""
    retry_at: float = 0.0
    """Not before (seconds since the epoch)."""
    excused_until: float = 0.0
    """An end before this is no crash, as the engine itself was away (seconds since the epoch)."""
    sides: Sides = {}
    """Side containers that have failed, by name."""
    restarts: Mapping[str, int] = {}
    """How often each container of this run was started again, by name."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """An action, and what is reported meanwhile."""

    action: Action
    state: ActualState
    cause: Cause | None = None
    again_in: float | None = None
    """Seconds; None: when something happens."""
    gives_up: bool = False
    """`cause` is why this generation has failed."""
    crash: bool = False
    """The action repairs something that ended by itself."""
    repair: bool = False
    """The action mends what stands around a workspace that is up: it goes on as it is when that is
    refused."""
    trouble: tuple[Cause, ...] = ()
    """What is wrong with parts of a workspace that is up all the same."""
    sides: Sides = {}
    """See `History`."""
    restarted: tuple[str, ...] = ()
    """Containers that had ended and that the action starts again, by name."""


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
    return _with_trouble(decision, desired, observed.run, now, limits)


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
        return _failed(run, history.failed)
    if lost := lost_volumes(desired, observed):
        return _without(desired, run, lost)
    if run is None:
        return Decision(action=Action.START, state=ActualState.STARTING)
    if run.restarts != desired.restarts or history.failed is not None:
        return Decision(action=Action.RECREATE, state=ActualState.STARTING)
    if run.progress.fault is not None:
        return _give_up(run, run.progress.fault)
    if _ended(run):
        return _after_end(desired, run, history, now, limits)
    if run.missing:
        return _repair(desired, run)
    return _beside(desired, run, history, now, limits)


def _beside(
    desired: DesiredWorkspace, run: Run, history: History, now: float, limits: Limits
) -> Decision:
    """All that it needs is there. What has ended beside it is started again in its time, unless
    the engine does that, or all would have to be made anew for it."""
    goes_on = Decision(action=Action.NONE, state=state_of(run), cause=run.progress.warning)
    if run.restarts_itself or run.spec != digest_of(desired.spec):
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
    again = run.restarts_itself or run.spec == digest_of(desired.spec)
    looks = [decision.again_in, sides.looked_at_in(decision.sides, now, limits.sides)]
    return msgspec.structs.replace(
        decision,
        trouble=sides.troubles(decision.sides, now, limits.sides, again=again),
        again_in=min((seconds for seconds in looks if seconds is not None), default=None),
    )


def lost_volumes(desired: DesiredWorkspace, observed: Observed) -> frozenset[str]:
    """The volumes that have been there, are still wanted, and are no more."""
    lasting = (volume.name for volume in desired.spec.volumes if not volume.ephemeral)
    return frozenset(("", *lasting)).intersection(desired.volumes) - observed.volumes


def _without(desired: DesiredWorkspace, run: Run | None, lost: frozenset[str]) -> Decision:
    """Nothing is made in the place of what is lost before its owner has agreed: a fresh clone would
    look as if all were well. What still runs has the files still, and goes on, whatever is asked
    for but a stop."""
    if run is not None and state_of(run) is ActualState.RUNNING:
        cause = causes.files_going(lost)
        return Decision(action=Action.NONE, state=ActualState.RUNNING, cause=cause)
    cause = causes.files_lost(desired.name, lost)
    if run is not None:
        return _give_up(run, cause)
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
        return _give_up(run, cause)
    recent = recent_crashes(history, now, limits)
    if len(recent) >= limits.crash_limit:
        return _give_up(run, causes.crash_loop(cause, len(recent)).cause)
    if recent:
        pause = recent[-1] + limits.first_pause * 2 ** (len(recent) - 1) - now
        if pause > 0:
            return Decision(action=Action.NONE, state=state_of(run), cause=cause, again_in=pause)
    return msgspec.structs.replace(_repair(desired, run), cause=cause, crash=True)


def _repair(desired: DesiredWorkspace, run: Run) -> Decision:
    """Makes again what is missing.

    Containers of a spec that has changed since are all made anew.
    """
    action = Action.START if run.spec == digest_of(desired.spec) else Action.RECREATE
    state = state_of(run)
    return Decision(action=action, state=state, repair=state is ActualState.RUNNING)


def _give_up(run: Run, cause: Cause) -> Decision:
    return msgspec.structs.replace(_failed(run, cause), gives_up=True)


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


# ------------------------------------------------------------------------------------------ history
def recent_crashes(history: History, now: float, limits: Limits) -> tuple[float, ...]:
    return tuple(at for at in history.crashes if now - at < limits.crash_window)


def after_decision(
    history: History, decision: Decision, desired: DesiredWorkspace | None, now: float
) -> History:
    """Giving up is remembered; whatever else was, no longer matters once that generation has
    passed. What could not be mended is forgotten once nothing is wrong any more."""
    history = msgspec.structs.replace(history, sides=decision.sides)
    if decision.gives_up and desired is not None and decision.cause is not None:
        cause = decision.cause
        if not cause.since:
            cause = msgspec.structs.replace(cause, since=now)
        return msgspec.structs.replace(history, failed=cause, failed_generation=desired.generation)
    if (
        decision.action is Action.NONE
        and decision.state is ActualState.RUNNING
        and decision.cause is None
    ):
        return msgspec.structs.replace(history, error=None, retry_at=0.0)
    return history


def after_success(history: History, decision: Decision, now: float, limits: Limits) -> History:
    """`decision`'s action has been done."""
    if decision.action is Action.NOTE:
        return msgspec.structs.replace(history, error=None, retry_at=0.0)
    crashes = recent_crashes(history, now, limits)
    if decision.crash:
        crashes = (*crashes, now)
    if decision.action is Action.RECREATE:
        crashes = ()
    keeps = decision.action is Action.HALT
    return History(
        failed=history.failed if keeps else None,
        failed_generation=history.failed_generation if keeps else -1,
        crashes=crashes,
        excused_until=history.excused_until,
        sides=sides.after_start(decision.sides, now) if decision.action is Action.START else {},
        restarts=_counted(history, decision),
    )


def _counted(history: History, decision: Decision) -> Mapping[str, int]:
    if decision.action is Action.HALT:
        return history.restarts
    if decision.action is not Action.START:
        return {}
    again = {name: history.restarts.get(name, 0) + 1 for name in decision.restarted}
    return {**history.restarts, **again}


def after_fault(
    history: History,
    desired: DesiredWorkspace | None,
    cause: Cause,
    *,
    final: bool,
    now: float,
    pause: float,
) -> History:
    """The action failed: given up when it is final, else to be tried again after `pause` seconds.

    What has been given up keeps the cause that it was given up for: all that was to be done is to
    end what is left of it.
    """
    wants_running = desired is not None and desired.desired is DesiredState.RUNNING
    generation = desired.generation if desired is not None else -1
    if history.failed is not None and wants_running and generation == history.failed_generation:
        return msgspec.structs.replace(history, error=None, retry_at=now + pause)
    cause = msgspec.structs.replace(cause, since=history.error.since if history.error else now)
    if final and wants_running:
        return History(
            failed=msgspec.structs.replace(cause, since=now),
            failed_generation=generation,
            excused_until=history.excused_until,
            restarts=history.restarts,
        )
    return msgspec.structs.replace(history, error=cause, retry_at=now + pause)


def after_outage(history: History, now: float) -> History:
    """The engine is back: what ended meanwhile is no crash, and what failed by it is tried at
    once."""
    return msgspec.structs.replace(history, error=None, retry_at=0.0, excused_until=now, crashes=())
