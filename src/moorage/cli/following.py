"""Waiting for a workspace: its changes as the server tells them, until it is as it should be, or
cannot be."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any

from moorage.cli.client import SECONDS, Client
from moorage.contract import ActualState, DesiredState, StageName, StageState
from moorage.kernel.errors import Conflict, MoorageError, NotFound, Unavailable

Workspace = dict[str, Any]
"""A `Workspace` as the API says it."""

SILENCE = 45.0
"""Seconds of a connection's silence. The server breaks it every 20: one that is silent for longer
is dead."""
PATIENCE = 60.0
"""Seconds for which the server may be away (an upgrade, a restart) before waiting ends."""


class Verdict(Enum):
    WAIT = "wait"
    REACHED = "reached"
    FAILED = "failed"
    OVERRULED = "overruled"
    """Somebody asked for something else meanwhile."""


def verdict(workspace: Workspace, goal: DesiredState) -> Verdict:
    """Whether waiting for `goal` goes on. A start's own report is told from one of before it by the
    stage `received`."""
    if workspace["desired"] != goal:
        return Verdict.OVERRULED
    state = workspace["state"]
    if goal is DesiredState.STOPPED:
        return Verdict.REACHED if state == ActualState.STOPPED else Verdict.WAIT
    if goal is DesiredState.TERMINATED:
        return Verdict.REACHED if state == ActualState.TERMINATED else Verdict.WAIT
    stages = {stage["name"]: stage["state"] for stage in workspace["stages"]}
    if stages.get(StageName.RECEIVED) != StageState.DONE:
        return Verdict.WAIT
    if state == ActualState.FAILED:
        return Verdict.FAILED
    ready = stages.get(StageName.READY) == StageState.DONE
    return Verdict.REACHED if ready and state == ActualState.RUNNING else Verdict.WAIT


def wait(
    client: Client,
    name: str,
    goal: DesiredState,
    *,
    seconds: float,
    show: Callable[[Workspace], None] = lambda _workspace: None,
    say: Callable[[str], None] = lambda _text: None,
) -> Workspace | None:
    """Follows a workspace until `goal` holds; returns it, or None when it is gone and that is the
    goal.

    `show` is called with every change. Raises `failure` when it fails, `Conflict` when something
    else was asked of it meanwhile, `NotFound` when it was deleted, `Unavailable` after `seconds`.
    """
    deadline = time.monotonic() + seconds
    waits_for = ""
    try:
        for workspace in changes(client, name, deadline, say):
            show(workspace)
            waits_for = reason_of(workspace)
            found = verdict(workspace, goal)
            if found is Verdict.REACHED:
                return workspace
            if found is Verdict.FAILED:
                raise failure(workspace)
            if found is Verdict.OVERRULED:
                raise Conflict(
                    f"Something else was asked of {workspace['title']} meanwhile: it is to be {workspace['desired']}.",
                    code="overruled",
                )
    except NotFound:
        if goal is DesiredState.TERMINATED:
            return None
        raise
    why = f" It waits: {waits_for}" if waits_for else ""
    raise Unavailable(
        f"{name} is not {goal} after {seconds:.0f} s.{why}",
        code="timeout",
        hint=f"It goes on by itself: `moor show {name}`.",
    )


def reason_of(workspace: Workspace) -> str:
    """What it waits for, in words; "" where nobody says: its cause, else the detail of the stage
    that it is at."""
    if workspace["cause"]:
        return str(workspace["cause"]["message"])
    running = [stage for stage in workspace["stages"] if stage["state"] == StageState.RUNNING]
    return next((str(stage["detail"]) for stage in running if stage["detail"]), "")


def failure(workspace: Workspace) -> MoorageError:
    """The cause of a workspace's failure, as an error."""
    cause = workspace["cause"] or {}
    return MoorageError(
        cause.get("message") or f"{workspace['title']} failed, and does not say why.",
        code=cause.get("code") or "workspace-failed",
        hint=cause.get("hint") or "",
        detail=cause.get("detail") or "",
        workspace=workspace["name"],
    )


def events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Server-sent events (HTML standard, 9.2.6) as pairs of event and data; comments and other
    fields are left out."""
    event, data = "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield event, "\n".join(data)
            event, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data.append(value)


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines of UTF-8, however they were cut; what follows the last newline is not whole, and left
    out."""
    left = b""
    for chunk in chunks:
        *whole, left = (left + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode(errors="replace")


def changes(
    client: Client, name: str, deadline: float, say: Callable[[str], None]
) -> Iterator[Workspace]:
    """The workspace at once and at each change, over as many connections as it takes, until the
    deadline.

    Raises `NotFound` when it is gone.
    """
    heard = time.monotonic()
    while (left := deadline - time.monotonic()) > 0:
        try:
            for workspace in _one_stream(client, name, deadline):
                heard = time.monotonic()
                yield workspace
            if (left := deadline - time.monotonic()) > 0:
                # A stream that ended may mean that it is gone.
                client.get(f"/workspaces/{name}", silence=min(left, SECONDS))
            heard = time.monotonic()
        except Unavailable as error:
            now = time.monotonic()
            if now >= deadline:  # the silence lasted until then: nobody is to blame
                return
            if now - heard > PATIENCE:
                raise
            say(f"{error.message} Trying again.")
        time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))


def _one_stream(client: Client, name: str, deadline: float) -> Iterator[Workspace]:
    silence = min(deadline - time.monotonic(), SILENCE)
    with client.stream(f"/workspaces/{name}/events", silence=silence, until=deadline) as chunks:
        for event, data in events(lines(chunks)):
            if event == "workspace":
                yield json.loads(data)
