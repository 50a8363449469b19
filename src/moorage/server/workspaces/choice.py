"""On which agent a new workspace goes, and why not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moorage.kernel.errors import InvalidInput, LimitReached, MoorageError, Unavailable

PATIENCE = 60.0
"""Seconds for which an agent may be away, as when it is being restarted, and yet be given
workspaces: they wait."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An agent, as far as it matters here. Quotas are those of its settings; -1: none."""

    id: int
    name: str
    enabled: bool = True
    """By an administrator, and by its settings."""
    revoked: bool = False
    connected: bool = True
    awaited: bool = True
    """It has connected before, or `moor up` is about to start it. One that was only registered may
    never come."""
    away: float = 0.0
    """Seconds since it was last there, or could first have been."""
    workspaces: int = 0
    own: int = 0
    """Of these, how many belong to whoever asks."""
    quota: int = -1
    quota_per_user: int = -1


def choose(candidates: Sequence[Candidate], name: str = "") -> Candidate:
    """`name`: that one; "": of those that nothing speaks against a connected one, then the one with
    the fewest workspaces, then the oldest. Raises what speaks against it."""
    if name:
        found = next((candidate for candidate in candidates if candidate.name == name), None)
        if found is None:
            raise _unknown(candidates, name)
        if (reason := obstacle(found)) is not None:
            raise reason
        return found
    obstacles = {candidate.id: obstacle(candidate) for candidate in candidates}
    fit = [candidate for candidate in candidates if obstacles[candidate.id] is None]
    if fit:
        return min(fit, key=lambda c: (not c.connected, c.workspaces, c.id))
    reasons = [reason for reason in obstacles.values() if reason is not None]
    if len(reasons) == 1:
        raise reasons[0]
    if not reasons:
        raise Unavailable(
            "There is no agent that a workspace could run on.",
            code="agent-missing",
            hint="An administrator registers one: `moor agents add`.",
            field="agent",
        )
    raise Unavailable(
        "No agent takes a new workspace now.",
        code="agents-unavailable",
        hint=" ".join(reason.message for reason in reasons),
        field="agent",
    )


def obstacle(candidate: Candidate) -> MoorageError | None:
    """Tells what keeps new workspaces from this agent."""
    name = candidate.name
    if not candidate.enabled:
        return InvalidInput(
            f"The agent {name} takes no new workspaces.",
            code="agent-disabled",
            hint="Choose another one, or ask an administrator.",
            field="agent",
        )
    if (why := _why_absent(candidate)) is not None:
        return Unavailable(
            f"The agent {name} is not connected: {why}.",
            code="agent-disconnected",
            hint="Choose another one, or ask an administrator to look at its log.",
            field="agent",
        )
    if 0 <= candidate.quota <= candidate.workspaces:
        return LimitReached(
            f"The agent {name} has {_counted(candidate.workspaces)}, and {candidate.quota} are allowed.",
            code="agent-full",
            hint="Delete one that is no longer needed, choose another agent, or ask an administrator.",
            field="agent",
            limit=candidate.quota,
        )
    if 0 <= candidate.quota_per_user <= candidate.own:
        return LimitReached(
            f"You have {_counted(candidate.own)} on the agent {name}, and {candidate.quota_per_user} are allowed.",
            code="agent-workspaces-per-user",
            hint="Delete one that you no longer need, or choose another agent.",
            field="agent",
            limit=candidate.quota_per_user,
        )
    return None


def _why_absent(candidate: Candidate) -> str | None:
    """None for one that is there, or is expected back at once."""
    if candidate.revoked:
        return "its token was taken back"
    if candidate.connected:
        return None
    if not candidate.awaited:
        return "it never was"
    return "it has not been heard of for over a minute" if candidate.away > PATIENCE else None


def _unknown(candidates: Sequence[Candidate], name: str) -> InvalidInput:
    names = ", ".join(candidate.name for candidate in candidates)
    return InvalidInput(
        f"There is no agent {name}.",
        code="agent-unknown",
        hint=f"There are: {names}."
        if names
        else "An administrator registers one: `moor agents add`.",
        field="agent",
    )


def _counted(number: int) -> str:
    return "1 workspace" if number == 1 else f"{number} workspaces"
