"""The state of one start, as every runtime keeps it."""

from __future__ import annotations

import msgspec

from moorage.agent.runtimes.port import Progress
from moorage.agent.runtimes.timeline import Timeline
from moorage.contract import Cause, StageName


class StartState:
    """The stages of a start, and whether it has come to its end."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.fault: Cause | None = None
        """Why it will never be ready, or must end."""
        self.warning: Cause | None = None
        """Why it may soon have to end, while it goes on."""
        self.side_faults: dict[str, Cause] = {}
        """Why a side container could not be brought up, by its name."""
        self.troubles: tuple[Cause, ...] = ()
        """What is wrong with the projects, which are there all the same."""
        self.cloned = False
        """The projects are complete, but for a history that comes behind the start."""
        self.history_due = False
        """Such a one is still to come."""
        self.answered = False
        """The editor has answered, or there is none."""

    @property
    def progress(self) -> Progress:
        ready = self.cloned and self.answered and self.fault is None
        return Progress(
            stages=self.timeline.stages(),
            ready=ready,
            fault=self.fault,
            warning=self.warning,
            side_faults=dict(self.side_faults),
            troubles=self.troubles,
        )

    def fail_at(self, stage: StageName, cause: Cause, now: float) -> bool:
        """Says that the start fails, and whether that is new: the first fault stays."""
        if self.fault is not None:
            return False
        self.fault = msgspec.structs.replace(cause, since=now)
        self.timeline.begin(stage, now)
        self.timeline.fail(stage, now, cause.message)
        return True
