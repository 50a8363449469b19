"""`visible` and the table say the same, row by row."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from sqlalchemy import ForeignKey, create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from moorage.server import models
from moorage.server.authorization import (
    Action,
    Actor,
    Guarded,
    Kind,
    Part,
    Person,
    Role,
    Scope,
    System,
    may,
    resource_of,
    visible,
)

PEOPLE = (1, 2, 3)
GROUPS = ((), ("red",), ("red", "blue"))
SCOPES = ((), (Scope.READ,), (Scope.WORKSPACES,), (Scope.READ, Scope.WORKSPACES))
ACTORS: tuple[Actor, ...] = (
    *(
        Person(user_id=user, name=f"p{user}", role=role, groups=groups, scopes=scopes)
        for user, role, groups, scopes in itertools.product(PEOPLE, Role, GROUPS, SCOPES)
    ),
    *(System(part, "it") for part in Part),
)
ACTIONS = (
    Action.OPEN_WORKSPACE,
    Action.LIST_AGENTS,
    Action.SEE_WORKSPACE,
    Action.BLOCK_USER,
    Action.ADD_USER,
)
"""Such that every relation is allowed by one and denied by another."""


class OwnBase(DeclarativeBase):
    """For a model that has all that a resource can have."""


class Dock(OwnBase):
    __guarded__: ClassVar = Guarded(
        Kind.WORKSPACE,
        Action.SEE_WORKSPACE,
        owner="owner_id",
        groups="dock_groups.dock_id",
        grants="dock_grants.dock_id",
    )
    __tablename__ = "docks"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None]


class DockGroup(OwnBase):
    __tablename__ = "dock_groups"

    dock_id: Mapped[int] = mapped_column(ForeignKey("docks.id"), primary_key=True)
    group: Mapped[str] = mapped_column(primary_key=True)


class DockGrant(OwnBase):
    __tablename__ = "dock_grants"

    dock_id: Mapped[int] = mapped_column(ForeignKey("docks.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    for base in (OwnBase, models.Base):
        base.metadata.create_all(engine)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


@pytest.mark.parametrize("see", ACTIONS)
def test_a_row_is_visible_exactly_when_the_table_allows_it(
    session: Session, see: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every actor, owner, set of groups and set of grants, whatever action it takes to see a
    row."""
    monkeypatch.setattr(
        Dock,
        "__guarded__",
        Guarded(Kind.WORKSPACE, see, "owner_id", "dock_groups.dock_id", "dock_grants.dock_id"),
    )
    combinations = itertools.product(
        (None, *PEOPLE), ((), ("red",), ("green",), ("blue", "green")), ((), (2,), (1, 3))
    )
    resources = {}
    for number, (owner, groups, grants) in enumerate(combinations):
        dock = Dock(id=number, owner_id=owner)
        session.add(dock)
        session.flush()
        session.add_all(DockGroup(dock_id=number, group=group) for group in groups)
        session.add_all(DockGrant(dock_id=number, user_id=user) for user in grants)
        resources[number] = resource_of(dock, groups=groups, grants=frozenset(grants))
    session.flush()
    some, none = set(), set()
    for actor in ACTORS:
        seen = set(session.scalars(select(Dock.id).where(visible(actor, Dock))))
        assert seen == {n for n, resource in resources.items() if may(actor, see, resource)}, actor
        some |= seen
        none |= set(resources) - seen
    assert some
    assert none


USER = {"created_at": 0.0, "blocked": False}
AGENT = {"zone_url": "https://x", "created_at": 0.0}
WORKSPACE = {
    "agent_id": 1, "repository": "r", "commit": "c", "devfile_path": "d", "devfile": "d", "spec": "{}", "desired": "Running",
    "created_at": 0.0, "updated_at": 0.0, "requested_at": 0.0,
}  # fmt: skip
ROWS: tuple[tuple[type[Any], list[dict[str, Any]]], ...] = (
    (models.User, [{**USER, "id": n, "name": f"p{n}", "role": "developer"} for n in PEOPLE]),
    (models.Agent, [{**AGENT, "id": n, "name": f"a{n}", "fingerprint": f"{n}"} for n in (1, 2)]),
    (
        models.Workspace,
        [{**WORKSPACE, "id": n, "name": f"w{n}", "title": f"t{n}", "owner_id": n} for n in PEOPLE],
    ),
    (
        models.ApiToken,
        [{"id": n, "user_id": n, "fingerprint": f"{n}", "created_at": 0.0} for n in PEOPLE],
    ),
    (
        models.AgentSettingsVersion,
        [
            {
                "agent_id": 1,
                "version": 1,
                "text": "",
                "author": "",
                "source": "api",
                "created_at": 0.0,
            }
        ],
    ),
    (models.Found, [{"agent_id": 1, "name": "f", "mark": "m", "told": "{}", "found_at": 0.0}]),
)
"""Of every model that says what its rows are to the table."""


def test_every_model_that_is_guarded_is_held_to_the_table(session: Session) -> None:
    """As they are read by lists and look-ups; a grant opens somebody else's workspace, and does not
    show it."""
    guarded = {m.class_ for m in models.Base.registry.mappers if hasattr(m.class_, "__guarded__")}
    assert guarded == {model for model, _ in ROWS}
    for model, rows in ROWS:
        session.execute(insert(model), rows)
    session.execute(
        insert(models.Grant), [{"user_id": 1, "workspace_id": 2, "port": 0, "created_at": 0.0}]
    )
    granted = {models.Workspace: {2: frozenset({1})}}
    for actor, (model, rows) in itertools.product(ACTORS, ROWS):
        grants = granted.get(model, {})
        everything = session.scalars(select(model)).all()
        assert len(everything) == len(rows)
        expected = [
            row
            for row in everything
            if may(
                actor,
                model.__guarded__.see,
                resource_of(row, grants=grants.get(getattr(row, "id", 0), frozenset())),
            )
        ]
        assert list(session.scalars(select(model).where(visible(actor, model)))) == expected, (
            actor,
            model,
        )


def test_what_one_may_see_of_is_short() -> None:
    """A developer's condition is one comparison, and an administrator's none: databases find an
    index, or read all."""
    ann = Person(user_id=2, name="ann", role=Role.DEVELOPER)
    admin = Person(user_id=1, name="admin", role=Role.ADMINISTRATOR)
    assert str(visible(ann, models.Workspace)) == "workspaces.owner_id = :owner_id_1"
    assert str(visible(admin, models.Workspace)) == "true"
    assert str(visible(ann, models.Found)) == "false"
