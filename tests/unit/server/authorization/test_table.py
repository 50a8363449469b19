"""The authorization table, spelled out."""

from __future__ import annotations

import itertools

import pytest

from moorage.kernel.errors import Forbidden
from moorage.server.authorization import (
    Action,
    Allowed,
    Denied,
    Kind,
    Owner,
    Part,
    Person,
    Resource,
    Role,
    Scope,
    System,
    decide,
    may,
    require,
)
from moorage.server.authorization.table import CHANGING, SCOPES, SYSTEMS, Relation, relation_of

ANN, BOB = 7, 8
TEAM = "team/backend"
# Who may: own things as developer, others' as developer, own as administrator, others' as
# administrator.
TABLE = {
    Action.CREATE_WORKSPACE: (True, False, True, False),
    Action.LIST_WORKSPACES: (True, False, True, True),
    Action.SEE_WORKSPACE: (True, False, True, True),
    Action.SEE_INSIDE_WORKSPACE: (True, False, True, False),
    Action.START_WORKSPACE: (True, False, True, False),
    Action.STOP_WORKSPACE: (True, False, True, True),
    Action.RESTART_WORKSPACE: (True, False, True, False),
    Action.REBUILD_WORKSPACE: (True, False, True, False),
    Action.RENAME_WORKSPACE: (True, False, True, False),
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
    Action.SEE_AUDIT: (False, False, True, False),
    Action.CHANGE_ROLE: (False, False, False, True),
}
# What an auditor may, with things of their own and of nobody, and with others'.
AUDITOR = {
    Action.LIST_WORKSPACES: (True, True),
    Action.SEE_WORKSPACE: (True, True),
    Action.SEE_USER: (True, True),
    Action.LIST_USERS: (True, False),
    Action.LIST_AGENTS: (True, False),
    Action.SEE_AGENT_SETTINGS: (True, False),
    Action.SEE_FOUND: (True, False),
    Action.SEE_AUDIT: (True, False),
    Action.CREATE_SIGN_IN_LINK: (True, False),
    Action.MANAGE_TOKENS: (True, False),
}
# Who may beside: what was granted to them as developer, what a group of theirs has as developer,
# the same as administrator.
MORE = {
    Action.OPEN_WORKSPACE: (True, False, True, False),
    Action.LIST_AGENTS: (False, True, False, True),
    Action.LIST_WORKSPACES: (False, False, True, True),
    Action.SEE_WORKSPACE: (False, False, True, True),
    Action.STOP_WORKSPACE: (False, False, True, True),
    Action.DELETE_WORKSPACE: (False, False, True, True),
    Action.SEE_USER: (False, False, True, True),
    Action.BLOCK_USER: (False, False, True, True),
    Action.CREATE_SIGN_IN_LINK: (False, False, True, True),
    Action.MANAGE_TOKENS: (False, False, True, True),
    Action.LIST_USERS: (False, False, False, True),
    Action.ADD_USER: (False, False, False, True),
    Action.MANAGE_AGENTS: (False, False, False, True),
    Action.SEE_AGENT_SETTINGS: (False, False, False, True),
    Action.CHANGE_AGENT_SETTINGS: (False, False, False, True),
    Action.SEE_FOUND: (False, False, False, True),
    Action.ADOPT_FOUND: (False, False, False, True),
    Action.REMOVE_FOUND: (False, False, False, True),
    Action.SEE_AUDIT: (False, False, False, True),
    Action.CHANGE_ROLE: (False, False, True, True),
}
NONE = (False, False, False, False)
COLUMNS = (
    (Role.DEVELOPER, Relation.OWN),
    (Role.DEVELOPER, Relation.OTHERS),
    (Role.ADMINISTRATOR, Relation.OWN),
    (Role.ADMINISTRATOR, Relation.OTHERS),
    (Role.DEVELOPER, Relation.GRANTED),
    (Role.DEVELOPER, Relation.GROUP),
    (Role.ADMINISTRATOR, Relation.GRANTED),
    (Role.ADMINISTRATOR, Relation.GROUP),
)
RELATED = {
    Relation.OWN: Resource(Kind.WORKSPACE, ANN),
    Relation.GRANTED: Resource(Kind.WORKSPACE, BOB, grants=frozenset({ANN})),
    Relation.GROUP: Resource(Kind.AGENT, groups=("other", TEAM)),
    Relation.OTHERS: Resource(Kind.WORKSPACE, BOB),
}
"""What is in each relation to `person`."""


def person(role: Role = Role.DEVELOPER, *scopes: Scope) -> Person:
    return Person(user_id=ANN, name="ann", role=role, groups=(TEAM,), scopes=scopes)


@pytest.mark.parametrize("action", list(Action))
def test_every_role_relation_and_action(action: Action) -> None:
    """Every combination is decided, and as the tables above say; a denial has a reason for a
    person."""
    expected = (*TABLE[action], *MORE.get(action, NONE))
    for (role, relation), allowed in zip(COLUMNS, expected, strict=True):
        verdict = decide(person(role), action, RELATED[relation])
        assert isinstance(verdict, Allowed) is allowed, (role, relation, action)
        if isinstance(verdict, Denied):
            assert verdict.reason.endswith(".")


@pytest.mark.parametrize("action", list(Action))
def test_an_auditor_looks_and_does_nothing_else(action: Action) -> None:
    """At whatever there is, but into nobody's work; what is theirs is their own way in. What was
    granted to them, or to a group of theirs, is no more to them than what is others' or
    nobody's."""
    own, others = AUDITOR.get(action, (False, False))
    expected = {
        Relation.OWN: own,
        Relation.GRANTED: others,
        Relation.GROUP: own and action not in {Action.CREATE_SIGN_IN_LINK, Action.MANAGE_TOKENS},
        Relation.OTHERS: others,
    }
    for relation, allowed in expected.items():
        verdict = decide(person(Role.AUDITOR), action, RELATED[relation])
        assert isinstance(verdict, Allowed) is allowed, (relation, action)
        if isinstance(verdict, Denied):
            assert "auditor" in verdict.reason
    assert not own or action not in CHANGING - {Action.CREATE_SIGN_IN_LINK, Action.MANAGE_TOKENS}


def test_the_table_is_whole() -> None:
    """No role and no relation is left out of these tests."""
    of_auditors = {(Role.AUDITOR, relation) for relation in Relation}
    assert {*COLUMNS, *of_auditors} == {(role, relation) for role in Role for relation in Relation}
    assert {
        relation_of(person(), resource): relation for relation, resource in RELATED.items()
    } == {relation: relation for relation in Relation}


@pytest.mark.parametrize(
    ("owner", "allowed"),
    [(Owner.NOBODY, True), (ANN, True), (BOB, False), (Owner.EVERYBODY, False)],
)
def test_require_finds_the_relation(owner: int | Owner, allowed: bool) -> None:
    """What belongs to nobody counts as one's own; what belongs to all people together does not."""
    workspace = Resource(Kind.WORKSPACE, owner)
    assert may(person(), Action.SEE_WORKSPACE, workspace) is allowed
    if allowed:
        require(person(), Action.SEE_WORKSPACE, workspace)
    else:
        with pytest.raises(Forbidden, match="Only the owner or an administrator"):
            require(person(), Action.SEE_WORKSPACE, workspace)


@pytest.mark.parametrize(
    ("resource", "relation"),
    [
        (Resource(Kind.WORKSPACE, ANN, (TEAM,), frozenset({ANN})), Relation.OWN),
        (Resource(Kind.WORKSPACE, BOB, (TEAM,), frozenset({ANN})), Relation.GRANTED),
        (Resource(Kind.WORKSPACE, BOB, (TEAM,)), Relation.GROUP),
        (Resource(Kind.AGENT, groups=("other",)), Relation.OTHERS),
        (Resource(Kind.AGENT), Relation.OWN),
    ],
)
def test_the_closest_relation_counts(resource: Resource, relation: Relation) -> None:
    """One's own, what was granted, a group's; and what other groups have belongs to others."""
    assert relation_of(person(), resource) is relation


@pytest.mark.parametrize("scopes", [s for n in range(3) for s in itertools.combinations(Scope, n)])
def test_scopes_of_a_token_only_narrow(scopes: tuple[Scope, ...]) -> None:
    """With scopes, a person may what they may without, and any of the scopes holds; without any,
    nothing is narrowed."""
    for role, (relation, resource), action in itertools.product(Role, RELATED.items(), Action):
        allowed = may(person(role), action, resource)
        inside = not scopes or any(action in SCOPES[scope] for scope in scopes)
        assert may(person(role, *scopes), action, resource) is (allowed and inside), (
            role,
            relation,
            action,
        )


def test_a_token_with_scopes_is_told_so() -> None:
    """What its person may and the token may not is said to be the token's; what they may not either
    stays as it is."""
    mine = RELATED[Relation.OWN]
    with pytest.raises(
        Forbidden, match="The API token that you use does not reach so far: stop workspace"
    ):
        require(person(Role.DEVELOPER, Scope.READ), Action.STOP_WORKSPACE, mine)
    with pytest.raises(Forbidden, match="Only an administrator may do this: add user"):
        require(person(Role.DEVELOPER, Scope.READ), Action.ADD_USER, mine)


def test_no_scope_holds_what_would_reach_further() -> None:
    """A token that is narrowed makes no tokens, links or users; one for reading changes nothing."""
    further = {Action.MANAGE_TOKENS, Action.CREATE_SIGN_IN_LINK, Action.ADD_USER, Action.BLOCK_USER}
    for scope in Scope:
        assert not SCOPES[scope] & further
    assert not SCOPES[Scope.READ] & (CHANGING | {Action.OPEN_WORKSPACE, Action.RUN_COMMANDS})


@pytest.mark.parametrize(
    ("part", "actions"),
    [
        (
            Part.SERVER,
            {
                Action.STOP_WORKSPACE,
                Action.DELETE_WORKSPACE,
                Action.LIST_AGENTS,
                Action.SEE_FOUND,
                Action.REMOVE_FOUND,
            },
        ),
        (Part.AGENT, {Action.CHANGE_AGENT_SETTINGS}),
        (Part.GATEWAY, set()),
    ],
)
def test_parts_of_moorage_do_what_is_theirs(part: Part, actions: set[Action]) -> None:
    """Whatever they act on; and nothing that people do."""
    assert set(SYSTEMS) == set(Part)
    for action, resource in itertools.product(Action, RELATED.values()):
        verdict = decide(System(part, "it"), action, resource)
        assert isinstance(verdict, Allowed) is (action in actions)
        if isinstance(verdict, Denied):
            assert verdict.reason.startswith("Only a person may do this: ")


def test_each_action_changes_or_does_not() -> None:
    """An action that is added must be said to look, to use, or to change."""
    using = {Action.OPEN_WORKSPACE, Action.RUN_COMMANDS}
    looking = SCOPES[Scope.READ]
    assert len(looking) + len(using) + len(CHANGING) == len(Action)
    assert looking | using | CHANGING == set(Action)
