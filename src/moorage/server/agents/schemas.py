"""What the agent services return and the API says."""

from __future__ import annotations

from pydantic import BaseModel


class Agent(BaseModel):
    id: int
    name: str
    enabled: bool
    runtime: str
    """"" until it has connected for the first time."""
    runtime_version: str
    version: str
    connected: bool
    last_seen: float | None
    workspaces: int
    dns_zone: str


class Agents(BaseModel):
    items: list[Agent]
