"""What a workspace starts beside its editor: whether it works shows a little after the workspace
runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from moorage.cli import output
from moorage.cli.client import Client
from moorage.cli.following import Workspace, changes
from moorage.contract import ActualState, DesiredState
from moorage.kernel.errors import ForRepair, NotFound, PartFailed

LOOK_SECONDS = 2.0
"""For which side containers are looked at once the workspace runs: what cannot run at all has
mostly ended by then."""


def settled(
    client: Client,
    workspace: Workspace,
    *,
    deadline: float,
    patience: float,
    show: Callable[[Workspace], None] = lambda _workspace: None,
) -> Workspace:
    """Follows a workspace that runs until its postStart commands have ended, and its side
    containers have run for a moment or one of them has failed. `deadline`: of `time.monotonic`;
    `patience`: seconds for the commands, of which some never end.

    Whoever asks for something else meanwhile ends it, too.
    """
    latest = workspace
    steps = min(time.monotonic() + patience, deadline)
    looked = min(time.monotonic() + LOOK_SECONDS, deadline)
    with suppress(NotFound):
        if under_way(latest):
            for latest in changes(client, workspace["name"], steps, _say_nothing):
                show(latest)
                if not under_way(latest):
                    break
        if len(latest["containers"]) > 1 and not latest.get("trouble"):
            for latest in changes(client, workspace["name"], looked, _say_nothing):
                show(latest)
                if latest.get("trouble") or not _runs(latest):
                    break
    return latest


def under_way(workspace: Workspace) -> bool:
    """Whether postStart commands have yet to end."""
    return bool(going_on(workspace))


def going_on(workspace: Workspace) -> list[str]:
    """The postStart commands that have yet to end."""
    steps: dict[str, str] = workspace["post_start"] if _runs(workspace) else {}
    return [step for step, outcome in steps.items() if not outcome]


def may_be_repaired(workspace: Workspace) -> bool:
    """Whether it has failed in a way that leaves files to get at from another environment."""
    cause = workspace["cause"] or {"code": ""}
    failed = bool(workspace["state"] == ActualState.FAILED and cause["code"])
    return failed and not cause["code"].startswith(("clone-", "files-"))


def check(workspace: Workspace) -> None:
    """Raises `PartFailed` when a part of a workspace that runs does not work, `ForRepair` when all
    that runs is there to repair it from; the first trouble is the error's cause, and the others are
    said before."""
    troubles = workspace.get("trouble") or []
    for trouble in troubles[1:]:
        output.note(
            "\n".join(
                [trouble["message"], *(f"  | {line}" for line in trouble["detail"].splitlines())]
            )
        )
    if troubles:
        first = troubles[0]
        kind = ForRepair if workspace.get("rescue") else PartFailed
        raise kind(
            first["message"],
            code=first["code"],
            hint=first["hint"],
            detail=first["detail"],
            workspace=workspace["name"],
        )


def _runs(workspace: Workspace) -> bool:
    wanted, is_ = workspace["desired"], workspace["state"]
    return bool(wanted == DesiredState.RUNNING and is_ == ActualState.RUNNING)


def _say_nothing(_text: str) -> None:
    """That the server is away for a moment is nobody's concern here."""
