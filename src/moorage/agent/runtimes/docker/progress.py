"""How far one workspace's start is, as the engine and the followers of the start tell it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from moorage.agent.runtimes.docker.observe import received_at, seconds
from moorage.agent.runtimes.start_state import StartState
from moorage.contract import Cause, StageName
from moorage.kernel.clock import Clock


class StartProgress(StartState):
    """One start, which tells of itself: `notify` is called whenever it changes."""

    def __init__(self, clock: Clock, notify: Callable[[], None]) -> None:
        super().__init__()
        self._began = clock.now()
        self.settled = asyncio.Event()
        """Set once it is known whether the projects are complete or never will be."""
        self._clock = clock
        self._notify = notify

    def now(self) -> float:
        return self._clock.now()

    def begin(self, stage: StageName, detail: str = "", at: float | None = None) -> None:
        if self.timeline.begin(stage, self._clock.now() if at is None else at, detail):
            self._notify()

    def end(self, stage: StageName, at: float | None) -> None:
        if self.timeline.end(stage, at):
            self._notify()

    def tell(self, stage: StageName, detail: str) -> None:
        """What goes on behind a stage that has ended."""
        if self.timeline.tell(stage, detail):
            self._notify()

    def end_now(self, stage: StageName) -> None:
        self.end(stage, self._clock.now())

    def skip(self, stage: StageName) -> None:
        if self.timeline.skip(stage):
            self._notify()

    def fail(self, stage: StageName, cause: Cause) -> None:
        if self.fail_at(stage, cause, self._clock.now()):
            self.settled.set()
            self._notify()

    def age(self) -> float:
        """Seconds since this run began, or since the agent found it."""
        return self._clock.now() - self._began

    def warn(self, cause: Cause | None) -> None:
        """Warns of something that is wrong with a start that goes on; None: it is well again.

        The same code again changes nothing.
        """
        if (cause and cause.code) == (self.warning and self.warning.code):
            return
        self.warning = cause and msgspec.structs.replace(cause, since=self._clock.now())
        self._notify()

    def side_fault(self, container: str, cause: Cause | None) -> None:
        """Why a side container could not be brought up; None: it was."""
        before = self.side_faults.pop(container, None)
        if cause is not None:
            since = before.since if before and before.code == cause.code else self._clock.now()
            self.side_faults[container] = msgspec.structs.replace(cause, since=since)
        if before != self.side_faults.get(container):
            self._notify()

    def end_with(self, cause: Cause) -> None:
        """The run must end, ready as it may be. The first cause stays."""
        if self.fault is None:
            self.fault = msgspec.structs.replace(cause, since=self._clock.now())
            self.settled.set()
            self._notify()

    def changed(self) -> None:
        self._notify()


def rebuild(progress: StartProgress, containers: Sequence[Mapping[str, Any]]) -> None:
    """The timeline of a start that another agent process made, as far as the containers tell it."""
    created = [at for c in containers if (at := seconds(c.get("Created"))) is not None]
    started = [at for c in containers if (at := seconds(c["State"].get("StartedAt"))) is not None]
    received = received_at(containers) or min(created, default=progress.now())
    progress.timeline.begin(StageName.RECEIVED, received)
    progress.timeline.end(StageName.RECEIVED, received)
    for stage in (StageName.IMAGE, StageName.VOLUME):
        progress.timeline.begin(stage, received)
        progress.timeline.end(stage, min(created, default=None))
    progress.timeline.begin(StageName.CONTAINERS, min(created, default=received))
    progress.timeline.end(StageName.CONTAINERS, max(started, default=None))
