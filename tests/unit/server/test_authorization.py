"""The authorization table, spelled out."""

from __future__ import annotations

import pytest

from moorage.kernel.errors import Forbidden
from moorage.server.authorization import Action, Actor, Allowed, Denied, Relation, Role, decide, may, require

# Who may: own things as developer, others' as developer, own as administrator, others' as administrator.
TABLE = {
    Action.CREATE_WORKSPACE: (True, False, True, False),
    Action.LIST_WORKSPACES: (True, False, True, True),
    Action.SEE_WORKSPACE: (True, False, True, True),
    Action.SEE_INSIDE_WORKSPACE: (True, False, True, False),
    Action.START_WORKSPACE: (True, False, True, False),
    Action.STOP_WORKSPACE: (True, False, True, True),
    Action.RESTART_WORKSPACE: (True, False, True, False),
    Action.DELETE_WORKSPACE: (True, False, True, True),
    Action.OPEN_WORKSPACE: (True, False, True, False),
    Action.READ_LOGS: (True, False, True, False),
    Action.RUN_COMMANDS: (True, False, True, False),
    Action.SEE_USER: (True, False, True, True),
    Action.LIST_USERS: (False, False, True, False),
    Action.ADD_USER: (False, False, True, False),
    Action.BLOCK_USER: (False, False, False, True),
    Action.CREATE_SIGN_IN_LINK: (True, False, True, True),
    Action.MANAGE_TOKENS: (True, False, True, True),
    Action.LIST_AGENTS: (True, False, True, False),
    Action.MANAGE_AGENTS: (False, False, True, False),
    Action.SEE_AGENT_SETTINGS: (False, False, True, False),
    Action.CHANGE_AGENT_SETTINGS: (False, False, True, False),
    Action.SEE_FOUND: (False, False, True, False),
    Action.ADOPT_FOUND: (False, False, True, False),
    Action.REMOVE_FOUND: (False, False, True, False),
}
COLUMNS = (
    (Role.DEVELOPER, Relation.OWN),
    (Role.DEVELOPER, Relation.OTHERS),
    (Role.ADMINISTRATOR, Relation.OWN),
    (Role.ADMINISTRATOR, Relation.OTHERS),
)


@pytest.mark.parametrize("action", list(Action))
def test_every_role_relation_and_action(action: Action) -> None:
    """Every combination is decided, and as the table above says; a denial has a reason for a person."""
    for (role, relation), allowed in zip(COLUMNS, TABLE[action], strict=True):
        verdict = decide(role, relation, action)
        assert isinstance(verdict, Allowed) is allowed, (role, relation, action)
        if isinstance(verdict, Denied):
            assert verdict.reason.endswith(".")


def test_the_table_is_whole() -> None:
    """No role and no relation is left out of this test."""
    assert set(COLUMNS) == {(role, relation) for role in Role for relation in Relation}


@pytest.mark.parametrize(("owner", "allowed"), [(None, True), (7, True), (8, False)])
def test_require_finds_the_relation(owner: int | None, allowed: bool) -> None:
    """What belongs to nobody counts as one's own."""
    ann = Actor(user_id=7, name="ann", role=Role.DEVELOPER)
    assert may(ann, Action.SEE_WORKSPACE, owner) is allowed
    if allowed:
        require(ann, Action.SEE_WORKSPACE, owner)
    else:
        with pytest.raises(Forbidden, match="Only the owner or an administrator"):
            require(ann, Action.SEE_WORKSPACE, owner)
