"""The domain of agents and their gateways, as the application takes it in."""

from __future__ import annotations

from moorage.server.agents import presence
from moorage.server.agents.changes import AgentChanged, SettingsChanged, TokenChanged
from moorage.server.agents.hub import AgentHub
from moorage.server.agents.routes import api
from moorage.server.domain import Domain

AGENTS = Domain(
    name="agents",
    api=(api,),
    background={"server.agents.presence": presence.follow},
    changes=(AgentChanged, SettingsChanged, TokenChanged),
    parts=lambda _core: (AgentHub(),),
)
