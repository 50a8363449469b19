"""The timeline of a start."""

from __future__ import annotations

import msgspec

from moorage.contract import Stage, StageName, StageState

ORDER = tuple(StageName)
_ENDED = (StageState.DONE, StageState.FAILED, StageState.SKIPPED)


class Timeline:
    """The stages of one start, as they come.

    Stages may overlap; a stage that has ended does not begin again.
    """

    def __init__(self) -> None:
        self._stages: dict[StageName, Stage] = {}

    def begin(self, name: StageName, at: float, detail: str = "") -> bool:
        """Whether that changed anything. Of a stage that runs already, only `detail` changes."""
        old = self._stages.get(name)
        if old is not None and old.state in _ENDED:
            return False
        started = old.started_at if old is not None and old.started_at is not None else at
        return self._set(
            Stage(name=name, state=StageState.RUNNING, started_at=started, detail=detail)
        )

    def end(
        self,
        name: StageName,
        at: float | None,
        state: StageState = StageState.DONE,
        detail: str = "",
    ) -> bool:
        """Whether that changed anything. `at` None: it is not known when it ended."""
        old = self._stages.get(name)
        if old is not None and old.state in _ENDED:
            return False
        started = old.started_at if old is not None and old.started_at is not None else at
        return self._set(
            Stage(name=name, state=state, started_at=started, finished_at=at, detail=detail)
        )

    def tell(self, name: StageName, detail: str) -> bool:
        """What goes on behind a stage that has ended; whether that changed anything."""
        old = self._stages.get(name)
        if old is None or old.state is not StageState.DONE or old.detail == detail:
            return False
        return self._set(msgspec.structs.replace(old, detail=detail))

    def skip(self, name: StageName, detail: str = "") -> bool:
        return self._set(Stage(name=name, state=StageState.SKIPPED, detail=detail))

    def fail(self, name: StageName, at: float, detail: str) -> bool:
        return self.end(name, at, StageState.FAILED, detail)

    def state(self, name: StageName) -> StageState:
        stage = self._stages.get(name)
        return stage.state if stage is not None else StageState.WAITING

    def stages(self) -> tuple[Stage, ...]:
        return tuple(self._stages[name] for name in ORDER if name in self._stages)

    def _set(self, stage: Stage) -> bool:
        if self._stages.get(stage.name) == stage:
            return False
        self._stages[stage.name] = stage
        return True
