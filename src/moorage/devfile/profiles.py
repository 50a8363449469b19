"""Profiles: what other readers of devfiles refuse although the specification allows it.

`full` is all that this engine can make something of: what the specification forbids and leaves no
doubt about what is meant is a warning, as most readers of devfiles take it. `strict` refuses that,
too. `gitlab` is GitLab Workspaces, so that one repository can serve both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from moorage.devfile import gitlab
from moorage.devfile.conversion import to_tree
from moorage.devfile.errors import DevfileError
from moorage.devfile.loading import Source
from moorage.devfile.model import Devfile
from moorage.documents.problems import Problem
from moorage.documents.reporting import Report

TOLERATED = frozenset(
    {
        *("key-case", "newer-key", "older-key", "newer-version", "parent-newer", "long-name"),
        *("group-without-default", "group-defaults", "reserved-env"),
        *("duplicate-port", "not-one-remote", "unknown-remote"),
        *("unknown-component", "wrong-component", "unknown-command"),
    }
)
"""Codes of the warnings about what the specification forbids."""
Profile = Literal["full", "strict", "gitlab"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


def refusals(devfile: Devfile, profile: Profile) -> tuple[Problem, ...]:
    """All that the profile refuses in a devfile as it was written, that is before flattening; ()
    when it accepts it."""
    if profile == "full":
        return ()
    source = devfile.source if isinstance(devfile.source, Source) else None
    forbidden = against_specification(source.warnings if source is not None else ())
    if profile == "strict":
        return forbidden
    report = source.report() if source is not None else Report({}, DevfileError)
    gitlab.check(devfile, source.tree if source is not None else to_tree(devfile), report)
    refused = (problem for problem in forbidden if problem.code not in gitlab.TOLERATED)
    return tuple(
        sorted((*report.problems, *refused), key=lambda problem: (problem.line, problem.column))
    )


def against_specification(warnings: Iterable[Problem]) -> tuple[Problem, ...]:
    """Those that tell of what the specification forbids, in their order."""
    return tuple(warning for warning in warnings if warning.code in TOLERATED)
