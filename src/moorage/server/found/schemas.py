"""Models that the services of found workspaces return and the API sends. Times are seconds since
the epoch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from moorage.contract import DesiredState


class Found(BaseModel):
    name: str
    agent: str
    mark: str
    """Stands for what it was found as: what is done with it names that, so that it hits nothing
    else."""
    generation: int
    owner: int
    """User id of the server that it was made for; 0: not known."""
    owner_name: str
    """As that server knew them; "": not known."""
    owner_now: str
    """Who has that id here, and had it when the workspace was made; "": nobody."""
    title: str
    repository: str
    ref: str
    since: float | None
    """When its oldest object was made."""
    found_at: float
    shown_at: float | None
    remove_at: float | None
    """When it is removed by itself; None: never, or not in sight."""
    removing: bool
    running: bool
    desired: DesiredState | None
    """What was last wanted of it."""
    objects: list[str]
    elsewhere: str
    """Another agent that works on it; "": this one's."""
    complete: bool
    """Whether all is known that it takes to adopt it; else a repository must be named."""
    listed: bool
    """It is a workspace of this server, which another agent has changed since."""


class FoundList(BaseModel):
    items: list[Found]


class Adopt(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mark: str = Field(max_length=100)
    owner: str = Field(default="", max_length=100)
    """User name; "": `owner_now`."""
    repository: str = Field(default="", max_length=2000)
    """Of what was made by an agent that kept no record: what it is made anew from, on its files."""
    ref: str = Field(default="", max_length=250)
    devfile: str = Field(default="", max_length=500)
