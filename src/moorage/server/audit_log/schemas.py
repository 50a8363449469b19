"""Models of the audit log, as the API sends them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from moorage.server.audit import Outcome

LONGEST_PAGE = 500


class Wanted(BaseModel):
    """Which entries somebody asks for; what is left out restricts nothing."""

    actor: str = Field(default="", max_length=200)
    """Name of who did it: a person, an agent, a gateway."""
    action: str = Field(default="", max_length=200)
    target: str = Field(default="", max_length=200)
    """Name of what it was done to."""
    outcome: Outcome | None = None
    since: float | None = None
    """Seconds since the epoch; this moment included."""
    until: float | None = None
    """Seconds since the epoch; this moment excluded."""


class Asked(Wanted):
    before: int | None = None
    """`next` of the page before."""
    limit: int = Field(default=100, ge=1, le=LONGEST_PAGE)


class LoggedEntry(BaseModel):
    id: int
    at: float
    actor_kind: str
    """`person`, `server`, `agent`, `gateway`, or `nobody`: somebody who was not let in."""
    actor: str
    by: str
    """`session ID` or `token NUMBER`."""
    address: str
    """Where from; "local": from the server's own machine."""
    action: str
    target_kind: str
    target: str
    outcome: Outcome
    detail: str
    number: int | None
    """Its place in the chain."""
    hash: str


class LogPage(BaseModel):
    items: list[LoggedEntry]
    """The newest first."""
    next: int | None
    """For `before`, to read on; None: these were the last."""


class Break(BaseModel):
    number: int
    what: str


class LogCheck(BaseModel):
    """What became of following the chain."""

    entries: int
    """So many were looked at."""
    unchained: int
    """So many are from before entries were chained, and cannot be looked at."""
    first: int
    """Number of the first one that is kept."""
    last: int
    hash: str
    """Of the last one: noted elsewhere, it shows later whether somebody made the chain anew."""
    breaks: list[Break]
    """Where the chain does not hold, the first hundred; none: all is as it was written."""
