"""One task per workspace: whatever is slow or broken about one stays its own.

    server's word, engine's event, own action's end, time → observe → decide → report, act → …

An action runs beside the task, so that stages are reported while it runs, and a newer wish can end
it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from moorage.agent import causes, metrics
from moorage.agent.runtimes.port import Observed, Runtime, RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces import history as memory
from moorage.agent.workspaces.actions import carry_out
from moorage.agent.workspaces.decide import decide
from moorage.agent.workspaces.decision import Action, Decision, Limits
from moorage.agent.workspaces.found import found_of
from moorage.agent.workspaces.history import History
from moorage.agent.workspaces.output import Output
from moorage.agent.workspaces.reports import dated, report_of
from moorage.agent.workspaces.steps import PostStart
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    DesiredWorkspace,
    FoundWorkspace,
)
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError
from moorage.kernel.tasks import Backoff

_log = log.get(part="agent.loop")

Report = Callable[[ActualWorkspace], None]
LOST_GRACE = 3.0
"""Seconds that an engine may be away before workspaces are said to be in error."""


class _Acting(NamedTuple):
    """An action that runs, and what it is for."""

    task: asyncio.Task[None]
    decision: Decision
    desired: DesiredWorkspace | None


class Workspace:
    """One workspace's task.

    Its methods may be called at any time; they only leave a note for it.
    """

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        *,
        settings: AgentSettings,
        clock: Clock,
        report: Report,
        engine_known: asyncio.Event,
        place: str = "",
        on_observed: Callable[[], None] = lambda: None,
    ) -> None:
        """Does nothing before `engine_known`: until then, nobody knows whether there is an engine.

        `place`: the agent's; `on_observed` is called after each look at it.
        """
        self.name = name
        self.desired: DesiredWorkspace | None = None
        self.actual: ActualWorkspace | None = None
        self.gone = False
        """Nothing is left of it, and nobody wants it."""
        self.is_observed = False
        """Whether it has been observed since the server changed its word."""
        self._server_generation = 0
        """The generation in which the server says it now: an older one than `desired` when it was
        set back."""
        self._removal = ""
        """Mark of what the server wants to be removed though it does not list it."""
        self._place = place
        self._on_observed = on_observed
        self._runtime = runtime
        self._settings = settings
        self._clock = clock
        self._report = report
        self._engine_known = engine_known
        self._limits = Limits(
            crash_limit=settings.crash_limit,
            crash_window=settings.crash_window,
            rescue=settings.rescue,
            rescue_image=settings.rescue_image,
        )
        self._history = History()
        self._backoff = Backoff(0.5, 30.0)
        self._received = clock.now()
        self._wake = asyncio.Event()
        self._look = True
        self._again_at: float | None = None
        self._lost: Cause | None = None
        self._observed: Observed | None = None
        self._acting: _Acting | None = None
        self._post_start = PostStart(name, runtime, settings, self.progressed)
        self._task = asyncio.create_task(self._forever(), name=f"workspace {name}")

    # ---------------------------------------------------------------------------------------- notes
    def want(self, desired: DesiredWorkspace | None) -> None:
        """An older generation than one that has been seen is not acted on, but told: see
        `found`."""
        generation = desired.generation if desired is not None else 0
        if generation != self._server_generation:
            self._server_generation = generation
            self.is_observed = False
            self.changed()
        if (
            desired is not None
            and self.desired is not None
            and desired.generation < self.desired.generation
        ):
            return
        if desired == self.desired:
            return
        self._removal = ""
        self.is_observed = False
        if desired is None or self.desired is None or _wish(desired) != _wish(self.desired):
            self._received = self._clock.now()
        self.desired = desired
        self.gone = (
            # until the next look: whoever forgets what is gone must not forget this word with it
            False
        )
        self.changed()

    def remove_found(self, mark: str) -> bool:
        """Whether that is what is found, and this agent's to remove; then it is removed, unless it
        changes before."""
        found = self.found if self.desired is None else None
        if found is None or found.mark != mark or found.elsewhere:
            return False
        self._removal = mark
        self.changed()
        return True

    @property
    def found(self) -> FoundWorkspace | None:
        """The part of it that the server does not know, as of the last look."""
        if self._observed is None:
            return None
        return found_of(self._observed, self.desired, self._server_generation, self._place)

    def post_start_output(self) -> Output:
        """Raises `NotFound`."""
        return self._post_start.output()

    def changed(self) -> None:
        self._look = True
        self._wake.set()

    def progressed(self) -> None:
        self._wake.set()

    def lost(self, cause: Cause) -> None:
        self._lost = msgspec.structs.replace(cause, since=self._clock.now())
        self._again_at = self._clock.now() + LOST_GRACE
        self._wake.set()

    def recovered(self) -> None:
        if self._lost is not None:
            self._history = memory.after_outage(self._history, self._clock.now())
            self._backoff.reset()
        self._lost = None
        self.changed()

    def end(self) -> None:
        """Nothing is left to do."""
        self._task.cancel()

    async def close(self) -> None:
        tasks = [self._task, *((self._acting.task,) if self._acting is not None else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._post_start.close()

    # ------------------------------------------------------------------------------------- the task
    async def _forever(self) -> None:
        await self._engine_known.wait()
        while True:
            try:
                await self._step()
            except Exception as error:  # noqa: BLE001 - a fault in the reconciler is reported, and tried again
                _log.error("reconciling failed", workspace=self.name, exc_info=error)
                self._note_fault(_internal(error), final=False)
            await self._sleep()

    async def _sleep(self) -> None:
        timeout = None if self._again_at is None else max(0.0, self._again_at - self._clock.now())
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            self._look = True
        self._wake.clear()

    async def _step(self) -> None:
        self._again_at = None
        if self._acting is not None:
            await self._while_acting(self._acting)
            return
        if self._lost is not None:
            self._report_lost(self._lost)
            return
        if self._look or self._observed is None:
            self._look = False
            try:
                self._observed = await self._runtime.observe(self.name, self.desired)
            except RuntimeFault as fault:
                self._look = True
                self._note_fault(fault.cause, final=False)
                self._report_state(ActualState.ERROR, self._history.error)
                return
        self._observed = _with_progress(self._observed, self._runtime)
        self._act_on(self._observed)

    def _act_on(self, observed: Observed) -> None:
        now = self._clock.now()
        decision = decide(
            self.desired,
            observed,
            self._history,
            now,
            self._limits,
            removal=self._removal,
            here=self._place,
        )
        self._history = memory.after_decision(self._history, decision, self.desired, now)
        if decision.again_in is not None:
            self._again_at = now + decision.again_in
        self._report_state(
            decision.state,
            decision.cause if not decision.gives_up else self._history.failed,
            decision.trouble,
        )
        self.gone = decision.state is ActualState.TERMINATED
        self.is_observed = True
        self._on_observed()
        if decision.action is not Action.NONE:
            _log.info("acting", workspace=self.name, action=decision.action.value)
            acting = self._run_action(decision, self.desired)
            task = asyncio.create_task(acting, name=f"{decision.action} {self.name}")
            self._acting = _Acting(task, decision, self.desired)
            return
        if (
            decision.state is ActualState.RUNNING
            and self.desired is not None
            and observed.run is not None
        ):
            if decision.cause is None:
                self._backoff.reset()
            if observed.run.rescue is None:
                self._post_start.ensure(self.desired, observed.run)

    async def _while_acting(self, acting: _Acting) -> None:
        """Lets the action go on, unless it serves a wish that is no more."""
        if acting.task.done():
            self._acting = None
            self.changed()
            return
        if _outdated(acting.desired, self.desired):
            _log.info("ending an action that nobody wants any more", workspace=self.name)
            acting.task.cancel()
            await asyncio.gather(acting.task, return_exceptions=True)
            self._acting = None
            self._backoff.reset()
            self._history = msgspec.structs.replace(self._history, error=None, retry_at=0.0)
            self.changed()
            return
        decision = acting.decision
        self._report_state(decision.state, decision.cause, decision.trouble)

    async def _run_action(self, decision: Decision, desired: DesiredWorkspace | None) -> None:
        began = time.monotonic()
        try:
            await carry_out(
                decision,
                self.name,
                desired,
                self._observed.run if self._observed is not None else None,
                self._runtime,
                made_from=self._observed.made_from if self._observed is not None else None,
                received=self._received,
                pre_stop_timeout=self._settings.pre_stop_timeout,
            )
            self._history = memory.after_success(
                self._history, decision, self._clock.now(), self._limits
            )
        except RuntimeFault as fault:
            # What is up stays up: its repair is tried again, however it was refused.
            final, cause = fault.final and not decision.repair, fault.cause
            if final and decision.rescue is not None:
                cause = causes.rescue_failed(decision.rescue.cause, cause)
            self._note_fault(cause, final=final, desired=desired)
        except MoorageError as error:
            cause = Cause(code=error.code, message=error.message, hint=error.hint)
            self._note_fault(cause, final=False, desired=desired)
        except Exception as error:  # noqa: BLE001 - one workspace's fault stays its own
            _log.error(
                "an action failed",
                workspace=self.name,
                action=decision.action.value,
                exc_info=error,
            )
            self._note_fault(_internal(error), final=False, desired=desired)
        finally:
            metrics.RECONCILE_SECONDS.labels(decision.action.value).observe(
                time.monotonic() - began
            )
            self._wake.set()

    def _note_fault(
        self, cause: Cause, *, final: bool, desired: DesiredWorkspace | None = None
    ) -> None:
        metrics.RECONCILE_ERRORS.labels(cause.code).inc()
        pause = self._backoff.delay()
        now = self._clock.now()
        _log.warning(
            "not done",
            workspace=self.name,
            code=cause.code,
            cause=cause.message,  # not its detail, which quotes what the owner's programs wrote
            final=final,
        )
        self._history = memory.after_fault(
            self._history, desired, cause, final=final, now=now, pause=pause
        )
        self._again_at = now + pause

    # -------------------------------------------------------------------------------------- reports
    def _report_lost(self, cause: Cause) -> None:
        """Reports an engine that is away, unless it is so for a moment only."""
        waits = cause.since + LOST_GRACE - self._clock.now()
        if waits > 0 and self.actual is not None:
            self._again_at = self._clock.now() + waits
            return
        self._report_state(ActualState.ERROR, cause)

    def _report_state(
        self, state: ActualState, cause: Cause | None, trouble: tuple[Cause, ...] = ()
    ) -> None:
        if self.desired is None:
            return
        run = self._observed.run if self._observed is not None else None
        now = self._clock.now()
        actual = report_of(
            self.desired,
            state,
            dated(cause, self.actual, now),
            trouble=trouble,
            run=run,
            restarts=self._history.restarts,
            progress=self._runtime.progress(self.name),
            post_start=self._post_start.outcomes(run),
            volumes=self._observed.volumes if self._observed is not None else frozenset(),
            received=self._received,
            now=now,
        )
        if self.actual is not None and actual == msgspec.structs.replace(
            self.actual, observed_at=0.0
        ):
            return
        metrics.count_report(self.actual, actual)
        self.actual = msgspec.structs.replace(actual, observed_at=now)
        self._report(self.actual)


def _wish(desired: DesiredWorkspace) -> tuple[object, ...]:
    return desired.desired, desired.restarts, desired.generation


def _outdated(acting_for: DesiredWorkspace | None, desired: DesiredWorkspace | None) -> bool:
    """Whether an action for the one hinders the other.

    A higher generation alone may be a changed title.
    """
    if acting_for is None or desired is None:
        return acting_for is not desired
    return (acting_for.desired, acting_for.restarts, acting_for.spec) != (
        desired.desired,
        desired.restarts,
        desired.spec,
    )


def _with_progress(observed: Observed, runtime: Runtime) -> Observed:
    if observed.run is None:
        return observed
    run = msgspec.structs.replace(observed.run, progress=runtime.progress(observed.name))
    return msgspec.structs.replace(observed, run=run)


def _internal(error: Exception) -> Cause:
    return Cause(
        code="agent-fault",
        message="The agent stumbled over this workspace; it goes on trying.",
        detail=repr(error),
        hint="This is a defect in Moorage: the agent's log tells more.",
    )
