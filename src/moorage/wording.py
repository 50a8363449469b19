"""Words for states, stages and times, for pages and the command line: pure functions of the
contract's values.

All times are seconds; `now` is seconds since the epoch by the clock of whoever renders the page.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from moorage.contract import ActualState, DesiredState, Stage, StageName, StageState

Tone = Literal["good", "warn", "busy", "bad", "quiet"]
"""How a state is coloured; never the only thing that tells it."""


@dataclass(frozen=True)
class Badge:
    label: str
    tone: Tone
    explanation: str
    """One sentence for a person."""


@dataclass(frozen=True)
class StageLine:
    name: str
    title: str
    state: str
    """A `StageState`."""
    said: str
    """The state in words, for those who do not see the icon."""
    detail: str
    seconds: float | None
    """How long it took, or has taken so far; None before it starts."""
    live: bool
    """Its time still runs."""


_BADGES: dict[ActualState, Badge] = {
    ActualState.CREATION_REQUESTED: Badge("Waiting", "busy", "It waits for its agent to answer."),
    ActualState.STARTING: Badge("Starting", "busy", "It is being started."),
    ActualState.RUNNING: Badge("Running", "good", "It runs."),
    ActualState.STOPPING: Badge("Stopping", "busy", "It is being stopped; its files stay."),
    ActualState.STOPPED: Badge(
        "Stopped", "quiet", "It is stopped. Its files and its home are kept."
    ),
    ActualState.TERMINATING: Badge("Deleting", "busy", "It is being deleted, with its files."),
    ActualState.TERMINATED: Badge("Deleted", "quiet", "It is deleted."),
    ActualState.FAILED: Badge(
        "Failed",
        "bad",
        "It cannot go on by itself: something must be changed, then start it again.",
    ),
    ActualState.ERROR: Badge(
        "Error", "bad", "Its agent met an error of its own, and goes on trying."
    ),
    ActualState.UNKNOWN: Badge(
        "Unknown", "quiet", "Its agent has not been heard of for a while; it may still run."
    ),
}

_TROUBLED = Badge(
    "Running, with trouble", "warn", "It runs, and can be used; a part of it does not work."
)

_RESCUE = Badge(
    "Running, for repair",
    "warn",
    "Its own environment does not run: one to repair it from does, with its files.",
)

_UNDER_WAY: dict[tuple[DesiredState, ActualState], ActualState] = {
    (DesiredState.RUNNING, ActualState.STOPPED): ActualState.STARTING,
    (DesiredState.STOPPED, ActualState.RUNNING): ActualState.STOPPING,
    (DesiredState.STOPPED, ActualState.STARTING): ActualState.STOPPING,
    (DesiredState.TERMINATED, ActualState.RUNNING): ActualState.TERMINATING,
    (DesiredState.TERMINATED, ActualState.STARTING): ActualState.TERMINATING,
    (DesiredState.TERMINATED, ActualState.STOPPING): ActualState.TERMINATING,
    (DesiredState.TERMINATED, ActualState.STOPPED): ActualState.TERMINATING,
    (DesiredState.TERMINATED, ActualState.FAILED): ActualState.TERMINATING,
    (DesiredState.TERMINATED, ActualState.CREATION_REQUESTED): ActualState.TERMINATING,
}
"""Asked for, and not yet reported: what a person sees between a click and the agent's first
answer."""

_STAGES: dict[StageName, str] = {
    StageName.QUEUED: "Queued",
    StageName.RECEIVED: "Taken by the agent",
    StageName.IMAGE: "Image",
    StageName.VOLUME: "Volume",
    StageName.CLONE: "Clone",
    StageName.CONTAINERS: "Containers",
    StageName.EDITOR: "Editor",
    StageName.READY: "Ready",
}

_SAID: dict[StageState, str] = {
    StageState.WAITING: "not yet",
    StageState.RUNNING: "under way",
    StageState.DONE: "done",
    StageState.FAILED: "failed",
    StageState.SKIPPED: "not needed",
}


def badge(desired: str, state: str, *, troubled: bool = False, rescue: bool = False) -> Badge:
    """How the state of a workspace is shown. Takes the values of `DesiredState` and
    `ActualState`. `troubled`: something is wrong with a part of it, or will soon be; `rescue`: what
    runs is there to repair it from."""
    actual = ActualState(state)
    shown = _UNDER_WAY.get((DesiredState(desired), actual), actual)
    if rescue and shown is ActualState.RUNNING:
        return _RESCUE
    return _TROUBLED if troubled and shown is ActualState.RUNNING else _BADGES[shown]


def badges() -> tuple[Badge, ...]:
    """How each state is shown, in the order in which a workspace goes through them."""
    shown = list(_BADGES.values())
    after = shown.index(_BADGES[ActualState.RUNNING]) + 1
    shown[after:after] = [_TROUBLED, _RESCUE]
    return tuple(shown)


class Timed(Protocol):
    """A stage of a start, in the contract's form or in the API's."""

    @property
    def name(self) -> StageName: ...
    @property
    def state(self) -> StageState: ...
    @property
    def started_at(self) -> float | None: ...
    @property
    def duration(self) -> float | None: ...
    @property
    def detail(self) -> str: ...


def stage_lines(stages: Iterable[Timed], now: float) -> tuple[StageLine, ...]:
    """The stages in the order in which they are shown; those that were not reported yet wait."""
    reported: dict[StageName, Timed] = {stage.name: stage for stage in stages}
    return tuple(_line(reported.get(name) or Stage(name), now) for name in StageName)


def _line(stage: Timed, now: float) -> StageLine:
    live = stage.state is StageState.RUNNING and stage.started_at is not None
    seconds = stage.duration
    if live and stage.started_at is not None:
        seconds = max(0.0, now - stage.started_at)
    if stage.state is StageState.SKIPPED:
        seconds = None
    return StageLine(
        name=stage.name.value,
        title=_STAGES[stage.name],
        state=stage.state.value,
        said=_SAID[stage.state],
        detail=stage.detail,
        seconds=seconds,
        live=live,
    )


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 05 s`, `2 h 04 min`, `3 d 4 h`: two figures that matter, never
    more."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def ago(then: float, now: float) -> str:
    """`just now`, `5 minutes ago`, `3 days ago`: for ages, where seconds do not matter."""
    seconds = now - then
    for size, unit in (
        (86_400 * 365, "year"),
        (86_400 * 30, "month"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
    ):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
