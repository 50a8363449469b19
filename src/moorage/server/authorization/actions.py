"""Actions that may be asked for."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    CREATE_WORKSPACE = "create-workspace"
    LIST_WORKSPACES = "list-workspaces"
    SEE_WORKSPACE = "see-workspace"
    SEE_INSIDE_WORKSPACE = "see-inside-workspace"
    """What its programs wrote and its files say, as far as it stands in its state: see
    `workspaces.outside`."""
    START_WORKSPACE = "start-workspace"
    STOP_WORKSPACE = "stop-workspace"
    RESTART_WORKSPACE = "restart-workspace"
    REBUILD_WORKSPACE = "rebuild-workspace"
    """Make it from another devfile, and see how that differs."""
    RENAME_WORKSPACE = "rename-workspace"
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
    SEE_AUDIT = "see-audit"
    """Who has done what, in the whole installation."""
    CHANGE_ROLE = "change-role"
