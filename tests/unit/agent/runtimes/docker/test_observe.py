"""From an engine's words about containers to a `Run`."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes.docker.observe import missing, run_of, seconds
from moorage.agent.runtimes.port import Progress, digest_of
from moorage.contract import (
    Container,
    ContainerState,
    DesiredState,
    DesiredWorkspace,
    WorkspaceSpec,
)

SPEC = WorkspaceSpec(
    containers=(Container(name="py", image="i"), Container(name="db", image="i")),
    main_container="py",
)
DESIRED = DesiredWorkspace(name="w", generation=1, desired=DesiredState.RUNNING, spec=SPEC)
EARLY, LATE = "2026-01-01T10:00:00.123456789Z", "2026-01-01T10:00:05Z"


def inspected(
    name: str, role: str, status: str = "running", started: str = LATE, **state: Any
) -> dict[str, Any]:
    labels = {
        "moorage.dev/container": name,
        "moorage.dev/role": role,
        "moorage.dev/restarts": "2",
        "moorage.dev/spec": digest_of(SPEC),
        "moorage.dev/generation": "5",
    }
    return {
        "Id": f"id-{name}",
        "Config": {"Labels": labels, "Image": "i"},
        "State": {
            "Status": status,
            "StartedAt": started,
            "FinishedAt": "0001-01-01T00:00:00Z",
            **state,
        },
        "NetworkSettings": {
            "Networks": {"w": {"IPAddress": "10.0.0.2" if role == "sandbox" else ""}}
        },
    }


SANDBOX, MAIN, SIDE = (
    inspected("sandbox", "sandbox", started=EARLY),
    inspected("py", "main"),
    inspected("db", "sidecar"),
)


def test_a_run() -> None:
    """Labels tell what it was made from; the sandbox has the address; main comes first."""
    run = run_of([SANDBOX, SIDE, MAIN], DESIRED, {}, Progress(ready=True))
    assert run is not None
    assert (run.restarts, run.spec, run.generation) == (2, digest_of(SPEC), 5)
    assert (run.address, run.missing) == ("10.0.0.2", ())
    assert [container.name for container in run.containers] == ["py", "db", "sandbox"]


def test_nothing() -> None:
    """Without a container there is no run."""
    assert run_of([], DESIRED, {}, Progress()) is None


MISSING = [
    ([SANDBOX, MAIN], ["container db"]),
    ([MAIN, SIDE], ["the sandbox"]),
    (
        [SANDBOX, MAIN, inspected("db", "sidecar", "created")],
        ["container db, which was never started"],
    ),
    (
        [
            inspected("sandbox", "sandbox", started=LATE),
            inspected("py", "main", started=EARLY),
            SIDE,
        ],
        ["container py, which is in a network that is gone"],
    ),
    ([SANDBOX, MAIN, inspected("db", "sidecar", "exited", ExitCode=1)], []),
    ([SANDBOX, MAIN, SIDE, inspected("x", "init", "created")], []),
]


@pytest.mark.parametrize(("containers", "expected"), MISSING)
def test_missing(containers: list[dict[str, Any]], expected: list[str]) -> None:
    """What must be made or started is told; what has ended is another matter."""
    assert missing(containers, DESIRED) == expected


STATES = [
    ("running", ContainerState.RUNNING),
    ("paused", ContainerState.RUNNING),
    ("created", ContainerState.WAITING),
    ("configured", ContainerState.WAITING),
    ("exited", ContainerState.EXITED),
    ("stopped", ContainerState.EXITED),
    ("dead", ContainerState.EXITED),
]


@pytest.mark.parametrize(("status", "state"), STATES)
def test_states(status: str, state: ContainerState) -> None:
    """Docker's and Podman's words for a container's state mean one of three."""
    run = run_of([inspected("py", "main", status)], DESIRED, {}, Progress())
    assert run is not None
    assert run.containers[0].state is state


def test_an_end_has_a_cause() -> None:
    """A container that ended tells its exit code, when, and why, with the last lines."""
    end = inspected("py", "main", "exited", ExitCode=3, FinishedAt=LATE)
    run = run_of([SANDBOX, end], DESIRED, {"id-py": "last words"}, Progress())
    assert run is not None
    main = run.containers[0]
    assert (main.exit_code, main.finished_at) == (3, seconds(LATE))
    assert main.fault is not None
    assert (main.fault.code, main.fault.detail) == ("container-crashed", "last words")


def test_a_sandbox_that_ended_has_no_address() -> None:
    """Nobody is sent to a network that is gone."""
    run = run_of([inspected("sandbox", "sandbox", "exited", ExitCode=1)], DESIRED, {}, Progress())
    assert run is not None
    assert run.address == ""


def test_seconds() -> None:
    """An engine's times have nanoseconds, or mean never."""
    assert seconds(EARLY) == pytest.approx(1767261600.123456)
    assert seconds("0001-01-01T00:00:00Z") is None
    assert seconds("") is None
