"""The table as an SQL condition, so that lists and look-ups read what somebody may see, and nothing
else."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    and_,
    column,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    table,
    true,
)

from moorage.server.authorization.actors import Actor, Person, System
from moorage.server.authorization.resources import Guarded, GuardedModel
from moorage.server.authorization.table import SYSTEMS, TABLE, Relation, in_scope


def visible(actor: Actor, model: type[GuardedModel]) -> ColumnElement[bool]:
    """Holds for the rows of the model that the actor may see, by `require` with the action that the
    model names for it."""
    see = model.__guarded__.see
    if isinstance(actor, System):
        return true() if see in SYSTEMS[actor.part] else false()
    if not in_scope(actor, see):
        return false()
    allowed = {relation: see in TABLE[actor.role, relation] for relation in Relation}
    return _condition(_relations(actor, model), allowed)


def _condition(
    relations: list[tuple[Relation, ColumnElement[bool]]], allowed: dict[Relation, bool]
) -> ColumnElement[bool]:
    """As short as it can be, as databases look for an index: what all relations allow is no
    condition."""
    rest: ColumnElement[bool] | bool = allowed[Relation.OTHERS]
    for relation, holds in reversed(relations):
        if allowed[relation]:
            rest = rest if rest is True else holds if rest is False else or_(holds, rest)
        else:
            rest = (
                rest if rest is False else not_(holds) if rest is True else and_(not_(holds), rest)
            )
    return (true() if rest else false()) if isinstance(rest, bool) else rest


def _relations(
    person: Person, model: type[GuardedModel]
) -> list[tuple[Relation, ColumnElement[bool]]]:
    """When each relation holds, in the order of `relation_of`; whatever holds for no row of this
    model is left out."""
    guarded = model.__guarded__
    found: list[tuple[Relation, ColumnElement[bool]]] = []
    owner = getattr(model, guarded.owner) if guarded.owner else None
    nullable = owner is not None and owner.nullable
    if owner is not None:
        own = owner == person.user_id
        found.append((Relation.OWN, func.coalesce(own, false()) if nullable else own))
    if guarded.grants:
        found.append((Relation.GRANTED, _said(model, guarded.grants, "user_id", (person.user_id,))))
    if guarded.groups and person.groups:
        found.append((Relation.GROUP, _said(model, guarded.groups, "group", person.groups)))
    if owner is None or nullable:
        found.append((Relation.OWN, _nobodys(model, guarded, owner)))
    return found


def _nobodys(
    model: type[GuardedModel], guarded: Guarded, owner: ColumnElement[int] | None
) -> ColumnElement[bool]:
    condition = true() if owner is None else owner.is_(None)
    return and_(condition, not_(_said(model, guarded.groups))) if guarded.groups else condition


def _said(
    model: type[GuardedModel], reference: str, name: str = "", values: tuple[object, ...] = ()
) -> ColumnElement[bool]:
    """Whether the other table has a row for this one, with one of these values in the column
    `name`."""
    other, _, key = reference.partition(".")
    rows = table(other, *(column(each) for each in (key, name) if each))
    condition = exists(select(1).select_from(rows).where(rows.c[key] == model.id))  # type: ignore[attr-defined]
    return condition if not name else condition.where(rows.c[name].in_(values))
