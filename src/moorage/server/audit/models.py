"""Table of what has been changed."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.storage.database import Base


class AuditEntry(Base):
    """One change. It refers to nothing, and so outlives what it tells of."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(index=True)
    actor_kind: Mapped[str]
    """`person`, or the part of Moorage that acted by itself: `server`, `agent`, `gateway`."""
    actor_id: Mapped[int]
    """The user's, agent's or gateway's; 0: the server."""
    actor_name: Mapped[str]
    action: Mapped[str]
    """One of `authorization.Action`."""
    target_kind: Mapped[str]
    """One of `authorization.Kind`."""
    target_id: Mapped[str]
    """What the API calls it by: a name, or a token's number."""
    detail: Mapped[str]
