from __future__ import annotations

from typing import ClassVar

from sqlalchemy import ForeignKey, false
from sqlalchemy.orm import Mapped, mapped_column

from moorage.server.authorization import Action, Guarded, Kind
from moorage.server.storage.database import Base


class User(Base):
    __guarded__: ClassVar = Guarded(Kind.USER, Action.SEE_USER, owner="id")
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    blocked: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]


class ApiToken(Base):
    __guarded__: ClassVar = Guarded(Kind.TOKEN, Action.MANAGE_TOKENS, owner="user_id")
    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str] = mapped_column(default="")
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    """None: that of the state folder alone."""
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("api_tokens.id", ondelete="CASCADE"), index=True
    )
    """The token that it was made by, also by way of a session: it ends with that one."""
    bootstrap: Mapped[bool] = mapped_column(default=False, server_default=false())
    """That of the file `admin-token` in the state folder."""


class SignInLink(Base):
    __tablename__ = "sign_in_links"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    expires_at: Mapped[float]
    used_at: Mapped[float | None]
    token_id: Mapped[int | None] = mapped_column(
        ForeignKey("api_tokens.id", ondelete="CASCADE"), index=True
    )
    """As `ApiToken.parent_id`; so is the session's."""
    ends_at: Mapped[float | None]
    """When what it signs in ends at the latest; None: nothing says so."""


class Session(Base):
    """`id` is public: gateways know the session by it. The cookie's value is another secret, stored
    as fingerprint."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    fingerprint: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[float]
    """When its person signed in."""
    expires_at: Mapped[float] = mapped_column(index=True)
    """Moves on with its use, up to `ends_at`: whoever compares this with the time has heeded
    both."""
    ends_at: Mapped[float] = mapped_column(default=0.0, server_default="0")
    token_id: Mapped[int | None] = mapped_column(
        ForeignKey("api_tokens.id", ondelete="CASCADE"), index=True
    )


class Code(Base):
    """Hands a session over to a gateway: once, within seconds, to the address that it was made
    for."""

    __tablename__ = "codes"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    redirect_uri: Mapped[str]
    expires_at: Mapped[float]
    used_at: Mapped[float | None]


class Exchange(Base):
    """A session that a gateway has taken over by a code: that gateway is told of it, and may end
    it."""

    __tablename__ = "exchanges"

    session_id: Mapped[str] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True
    )
    gateway_id: Mapped[int] = mapped_column(
        ForeignKey("gateways.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ReplicaTicket(Base):
    """Lets a replica ask another in somebody's name: see `replica_tickets`. `session_id`,
    `token_id`: as in `Person`."""

    __tablename__ = "passes"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    session_id: Mapped[str]
    token_id: Mapped[int]
    target: Mapped[str]
    expires_at: Mapped[float]
    used_at: Mapped[float | None]
