"""Who may do what: one table. Every route and page asks it; `tests/unit/server/test_authorization.py` spells it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from moorage.kernel.errors import Forbidden


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    DEVELOPER = "developer"


class Relation(StrEnum):
    """What the thing is to who asks."""

    OWN = "own"
    """Their own workspace, their own account, or something that belongs to nobody."""
    OTHERS = "others"


class Action(StrEnum):
    CREATE_WORKSPACE = "create-workspace"
    LIST_WORKSPACES = "list-workspaces"
    SEE_WORKSPACE = "see-workspace"
    SEE_INSIDE_WORKSPACE = "see-inside-workspace"
    """What its programs wrote and its files say, as far as it stands in its state: see `workspaces.outside`."""
    START_WORKSPACE = "start-workspace"
    STOP_WORKSPACE = "stop-workspace"
    RESTART_WORKSPACE = "restart-workspace"
    DELETE_WORKSPACE = "delete-workspace"
    OPEN_WORKSPACE = "open-workspace"
    READ_LOGS = "read-logs"
    RUN_COMMANDS = "run-commands"
    SEE_USER = "see-user"
    """Learn that they exist: for whom one may not see, one gets the same answers as for nobody."""
    LIST_USERS = "list-users"
    ADD_USER = "add-user"
    BLOCK_USER = "block-user"
    CREATE_SIGN_IN_LINK = "create-sign-in-link"
    MANAGE_TOKENS = "manage-tokens"
    LIST_AGENTS = "list-agents"
    MANAGE_AGENTS = "manage-agents"
    """Add, switch on and off and remove them, and their tokens."""
    SEE_AGENT_SETTINGS = "see-agent-settings"
    CHANGE_AGENT_SETTINGS = "change-agent-settings"
    SEE_FOUND = "see-found"
    """What agents have and nobody lists."""
    ADOPT_FOUND = "adopt-found"
    REMOVE_FOUND = "remove-found"


@dataclass(frozen=True)
class Actor:
    """Who asks, and by what: `session` is the id of the cookie's session, or `token` the id of the API token."""

    user_id: int
    name: str
    role: Role
    session: str = ""
    token: int = 0


EVERYBODY = -1
"""As `owner`: things of all people together."""


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
        Action.MANAGE_AGENTS,
        Action.SEE_AGENT_SETTINGS,
        Action.CHANGE_AGENT_SETTINGS,
        Action.SEE_FOUND,
        Action.ADOPT_FOUND,
        Action.REMOVE_FOUND,
    }
)
"""What belongs to nobody, and is an administrator's alone."""
# An administrator keeps the installation in order, without looking into anybody's work: no editor, port, log or command.
# Nor may they create for others, or start what its owner has stopped.
_TABLE: dict[tuple[Role, Relation], frozenset[Action]] = {
    (Role.DEVELOPER, Relation.OWN): _EVERYBODY,
    (Role.DEVELOPER, Relation.OTHERS): frozenset(),
    (Role.ADMINISTRATOR, Relation.OWN): _EVERYBODY | _INSTALLATION,
    (Role.ADMINISTRATOR, Relation.OTHERS): frozenset(
        {
            Action.LIST_WORKSPACES,
            Action.SEE_WORKSPACE,
            Action.STOP_WORKSPACE,
            Action.DELETE_WORKSPACE,
            Action.SEE_USER,
            Action.BLOCK_USER,
            Action.CREATE_SIGN_IN_LINK,
            Action.MANAGE_TOKENS,
        }
    ),
}


def decide(role: Role, relation: Relation, action: Action) -> Verdict:
    if action in _TABLE[role, relation]:
        return Allowed()
    words = action.value.replace("-", " ")
    if action is Action.BLOCK_USER and relation is Relation.OWN:
        return Denied("Nobody can block themselves.")
    if role is Role.ADMINISTRATOR:
        return Denied(f"Only the owner may do this: {words}.")
    if relation is Relation.OWN or action in _INSTALLATION | {Action.BLOCK_USER}:
        return Denied(f"Only an administrator may do this: {words}.")
    return Denied(f"Only the owner or an administrator may do this: {words}.")


def require(actor: Actor, action: Action, owner: int | None = None) -> None:
    """Raises `Forbidden`. `owner`: whose it is; None when it belongs to nobody."""
    relation = Relation.OWN if owner in (None, actor.user_id) else Relation.OTHERS
    verdict = decide(actor.role, relation, action)
    if isinstance(verdict, Denied):
        raise Forbidden(verdict.reason)


def may(actor: Actor, action: Action, owner: int | None = None) -> bool:
    relation = Relation.OWN if owner in (None, actor.user_id) else Relation.OTHERS
    return isinstance(decide(actor.role, relation, action), Allowed)
