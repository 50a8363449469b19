"""Projects: their remotes, and which of them is checked out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moorage.devfile.rules.names import kind_of
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, maps_in


def check(tree: Map, report: Report) -> None:
    """Adds a problem for every violation."""
    for key in ("projects", "dependentProjects"):
        for path, element in maps_in(tree, key):
            kind, body = kind_of(element, ("git", "github"))
            if kind:
                _remotes(body, (*path, kind), report)
    for path, element in maps_in(tree, "starterProjects"):
        kind, body = kind_of(element, ("git", "github"))
        if kind:
            single_remote(body, (*path, kind), "a starter project", report)


def _remotes(body: dict[str, Any], path: Path, report: Report) -> None:
    remotes = body.get("remotes")
    if not isinstance(remotes, dict):
        return
    if not remotes:
        report.add(
            "no-remote",
            "A project needs at least one remote.",
            (*path, "remotes"),
            hint="Add 'origin: https://…'.",
        )
    chosen = _checkout_remote(body, remotes, path, report, report.add)
    if len(remotes) > 1 and not chosen:
        report.add(
            "remote-not-chosen",
            f"The project has {len(remotes)} remotes, and does not say which to check out.",
            path,
            hint=f"Add 'checkoutFrom: {{remote: {short(next(iter(remotes)))}}}'.",
        )


def single_remote(body: dict[str, Any], path: Path, what: str, report: Report) -> None:
    """Warns when there is not exactly one remote. `what` has them: "a starter project", of which a
    workspace makes nothing."""
    remotes = body.get("remotes")
    if isinstance(remotes, dict):
        if len(remotes) != 1:
            report.warn(
                "not-one-remote",
                f"{what.capitalize()} has exactly one remote, not {len(remotes)}.",
                (*path, "remotes"),
            )
        _checkout_remote(body, remotes, path, report, report.warn)


def _checkout_remote(
    body: dict[str, Any],
    remotes: dict[str, Any],
    path: Path,
    report: Report,
    say: Callable[..., None],
) -> bool:
    checkout = body.get("checkoutFrom")
    chosen = checkout.get("remote") if isinstance(checkout, dict) else None
    if not isinstance(chosen, str) or not chosen:
        return False
    if chosen not in remotes:
        say(
            "unknown-remote",
            f"No remote is named {short(chosen)!r}.",
            (*path, "checkoutFrom", "remote"),
            hint=report.suggest(chosen, remotes),
        )
    return True
