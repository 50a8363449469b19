"""All tables, for whoever needs the whole schema."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.accounts.models import ApiToken, Code, ReplicaTicket, Session, SignInLink, User
from moorage.server.agents.models import Agent, AgentSettingsVersion, Gateway
from moorage.server.audit.models import AuditChain, AuditEntry
from moorage.server.found.models import Found
from moorage.server.sharing.models import Grant
from moorage.server.storage.database import Base
from moorage.server.workspaces.models import Workspace


class Installation(Base):
    """One row: the id that every object of this installation is labelled with."""

    __tablename__ = "installation"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[float]


__all__ = [
    "Agent",
    "AgentSettingsVersion",
    "ApiToken",
    "AuditChain",
    "AuditEntry",
    "Base",
    "Code",
    "Found",
    "Gateway",
    "Grant",
    "Installation",
    "ReplicaTicket",
    "Session",
    "SignInLink",
    "User",
    "Workspace",
]
