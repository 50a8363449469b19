"""Resources that are acted on: a value with all that the table looks at, and how a model's rows
become such values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from moorage.server.authorization.actions import Action


class Kind(StrEnum):
    INSTALLATION = "installation"
    WORKSPACE = "workspace"
    USER = "user"
    TOKEN = "token"  # noqa: S105 - a kind of thing, no secret
    AGENT = "agent"
    FOUND = "found"
    """What an agent has and nobody lists."""


class Owner(StrEnum):
    """In the place of a user's id."""

    NOBODY = "nobody"
    EVERYBODY = "everybody"
    """Things of all people together."""


@dataclass(frozen=True)
class Resource:
    kind: Kind
    owner: int | Owner = Owner.NOBODY
    """A user's id. A person's own account is theirs."""
    groups: tuple[str, ...] = ()
    """Paths of the groups that have it."""
    grants: frozenset[int] = frozenset()
    """Ids of the users who may open it although it is somebody else's."""


INSTALLATION = Resource(Kind.INSTALLATION)
"""Everything that belongs to nobody: who is a user, agents and their settings, what they found."""


@dataclass(frozen=True)
class Guarded:
    """How the rows of a model's table are resources. The model says it as `__guarded__`."""

    kind: Kind
    see: Action
    """What one must be allowed to learn that a row is there."""
    owner: str = ""
    """The column with the owner's user id; "": the rows belong to nobody."""
    groups: str = ""
    """`table.column` that refers to the row's `id`; column `group` beside it is the path of a group
    that has it."""
    grants: str = ""
    """As `groups`; column `user_id` beside it is a user to whom the row was granted."""


class GuardedModel(Protocol):
    __guarded__: ClassVar[Guarded]


def resource_of(
    row: GuardedModel, *, groups: tuple[str, ...] = (), grants: frozenset[int] = frozenset()
) -> Resource:
    """The row as a resource. `groups`, `grants`: what other tables say of it."""
    guarded = row.__guarded__
    owner = getattr(row, guarded.owner) if guarded.owner else None
    return Resource(guarded.kind, Owner.NOBODY if owner is None else owner, groups, grants)
