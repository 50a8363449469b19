"""What the agent services return and the API says. Times are seconds since the epoch."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

TokenOf = Literal["agent", "gateway"]


class Capacity(BaseModel):
    """As the agent last said it; 0: not known."""

    cpu: int = 0
    """Millicores."""
    memory: int = 0
    """Bytes."""
    workspaces: int = 0
    """How many run."""


class Agent(BaseModel):
    id: int
    name: str
    enabled: bool
    """Takes new workspaces."""
    local: bool
    """Of `moor up`: its tokens lie in the state folder."""
    revoked: bool
    """Its tokens were taken back: it cannot connect until it is given new ones."""
    runtime: str
    """"" until it has connected for the first time."""
    runtime_version: str
    version: str
    connected: bool
    last_seen: float | None
    second_seen: float | None
    """When another process with the same token was last told to wait; None: within the last minute, there was none."""
    capacity: Capacity
    workspaces: int
    zone_url: str
    dns_zone: str
    created_at: float


class Agents(BaseModel):
    items: list[Agent]


class AddAgent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=100)
    """A DNS label."""
    zone_url: str = Field(max_length=300)
    """Origin of the zone host, such as `https://dev.example.com`: workspaces are at `https://<port>-<workspace>.dev.example.com`."""


class ChangeAgent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enabled: bool


class RotateToken(BaseModel):
    model_config = ConfigDict(extra="forbid")

    only: TokenOf | None = None
    """None: both."""


class NewTokens(BaseModel):
    """Shown once: only fingerprints are stored. None: that token was left as it is."""

    agent: str | None = Field(default=None, repr=False)
    gateway: str | None = Field(default=None, repr=False)


class NewAgent(BaseModel):
    agent: Agent
    tokens: NewTokens
    helm: str = Field(repr=False)
    """For a cluster: the command to paste, with the tokens in it."""
    settings: str
    """For a machine with Docker: its `settings.toml`; the comments say where the tokens go."""
