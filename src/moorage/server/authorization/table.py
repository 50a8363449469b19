"""The table: which role may do what with things of its own, of its groups, granted to it, and of
others; which token and which part of Moorage may. `tests/unit/server/authorization/test_table.py`
spells it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from moorage.kernel.errors import Forbidden
from moorage.server.authorization.actions import Action
from moorage.server.authorization.actors import Actor, Part, Person, Role, Scope, System
from moorage.server.authorization.resources import Owner, Resource


class Relation(StrEnum):
    """How the thing belongs to who asks. The first that holds counts."""

    OWN = "own"
    """Their own workspace, their own account, or something that belongs to nobody."""
    GRANTED = "granted"
    """Somebody else's, who lets them open it."""
    GROUP = "group"
    """It belongs to a group that they are in."""
    OTHERS = "others"


@dataclass(frozen=True)
class Allowed:
    pass


@dataclass(frozen=True)
class Denied:
    reason: str


Verdict = Allowed | Denied

_EVERYBODY = frozenset(
    {
        Action.CREATE_WORKSPACE,
        Action.LIST_WORKSPACES,
        Action.SEE_WORKSPACE,
        Action.SEE_INSIDE_WORKSPACE,
        Action.START_WORKSPACE,
        Action.STOP_WORKSPACE,
        Action.RESTART_WORKSPACE,
        Action.REBUILD_WORKSPACE,
        Action.RENAME_WORKSPACE,
        Action.DELETE_WORKSPACE,
        Action.OPEN_WORKSPACE,
        Action.READ_LOGS,
        Action.RUN_COMMANDS,
        Action.SEE_USER,
        Action.CREATE_SIGN_IN_LINK,
        Action.MANAGE_TOKENS,
        Action.LIST_AGENTS,
    }
)
_INSTALLATION = frozenset(
    {
        Action.LIST_USERS,
        Action.ADD_USER,
        Action.SEE_AUDIT,
        Action.MANAGE_AGENTS,
        Action.SEE_AGENT_SETTINGS,
        Action.CHANGE_AGENT_SETTINGS,
        Action.SEE_FOUND,
        Action.ADOPT_FOUND,
        Action.REMOVE_FOUND,
    }
)
"""What belongs to nobody, and is an administrator's alone."""
_IN_ORDER = frozenset(
    {
        Action.LIST_WORKSPACES,
        Action.SEE_WORKSPACE,
        Action.STOP_WORKSPACE,
        Action.DELETE_WORKSPACE,
        Action.SEE_USER,
        Action.BLOCK_USER,
        Action.CHANGE_ROLE,
        Action.CREATE_SIGN_IN_LINK,
        Action.MANAGE_TOKENS,
    }
)
"""By what an administrator keeps the installation in order, without looking into anybody's work: no
editor, port, log or command. Nor may they create for others, or start what its owner has
stopped."""
_GROUP = frozenset({Action.LIST_AGENTS})
"""What a group has is there for its members."""
_SEEN = frozenset({Action.LIST_WORKSPACES, Action.SEE_WORKSPACE, Action.SEE_USER})
_OVERVIEW = frozenset(
    {
        Action.LIST_USERS,
        Action.LIST_AGENTS,
        Action.SEE_AGENT_SETTINGS,
        Action.SEE_FOUND,
        Action.SEE_AUDIT,
    }
)
_OWN_WAY_IN = frozenset({Action.CREATE_SIGN_IN_LINK, Action.MANAGE_TOKENS})
"""Without which nobody could use what they may see."""
TABLE: dict[tuple[Role, Relation], frozenset[Action]] = {
    (Role.AUDITOR, Relation.OWN): _SEEN | _OVERVIEW | _OWN_WAY_IN,
    (Role.AUDITOR, Relation.GRANTED): _SEEN,
    (Role.AUDITOR, Relation.GROUP): _SEEN | _OVERVIEW,
    (Role.AUDITOR, Relation.OTHERS): _SEEN,
    (Role.DEVELOPER, Relation.OWN): _EVERYBODY,
    (Role.DEVELOPER, Relation.GRANTED): frozenset({Action.OPEN_WORKSPACE}),
    (Role.DEVELOPER, Relation.GROUP): _GROUP,
    (Role.DEVELOPER, Relation.OTHERS): frozenset(),
    (Role.ADMINISTRATOR, Relation.OWN): _EVERYBODY | _INSTALLATION,
    (Role.ADMINISTRATOR, Relation.GRANTED): _IN_ORDER | {Action.OPEN_WORKSPACE},
    (Role.ADMINISTRATOR, Relation.GROUP): _IN_ORDER | _GROUP | _INSTALLATION,
    (Role.ADMINISTRATOR, Relation.OTHERS): _IN_ORDER,
}
_LOOKING = frozenset(
    {
        Action.LIST_WORKSPACES,
        Action.SEE_WORKSPACE,
        Action.SEE_INSIDE_WORKSPACE,
        Action.READ_LOGS,
        Action.SEE_USER,
        Action.LIST_USERS,
        Action.LIST_AGENTS,
        Action.SEE_AGENT_SETTINGS,
        Action.SEE_FOUND,
        Action.SEE_AUDIT,
    }
)
SCOPES: dict[Scope, frozenset[Action]] = {
    Scope.READ: _LOOKING,
    Scope.WORKSPACES: frozenset(
        {
            Action.CREATE_WORKSPACE,
            Action.LIST_WORKSPACES,
            Action.SEE_WORKSPACE,
            Action.SEE_INSIDE_WORKSPACE,
            Action.START_WORKSPACE,
            Action.STOP_WORKSPACE,
            Action.RESTART_WORKSPACE,
            Action.REBUILD_WORKSPACE,
            Action.RENAME_WORKSPACE,
            Action.DELETE_WORKSPACE,
            Action.OPEN_WORKSPACE,
            Action.READ_LOGS,
            Action.RUN_COMMANDS,
            Action.LIST_AGENTS,
        }
    ),
}
"""None of them holds what makes other tokens, links or users, by which a token would reach
further."""
SYSTEMS: dict[Part, frozenset[Action]] = {
    Part.SERVER: frozenset(
        {
            Action.STOP_WORKSPACE,
            Action.DELETE_WORKSPACE,
            Action.LIST_AGENTS,
            Action.SEE_FOUND,
            Action.REMOVE_FOUND,
        }
    ),
    Part.AGENT: frozenset({Action.CHANGE_AGENT_SETTINGS}),
    Part.GATEWAY: frozenset(),
}
"""What each part does by itself. An agent's settings are its own, by its file; a gateway acts in
people's names alone."""
CHANGING = frozenset(
    {
        Action.CREATE_WORKSPACE,
        Action.START_WORKSPACE,
        Action.STOP_WORKSPACE,
        Action.RESTART_WORKSPACE,
        Action.REBUILD_WORKSPACE,
        Action.RENAME_WORKSPACE,
        Action.DELETE_WORKSPACE,
        Action.ADD_USER,
        Action.BLOCK_USER,
        Action.CHANGE_ROLE,
        Action.CREATE_SIGN_IN_LINK,
        Action.MANAGE_TOKENS,
        Action.MANAGE_AGENTS,
        Action.CHANGE_AGENT_SETTINGS,
        Action.ADOPT_FOUND,
        Action.REMOVE_FOUND,
    }
)
"""What changes something that is stored here. Opening a workspace and running commands in it change
what is in it, at its agent."""


def decide(actor: Actor, action: Action, resource: Resource) -> Verdict:
    """Looks the answer up in the table, with the reason when it is no. A token's scopes only ever
    take from what its person may."""
    if isinstance(actor, System):
        if action in SYSTEMS[actor.part]:
            return Allowed()
        return Denied(f"Only a person may do this: {_words(action)}.")
    relation = relation_of(actor, resource)
    if action not in TABLE[actor.role, relation]:
        return Denied(_reason(actor.role, relation, action))
    if not in_scope(actor, action):
        return Denied(f"The API token that you use does not reach so far: {_words(action)}.")
    return Allowed()


class NotPermitted(Forbidden):
    """The table says no. That somebody asked is written down: see `audit.denials`."""

    def __init__(self, reason: str, actor: Actor, action: Action, resource: Resource) -> None:
        super().__init__(reason)
        self.actor = actor
        self.action = action
        self.resource = resource


def require(actor: Actor, action: Action, resource: Resource) -> None:
    """Raises `NotPermitted`."""
    verdict = decide(actor, action, resource)
    if isinstance(verdict, Denied):
        raise NotPermitted(verdict.reason, actor, action, resource)


def may(actor: Actor, action: Action, resource: Resource) -> bool:
    return isinstance(decide(actor, action, resource), Allowed)


def roles_that_may(action: Action) -> list[Role]:
    """The roles of those who may do so with things of their own."""
    return [role for role in Role if action in TABLE[role, Relation.OWN]]


def relation_of(person: Person, resource: Resource) -> Relation:
    """`visible` says the same in SQL, in the same order."""
    if resource.owner == person.user_id:
        return Relation.OWN
    if person.user_id in resource.grants:
        return Relation.GRANTED
    if not set(person.groups).isdisjoint(resource.groups):
        return Relation.GROUP
    if resource.owner is Owner.NOBODY and not resource.groups:
        return Relation.OWN
    return Relation.OTHERS


def in_scope(person: Person, action: Action) -> bool:
    """Whether the token reaches so far, if it says how far it reaches."""
    return not person.scopes or any(action in SCOPES[scope] for scope in person.scopes)


def _reason(role: Role, relation: Relation, action: Action) -> str:
    words = _words(action)
    if role is Role.AUDITOR:
        return f"An auditor looks, and does nothing else: {words}."
    if action is Action.BLOCK_USER and relation is Relation.OWN:
        return "Nobody can block themselves."
    if action is Action.CHANGE_ROLE and relation is Relation.OWN and role is Role.ADMINISTRATOR:
        return "Nobody can change their own role: another administrator can."
    if role is Role.ADMINISTRATOR:
        return f"Only the owner may do this: {words}."
    if relation is Relation.OWN or action in _INSTALLATION | {
        Action.BLOCK_USER,
        Action.CHANGE_ROLE,
    }:
        return f"Only an administrator may do this: {words}."
    return f"Only the owner or an administrator may do this: {words}."


def _words(action: Action) -> str:
    return action.value.replace("-", " ")
