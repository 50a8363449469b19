"""How the API server's objects are read."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes.kubernetes.api.model import Event, Terminated
from moorage.agent.runtimes.kubernetes.api.resources import BY_NAME, EVENT, POD, read
from moorage.kernel.errors import Unavailable


@pytest.mark.parametrize("kind", sorted(BY_NAME))
def test_what_is_left_out_has_a_default(kind: str) -> None:
    """Of each kind, an object with nothing but its name can be read, and knows its kind and
    place."""
    item = read({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "n"}})
    assert item.key == (kind, "n", "a")
    assert type(item) is BY_NAME[kind].model
    assert (item.metadata.created_at, item.metadata.deleted) == (None, False)


def test_what_nobody_reads_is_passed_over() -> None:
    """Fields that the agent does not know, in whatever version of the API, are no reason to refuse
    an object."""
    status = {"phase": "Running", "hostIPs": [{"ip": "10.0.0.1"}], "later": {"than": [1]}}
    pod = POD.read(
        {"metadata": {"name": "p", "managedFields": [{}]}, "spec": {"x": 1}, "status": status}
    )
    assert pod.status.phase == "Running"


def test_an_object_that_cannot_be_read() -> None:
    """One whose fields have other types than the API says is an error of the cluster's, which names
    the kind and the place."""
    with pytest.raises(Unavailable, match=r"sent a Pod that cannot be read.*status\.phase"):
        POD.read({"metadata": {"name": "p"}, "status": {"phase": 7}})
    with pytest.raises(Unavailable, match="cannot be read"):
        POD.decode(b"{")


RUNNING = {"running": {"startedAt": "2026-01-01T10:00:00Z"}}
ENDED = {"terminated": {"exitCode": 3, "startedAt": None, "finishedAt": None}}
WAITING = {"waiting": {"reason": "CrashLoopBackOff"}}


@pytest.mark.parametrize(
    ("state", "last", "ended", "awaits_restart"),
    [
        (RUNNING, ENDED, False, False),
        (ENDED, {}, True, False),
        (WAITING, ENDED, True, True),
        (WAITING, {}, False, False),
        ({}, {}, False, False),
    ],
)
def test_whether_a_container_has_ended(
    state: dict[str, Any], last: dict[str, Any], ended: bool, awaits_restart: bool
) -> None:
    """A container that waits to be started again has ended; one that runs again, or never ran, has
    not."""
    entry = {"name": "py", "imageID": "sha256:1", "state": state, "lastState": last}
    pod = POD.read({"metadata": {"name": "p"}, "status": {"containerStatuses": [entry]}})
    status = pod.container("py")
    assert status is not None
    assert status.ended == (Terminated(exit_code=3) if ended else None)
    assert status.awaits_restart is awaits_restart
    assert status.image_id == "sha256:1"


@pytest.mark.parametrize(
    ("times", "at"),
    [
        ({}, 0.0),
        ({"lastTimestamp": "1970-01-01T00:00:05Z", "eventTime": None}, 5.0),
        ({"lastTimestamp": None, "eventTime": "1970-01-01T00:00:05.500000Z"}, 5.5),
        (
            {
                "eventTime": "1970-01-01T00:00:05.500000Z",
                "series": {"count": 3, "lastObservedTime": "1970-01-01T00:00:09.000000Z"},
            },
            9.0,
        ),
    ],
)
def test_when_an_event_was_seen_last(times: dict[str, Any], at: float) -> None:
    """Whoever reported an event, in the old form or in the new one, its last time counts."""
    event: Event = EVENT.read({"metadata": {"name": "e"}, **times})
    assert event.last_seen_at == at
