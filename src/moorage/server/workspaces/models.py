from __future__ import annotations

from typing import ClassVar

from sqlalchemy import ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.authorization import Action, Guarded, Kind
from moorage.server.storage.database import Base


class Workspace(Base):
    """Desired state, and what the agent last reported. `spec` and `actual` are the contract's JSON;
    credentials are never in `spec`: they are added on the way to the agent."""

    __guarded__: ClassVar = Guarded(
        Kind.WORKSPACE, Action.SEE_WORKSPACE, owner="owner_id", grants="grants.workspace_id"
    )
    __tablename__ = "workspaces"
    __table_args__ = (
        Index(
            "ix_workspaces_owner_title",
            "owner_id",
            "title",
            unique=True,
            sqlite_where=text("terminated_at IS NULL"),
            postgresql_where=text("terminated_at IS NULL"),
        ),
        Index("ix_workspaces_agent", "agent_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id"))
    repository: Mapped[str]
    ref: Mapped[str] = mapped_column(default="")
    commit: Mapped[str]
    devfile_path: Mapped[str]
    devfile: Mapped[str] = mapped_column(deferred=True)
    """Up to 3 MB: read by nobody who lists workspaces."""
    spec: Mapped[str]
    asked: Mapped[str] = mapped_column(default="", server_default="")
    """What its owner asked for, as the JSON of `asked.Asked`; "": it was made before this was kept,
    or adopted."""
    flat: Mapped[str] = mapped_column(deferred=True, default="", server_default="")
    """The devfile that `spec` was made from, flattened; "": not kept."""
    looked_at: Mapped[float | None]
    """When the repository was last looked at for another devfile; None: never."""
    look: Mapped[str] = mapped_column(default="", server_default="")
    """What was found there, as the JSON of `look.Look`; "": nothing that differs."""
    warnings: Mapped[str] = mapped_column(default="[]")
    desired: Mapped[str]
    generation: Mapped[int] = mapped_column(default=1)
    restarts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[float]
    updated_at: Mapped[float]
    requested_at: Mapped[float]
    """When the newest start was asked for; with the two below, the stages `queued` and
    `received`."""
    requested_generation: Mapped[int] = mapped_column(default=1)
    sent_at: Mapped[float | None]
    received_at: Mapped[float | None]
    state: Mapped[str] = mapped_column(default="CreationRequested")
    actual_generation: Mapped[int] = mapped_column(default=0)
    actual: Mapped[str] = mapped_column(default="")
    volumes: Mapped[str] = mapped_column(default="[]", server_default="[]")
    """The contract's `DesiredWorkspace.volumes`, as JSON."""
    rescue: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its newest start was to be of an environment to repair it from."""
    terminated_at: Mapped[float | None]
    stopped_at: Mapped[float | None]
    """When it was last asked to stop; None while it should run."""
    stopped_by: Mapped[str] = mapped_column(default="", server_default="")
    """Why nobody asked for it, in plain words: a limit of the agent's settings. "" when a person
    stopped it."""
    set_back_at: Mapped[float | None]
    """When the server took over from the agent what it had lost; None once somebody asked for
    something since."""
    delete_at: Mapped[float | None]
    """When the server deletes it, of which its owner has been told; None: not in sight."""
