"""The rules beyond the schema. They look at the tree, so that they also say what they can about one
that is not valid.

`complete` is false for a devfile that still wants its parent or plugins: what it refers to may come
from them, and amounts may hold variables that they define.
"""

from __future__ import annotations

from moorage.devfile.rules import commands, components, projects
from moorage.devfile.rules.names import unique
from moorage.documents.reporting import Report
from moorage.documents.tree import Map


def check(tree: Map, report: Report, *, complete: bool) -> None:
    """Adds a problem for every violation."""
    unique(tree, report)
    components.check(tree, report, complete=complete)
    commands.check(tree, report, complete=complete)
    projects.check(tree, report)
