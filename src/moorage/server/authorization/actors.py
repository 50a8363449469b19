"""Actors: a person, or a part of Moorage by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """A person's part in the installation."""

    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    """Sees what there is and who did what; changes nothing, and opens nothing."""
    DEVELOPER = "developer"


class Scope(StrEnum):
    """How far an API token reaches. A scope narrows what its person may, and never adds to it."""

    READ = "read"
    """Looking, and nothing else."""
    WORKSPACES = "workspaces"
    """Everything about workspaces."""


class Part(StrEnum):
    """A part of Moorage that acts without a person who asks for it."""

    SERVER = "server"
    """Its background work: limits, removal of what nobody wanted."""
    AGENT = "agent"
    GATEWAY = "gateway"


@dataclass(frozen=True)
class Person:
    """A user who asks, and by what: `session` is the id of the cookie's session, or `token` the id
    of the API token."""

    user_id: int
    name: str
    role: Role
    session: str = ""
    token: int = 0
    groups: tuple[str, ...] = ()
    """Paths of the groups that they are in."""
    scopes: tuple[Scope, ...] = ()
    """Of the token, which may do what any one of them allows; (): the token says nothing, and
    narrows nothing."""
    address: str = field(default="", compare=False)
    """Where the request came from, as far as is known: for the audit, and nothing else."""

    @property
    def rights(self) -> tuple[object, ...]:
        """All that the table looks at: two persons for whom it is equal see the same."""
        return self.user_id, self.role, self.groups, self.scopes


@dataclass(frozen=True)
class System:
    """A part of Moorage that acts by itself."""

    part: Part
    name: str
    """The agent's or gateway's, or that of the background work."""
    id: int = 0
    """The agent's or gateway's; 0: the server."""


Actor = Person | System
