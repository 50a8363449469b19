"""What can be decided about a workspace, and by which limits."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from moorage.agent.runtimes.port import Rescue
from moorage.agent.workspaces.sides import Pauses, Sides
from moorage.contract import ActualState, Cause


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

    rescue: bool = True
    """Whether one that cannot run is brought up for repair without being asked."""
    rescue_image: str = ""
    """The image for that; "": see `rescues`."""

    @property
    def sides(self) -> Pauses:
        return Pauses(first=self.first_pause, forgotten=self.crash_window)


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
    rescue: Rescue | None = None
    """What the action makes in the place of the workspace's own environment."""
