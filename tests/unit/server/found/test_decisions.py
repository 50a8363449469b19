"""What becomes of what agents know and the server does not, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.contract import DesiredState, FoundWorkspace, stands_against
from moorage.server.found import decisions
from moorage.server.workspaces.decisions import Intent

NAME = "workspace-1-1-abc123"


def found(**fields: Any) -> FoundWorkspace:
    given: dict[str, Any] = {"name": NAME, "mark": "m", "generation": 5, "restarts": 2, **fields}
    return FoundWorkspace(**given)


@pytest.mark.parametrize(
    ("told", "intent"),
    [
        (found(desired=DesiredState.RUNNING), Intent(DesiredState.RUNNING, 6, 2)),
        (found(desired=DesiredState.STOPPED), Intent(DesiredState.STOPPED, 6, 2)),
        (found(desired=DesiredState.TERMINATED), Intent(DesiredState.STOPPED, 6, 2)),
        (found(desired=DesiredState.TERMINATED, running=True), Intent(DesiredState.RUNNING, 6, 2)),
        (found(running=True), Intent(DesiredState.RUNNING, 6, 2)),
        (found(), Intent(DesiredState.STOPPED, 6, 2)),
    ],
)
def test_a_server_that_was_set_back_follows(told: FoundWorkspace, intent: Intent) -> None:
    """What the agent knows goes on, above its generation; nothing is deleted on the strength of
    what is not known."""
    assert decisions.followed(told) == intent


DAY = decisions.DAY


@pytest.mark.parametrize(
    ("shown_at", "elsewhere", "days", "started_at", "at"),
    [
        (None, False, 14, 0.0, None),
        (100 * DAY, False, 14, 0.0, 114 * DAY),
        (100 * DAY, False, 0, 0.0, None),
        (100 * DAY, False, -1, 0.0, None),
        (100 * DAY, True, 14, 0.0, None),
        (100 * DAY, False, 14, 113 * DAY, 114 * DAY),
        (100 * DAY, False, 14, 130 * DAY, 131 * DAY),
    ],
)
def test_when_it_is_removed_by_itself(
    shown_at: float | None, elsewhere: bool, days: float, started_at: float, at: float | None
) -> None:
    """Days after it was shown, and never before that; never what another agent works on; a day
    after a start that came late."""
    assert (
        decisions.removal_at(
            shown_at=shown_at, elsewhere=elsewhere, days=days, started_at=started_at
        )
        == at
    )


@pytest.mark.parametrize(
    ("told", "desired", "knows_more"),
    [
        (found(generation=6), DesiredState.STOPPED, True),
        (found(generation=4), DesiredState.TERMINATED, False),
        (found(desired=DesiredState.RUNNING), DesiredState.STOPPED, False),
        (found(desired=DesiredState.RUNNING), DesiredState.TERMINATED, True),
        (found(desired=DesiredState.STOPPED), DesiredState.TERMINATED, True),
        (found(desired=DesiredState.TERMINATED), DesiredState.TERMINATED, False),
        (found(), DesiredState.TERMINATED, False),
    ],
)
def test_who_knows_more(told: FoundWorkspace, desired: DesiredState, knows_more: bool) -> None:
    """Whoever has the higher generation; in the same one, an agent that was never told of the
    deletion which the server counted again."""
    assert (
        stands_against(told.generation, told.desired, generation=5, desired=desired) is knows_more
    )


@pytest.mark.parametrize(
    ("told", "plausible"),
    [
        (found(), True),
        (found(name="workspace-2-1-abc123"), False),
        (found(name="kube-system"), False),
        (found(generation=2**31), False),
        (found(generation=-1), False),
        (found(owner=10**30), False),
        (found(restarts=2**40), False),
    ],
)
def test_what_an_agent_may_have_found(told: FoundWorkspace, plausible: bool) -> None:
    """A workspace's name of its own, and numbers that a database holds: one agent's odd words keep
    nothing else from being stored."""
    assert decisions.is_plausible(told, 1) is plausible


@pytest.mark.parametrize(
    ("told", "terminated_at", "ended"),
    [
        (found(since=50.0), 100.0, True),
        (found(since=150.0), 100.0, False),
        (found(since=0.0), 100.0, False),
        (found(since=50.0), None, False),
        (found(since=50.0, generation=6), 100.0, False),
        (found(since=50.0, desired=DesiredState.STOPPED), 100.0, False),
        (found(since=50.0, generation=4, desired=DesiredState.STOPPED), 100.0, True),
        (found(since=50.0, elsewhere="the state folder /b"), 100.0, False),
    ],
)
def test_what_this_server_has_deleted(
    told: FoundWorkspace, terminated_at: float | None, ended: bool
) -> None:
    """Only what was there when it was deleted, in a generation that was known then: a namespace or
    volume that somebody put back later is kept."""
    assert decisions.is_ended(told, generation=5, terminated_at=terminated_at) is ended


def test_whose_it_was() -> None:
    """A user who is younger than the workspace, or has another name than its owner had, has got the
    id of somebody who was lost."""

    def kin(user_created_at: float, since: float, told_name: str = "ana") -> bool:
        return decisions.is_kin(
            user_created_at=user_created_at, since=since, user_name="ana", told_name=told_name
        )

    assert kin(10, 11)
    assert kin(11, 11, "")
    assert not kin(12, 11)
    assert not kin(0, 0)
    assert not kin(10, 11, "eve")
