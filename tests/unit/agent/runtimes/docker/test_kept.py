"""Which containers of an earlier start may stay."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.kept import may_stay
from moorage.agent.runtimes.port import digest_of
from moorage.agent.runtimes.projects import STAGE
from moorage.contract import DesiredState, DesiredWorkspace, WorkspaceSpec

DESIRED = DesiredWorkspace(
    name="w",
    generation=1,
    desired=DesiredState.RUNNING,
    spec=WorkspaceSpec(containers=(), main_container=""),
)


def inspected(role: str, status: str, *targets: str) -> dict[str, Any]:
    labels = {ownership.SPEC: digest_of(DESIRED.spec), ownership.RESTARTS: "0", objects.ROLE: role}
    return {
        "Config": {"Labels": labels},
        "State": {"Status": status, "Running": status == "running"},
        "Mounts": [{"Destination": target} for target in targets],
    }


@pytest.mark.parametrize(
    ("role", "status", "targets", "stays"),
    [
        ("sandbox", "running", ("/projects", STAGE), True),
        ("sandbox", "exited", ("/projects", STAGE), True),
        ("sandbox", "running", ("/projects",), True),
        ("sandbox", "exited", ("/projects",), False),
        ("sandbox", "created", ("/projects",), False),
        ("main", "exited", ("/projects",), True),
        ("main", "dead", ("/projects",), False),
    ],
)
def test_a_sandbox_of_an_earlier_version(
    role: str, status: str, targets: tuple[str, ...], stays: bool
) -> None:
    """One that runs goes on; one that ended is made anew, as it would clone within the other
    containers' reach."""
    assert may_stay(inspected(role, status, *targets), DESIRED) == stays
