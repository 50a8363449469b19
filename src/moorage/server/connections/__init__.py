"""Connections of agents and gateways. Above the domains: a connection carries what several of them
say."""

from __future__ import annotations

from moorage.server.connections import agents, gateways
from moorage.server.domain import Domain

CONNECTIONS = Domain(name="connections", internal=(agents.internal, gateways.internal))
