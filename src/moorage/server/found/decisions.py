"""Decides what becomes of what an agent knows and the server does not. Pure."""

from __future__ import annotations

from moorage.contract import DesiredState, FoundWorkspace, stands_against
from moorage.contract.hosts import is_workspace_name
from moorage.server.workspaces.decisions import Intent

DAY = 86400.0
MOST = 2**31 - 2
"""The highest generation, and user id, that a database holds, with room for the next."""


def is_plausible(found: FoundWorkspace, agent_id: int) -> bool:
    """Whether a server can have made it for this agent."""
    return is_workspace_name(found.name, agent_id) and all(
        0 <= number < MOST for number in (found.generation, found.owner, found.restarts)
    )


def followed(found: FoundWorkspace) -> Intent:
    """The intent of a server that was set back, and takes over what its agent knows: what is, goes
    on. What an older word wanted to be deleted is not: whoever wants it may ask for it again."""
    desired = found.desired
    if desired not in (DesiredState.RUNNING, DesiredState.STOPPED):
        desired = DesiredState.RUNNING if found.running else DesiredState.STOPPED
    return Intent(desired, found.generation + 1, found.restarts)


def is_ended(found: FoundWorkspace, *, generation: int, terminated_at: float | None) -> bool:
    """Whether what was found is what this server deleted, of which something is left: in a
    generation that it knew, and made before that. What is younger was put back by somebody, who
    wants it."""
    if terminated_at is None or found.elsewhere:
        return False
    if stands_against(
        found.generation, found.desired, generation=generation, desired=DesiredState.TERMINATED
    ):
        return False
    return 0 < found.since <= terminated_at


def removal_at(
    *, shown_at: float | None, elsewhere: bool, days: float, started_at: float
) -> float | None:
    """When what was found is removed by itself; None: never. Not before it was shown for so many
    days (0: never), nor what another agent works on. What fell due while the server was away is put
    off by a day: a clock or a database may have been set back."""
    if shown_at is None or elsewhere or days <= 0:
        return None
    at = shown_at + days * DAY
    return at if at > started_at else started_at + DAY


def is_kin(*, user_created_at: float, since: float, user_name: str, told_name: str) -> bool:
    """Whether a user can be the one that a workspace was made for: a server that was set back gives
    the same ids to others. `since` may be too late, as some engines date a volume by its last
    change; so the name counts, too. `told_name`: the owner's; "": not known."""
    return 0 < since >= user_created_at and told_name in ("", user_name)
