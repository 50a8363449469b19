"""Decides who may do what: one table, asked in two ways.

`require(actor, action, resource)` decides on one thing; `visible(actor, Model)` is the same table
as an SQL condition, for lists and look-ups. Tests hold both to it
(`tests/unit/server/authorization`).

Must not: know a domain. A model says what its rows are to the table by `__guarded__`.
"""

from __future__ import annotations

from moorage.server.authorization.actions import Action
from moorage.server.authorization.actors import Actor, Part, Person, Role, Scope, System
from moorage.server.authorization.resources import (
    INSTALLATION,
    Guarded,
    Kind,
    Owner,
    Resource,
    resource_of,
)
from moorage.server.authorization.table import (
    Allowed,
    Denied,
    NotPermitted,
    Verdict,
    decide,
    may,
    require,
    roles_that_may,
)
from moorage.server.authorization.visible import visible

__all__ = [
    "INSTALLATION",
    "Action",
    "Actor",
    "Allowed",
    "Denied",
    "Guarded",
    "Kind",
    "NotPermitted",
    "Owner",
    "Part",
    "Person",
    "Resource",
    "Role",
    "Scope",
    "System",
    "Verdict",
    "decide",
    "may",
    "require",
    "resource_of",
    "roles_that_may",
    "visible",
]
