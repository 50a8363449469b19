from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.database import Base


class Agent(Base):
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
