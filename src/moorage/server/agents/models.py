from __future__ import annotations

from typing import ClassVar

from sqlalchemy import ForeignKey, false
from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.authorization import Action, Guarded, Kind
from moorage.server.storage.database import Base


class Agent(Base):
    """An agent, and what it last said of itself. Its gateway is a `Gateway`."""

    __guarded__: ClassVar = Guarded(Kind.AGENT, Action.LIST_AGENTS)
    __tablename__ = "agents"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    zone_url: Mapped[str]
    """Origin of the zone host: where the gateway of this agent's workspaces is."""
    runtime: Mapped[str] = mapped_column(default="")
    runtime_version: Mapped[str] = mapped_column(default="")
    version: Mapped[str] = mapped_column(default="")
    connected: Mapped[bool] = mapped_column(default=False)
    last_seen: Mapped[float] = mapped_column(default=0.0)
    created_at: Mapped[float]
    revoked: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Nobody has its token: it was taken back, and `fingerprint` is that of a secret that nobody
    has seen."""
    capacity: Mapped[str] = mapped_column(default="{}", server_default="{}")
    """JSON: as in the contract's `Hello`."""
    set_back_at: Mapped[float | None]
    """When it last told something that shows that this database was set back."""
    second_seen: Mapped[float | None]
    """When another process with the same token was last told to wait."""
    replica: Mapped[str] = mapped_column(default="", server_default="")
    """Where other replicas reach the one that the agent is connected to; see
    `Settings.advertise`."""
    settings_file: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it brings its settings in a file of its own."""
    settings_taken: Mapped[int] = mapped_column(default=0, server_default="0")
    """The newest version of its settings that it has answered to."""
    settings_problem: Mapped[str] = mapped_column(default="", server_default="")
    """Why it cannot use that version."""


class AgentSettingsVersion(Base):
    """Settings that an agent's workspaces are made by, in the words in which somebody wrote it.
    Only ever added to."""

    __guarded__: ClassVar = Guarded(Kind.AGENT, Action.SEE_AGENT_SETTINGS)
    __tablename__ = "agent_settings_versions"

    agent_id: Mapped[int] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1 on."""
    text: Mapped[str]
    author: Mapped[str]
    """A user's name; "" when it was no person."""
    source: Mapped[str]
    """`api`, or `file`: the agent's own."""
    created_at: Mapped[float]


class Gateway(Base):
    """Carries the traffic of one agent's workspaces."""

    __tablename__ = "gateways"

    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[int | None] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), index=True
    )
    """None: added by a replica of an older version, which knew it by the agent's name."""
    name: Mapped[str] = mapped_column(unique=True)
    """The agent's."""
    fingerprint: Mapped[str] = mapped_column(unique=True)
    zone_url: Mapped[str]
    """Origin of its zone host; hand-over codes go to `<zone_url>/auth/callback` alone."""
    created_at: Mapped[float]
    revoked: Mapped[bool] = mapped_column(default=False, server_default=false())
    """As an agent's."""
