"""Tables of what has been done, and of the chain that holds its entries together."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.storage.database import Base


class AuditEntry(Base):
    """One thing that was done, or refused. It refers to nothing, and so outlives what it tells
    of."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_actor_name", "actor_name", "id"),
        Index("ix_audit_entries_target_id", "target_id", "id"),
        Index("ix_audit_entries_action", "action", "id"),
        Index("ix_audit_entries_outcome", "outcome", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int | None] = mapped_column(index=True, unique=True)
    """Its place in the chain: that of the entry before it and one more. None: written by a server
    from before entries were chained."""
    at: Mapped[float] = mapped_column(index=True)
    actor_kind: Mapped[str]
    """`person`, or the part of Moorage that acted by itself: `server`, `agent`, `gateway`; or
    `nobody`: somebody who was not let in."""
    actor_id: Mapped[int]
    """The user's, agent's or gateway's; 0: the server, or nobody."""
    actor_name: Mapped[str]
    by: Mapped[str] = mapped_column(default="", server_default="")
    """By what a person acted: `session ID` or `token NUMBER`."""
    address: Mapped[str] = mapped_column(default="", server_default="")
    """Where from: see `http.context.address_of`."""
    action: Mapped[str]
    """One of `authorization.Action`, or of `audit.Occurrence`."""
    target_kind: Mapped[str]
    """One of `authorization.Kind`."""
    target_id: Mapped[str]
    """What the API calls it by: a name, or a token's number."""
    outcome: Mapped[str] = mapped_column(default="done", server_default="done")
    """One of `audit.Outcome`."""
    detail: Mapped[str]
    hash: Mapped[str] = mapped_column(default="", server_default="")
    """See `audit.chain`; "": it has no number."""


class AuditChain(Base):
    """The chain's two ends: one row. Who writes an entry locks it, so that they follow each
    other."""

    __tablename__ = "audit_chain"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """1."""
    first_number: Mapped[int]
    """Of the entry before the first one that is kept and chained; 0: there was none."""
    first_hash: Mapped[str]
    last_number: Mapped[int]
    last_hash: Mapped[str]
