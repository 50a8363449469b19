"""What an agent remembers of former tries, which no engine keeps, and how that changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from moorage.agent.runtimes.port import Rescue
from moorage.agent.workspaces import sides
from moorage.agent.workspaces.decision import Action, Decision, Limits
from moorage.agent.workspaces.sides import Sides
from moorage.contract import ActualState, Cause, DesiredState, DesiredWorkspace


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
    rescue: Rescue | None = None
    """What has been decided on in the place of an environment that cannot run, until the generation
    rises."""
    rescue_generation: int = -1

    def pending_rescue(self, desired: DesiredWorkspace) -> Rescue | None:
        return self.rescue if self.rescue_generation == desired.generation else None


def recent_crashes(history: History, now: float, limits: Limits) -> tuple[float, ...]:
    return tuple(at for at in history.crashes if now - at < limits.crash_window)


def after_decision(
    history: History, decision: Decision, desired: DesiredWorkspace | None, now: float
) -> History:
    """Giving up is remembered; whatever else was, no longer matters once that generation has
    passed. What could not be mended is forgotten once nothing is wrong any more."""
    history = msgspec.structs.replace(history, sides=decision.sides)
    if decision.rescue is not None and desired is not None and not decision.repair:
        history = msgspec.structs.replace(
            history, rescue=decision.rescue, rescue_generation=desired.generation
        )
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
        rescue=history.rescue,
        rescue_generation=history.rescue_generation,
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
            rescue=history.rescue,
            rescue_generation=history.rescue_generation,
        )
    return msgspec.structs.replace(history, error=cause, retry_at=now + pause)


def after_outage(history: History, now: float) -> History:
    """The engine is back: what ended meanwhile is no crash, and what failed by it is tried at
    once."""
    return msgspec.structs.replace(history, error=None, retry_at=0.0, excused_until=now, crashes=())
