"""Views of the list of workspaces: its rows, which of them a search or a state leaves, and what may
be done with several at once. Pure, as `views`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from moorage.contract import ActualState
from moorage.server.authorization import Person
from moorage.server.web.views import Abilities, abilities, badge_of, short_repository, summary
from moorage.server.workspaces import schemas
from moorage.wording import Badge, Tone

Group = Literal["running", "busy", "trouble", "stopped"]
"""Of states: what somebody who looks for a workspace knows of how it is."""

GROUPS: dict[Group, str] = {
    "running": "Running",
    "busy": "Starting or stopping",
    "trouble": "In trouble",
    "stopped": "Stopped",
}
_GROUPS_OF: dict[Tone, tuple[Group, ...]] = {
    "good": ("running",),
    "warn": ("running", "trouble"),
    "busy": ("busy",),
    "bad": ("trouble",),
    "quiet": ("stopped",),
}


@dataclass(frozen=True)
class Filter:
    """The rows that somebody wants to see. Every word of `words` is in the row's text, in any case;
    "" leaves all."""

    words: str = ""
    group: str = ""
    """A `Group`; what is none leaves all."""

    def leaves(self, row: Row) -> bool:
        if self.group in GROUPS and self.group not in row.groups:
            return False
        return all(word in row.text for word in self.words.lower().split())


@dataclass(frozen=True)
class Row:
    """A workspace in a list, and what its entry says beside its own fields."""

    workspace: schemas.Workspace
    badge: Badge
    groups: tuple[Group, ...]
    text: str
    """All that a search looks in, in lower case."""
    summary: str
    wrong: bool
    """The summary tells of something that needs a hand."""
    repository: str
    """Short, and without a password."""
    url: str
    """"" when this person cannot open it, now or ever."""
    can: Abilities


def row(workspace: schemas.Workspace, actor: Person, now: float) -> Row:
    shown = badge_of(workspace)
    can = abilities(workspace, actor)
    repository = short_repository(workspace.repository)
    words = (
        workspace.title,
        workspace.name,
        repository,
        workspace.ref,
        workspace.owner_name,
        workspace.agent,
        shown.label,
    )
    return Row(
        workspace=workspace,
        badge=shown,
        groups=_GROUPS_OF[shown.tone],
        text=" ".join(word for word in words if word).lower(),
        summary=summary(workspace, now),
        wrong=shown.tone == "bad",
        repository=repository,
        url=workspace.url if can.open else "",
        can=can,
    )


def rows(workspaces: Iterable[schemas.Workspace], actor: Person, now: float) -> tuple[Row, ...]:
    """Newest first; what is deleted is not shown."""
    alive = [w for w in workspaces if w.state is not ActualState.TERMINATED]
    return tuple(row(w, actor, now) for w in sorted(alive, key=lambda w: -w.created_at))


@dataclass(frozen=True)
class Changes:
    """What leads from one state of a list to the next, where no row that stays has moved."""

    changed: tuple[Row, ...]
    added: tuple[Row, ...]
    """They are the first, in this order."""
    removed: tuple[str, ...]
    """Names."""


def changes(before: Iterable[Row], after: Iterable[Row]) -> Changes | None:
    """The rows that differ. None when the list has become empty, or was, or is in another order:
    then all of it is drawn anew."""
    old, new = {row.workspace.name: row for row in before}, list(after)
    names = [row.workspace.name for row in new]
    staying = [name for name in old if name in set(names)]
    added = [row for row in new if row.workspace.name not in old]
    if not old or not new or names != [row.workspace.name for row in added] + staying:
        return None
    return Changes(
        changed=tuple(row for row in new[len(added) :] if row != old[row.workspace.name]),
        added=tuple(added),
        removed=tuple(name for name in old if name not in set(names)),
    )


SEVERAL: Mapping[str, str] = {
    "start": "being started",
    "stop": "being stopped; the files stay",
    "delete": "being deleted, with the files",
}
"""What can be done with several workspaces at once, and what is then said of them."""


def done_with_several(what: str, done: int, refused: Iterable[tuple[str, str]]) -> str:
    """A sentence on what was asked of several workspaces: how many took it, and of each that did
    not, why."""
    refused = list(refused)
    said = []
    if done or not refused:
        one = done == 1
        said.append(
            f"{done} workspace{'' if one else 's'} {'is' if one else 'are'} {SEVERAL[what]}."
        )
    said += [f"{name}: {why}" for name, why in refused[:5]]
    if len(refused) > 5:
        said.append(f"And {len(refused) - 5} more.")
    return " ".join(said)
