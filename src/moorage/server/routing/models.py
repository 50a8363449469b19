from __future__ import annotations

from sqlalchemy import ForeignKey, false
from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.database import Base


class Gateway(Base):
    __tablename__ = "gateways"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    zone_url: Mapped[str]
    """Origin of its zone host; hand-over codes go to `<zone_url>/auth/callback` alone."""
    created_at: Mapped[float]
    revoked: Mapped[bool] = mapped_column(default=False, server_default=false())
    """As an agent's."""


class Grant(Base):
    """`user_id` may open `port` of a workspace that somebody else owns; port 0: all of them."""

    __tablename__ = "grants"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    workspace_id: Mapped[int] = mapped_column(
        ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    port: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[float]
