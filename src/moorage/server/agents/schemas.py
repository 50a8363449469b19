"""Models that the agent services return and the API sends. Times are seconds since the epoch."""

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


class Taken(BaseModel):
    """How the agent answered to its settings."""

    version: int
    """The newest that it has answered to; 0: none yet."""
    problem: str
    """Why it goes on with those that it had before; "": it took them."""


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
    """When another process with the same token was last told to wait; None: within the last minute,
    there was none."""
    set_back_at: float | None = None
    """When it last told something that shows that the server's database was set back; None: not in
    the last week."""
    found: int = 0
    """How many workspaces it has that nobody lists, as far as the asker may know."""
    capacity: Capacity
    settings: Taken
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
    """Origin of the zone host, such as `https://dev.example.com`: workspaces are at
    `https://<port>-<workspace>.dev.example.com`."""


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


class WorkspaceSettings(BaseModel):
    """The settings of an agent's workspaces, in one version."""

    agent: str
    version: int
    """0: nobody has set anything."""
    newest: int
    text: str
    """As it was written, comments too."""
    source: Literal["", "api", "file"]
    """`file`: the agent's own, which is changed where the agent runs."""
    author: str
    """"" when it was no person."""
    created_at: float | None
    file: bool
    """The agent has a file of its own: nothing can be set here."""
    taken: Taken
    effective: str
    """All settings, with the defaults, as YAML."""
    warnings: list[str]


class SettingsVersion(BaseModel):
    version: int
    source: Literal["api", "file"]
    author: str
    created_at: float


class SettingsVersions(BaseModel):
    items: list[SettingsVersion]
    """The newest first."""


class SetSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=500_000)
    """YAML, in the format of `.gitlab/agents/<name>/config.yaml`."""
    version: int | None = None
    """The version that was edited: refused when there is a newer one. None: whatever there is."""
