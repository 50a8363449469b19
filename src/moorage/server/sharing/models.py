from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.storage.database import Base


class Grant(Base):
    """`user_id` may open `port` of a workspace that somebody else owns; port 0: all of them."""

    __tablename__ = "grants"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    workspace_id: Mapped[int] = mapped_column(
        ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    port: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[float]
