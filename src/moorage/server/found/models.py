from __future__ import annotations

from typing import ClassVar

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.authorization import Action, Guarded, Kind
from moorage.server.storage.database import Base


class Found(Base):
    """As the agent told it last. What it tells no more is gone."""

    __guarded__: ClassVar = Guarded(Kind.FOUND, Action.SEE_FOUND)
    __tablename__ = "found_workspaces"

    agent_id: Mapped[int] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[str]
    """Stands for what it was found as; see the contract."""
    told: Mapped[str]
    """The contract's `FoundWorkspace`, as JSON."""
    found_at: Mapped[float]
    """When it was told of first; as are the next two, of this `mark`."""
    shown_at: Mapped[float | None]
    """When an administrator saw it first."""
    removing_at: Mapped[float | None]
    """When somebody, or the time after it was shown, decided that the agent removes it."""
