"""What a start is told by: events and pods, from a small HTTP server; the real one is in tests/cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from moorage.agent.runtimes.kubernetes.access import Access
from moorage.agent.runtimes.kubernetes.attend import Attendant
from moorage.agent.runtimes.kubernetes.client import Client
from moorage.agent.runtimes.kubernetes.objects import plan as names
from moorage.agent.runtimes.kubernetes.rate import TokenBucket
from moorage.agent.runtimes.port import Progress
from moorage.agent.settings import AgentSettings
from moorage.contract import (
    Cause,
    Container,
    DesiredState,
    DesiredWorkspace,
    StageName,
    WorkspaceSpec,
)
from moorage.kernel.clock import FakeClock

NAME = "workspace-1-1-abcdef"
BEGAN = 1_700_000_000.5
DESIRED = DesiredWorkspace(
    name=NAME,
    generation=1,
    desired=DesiredState.RUNNING,
    spec=WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py"),
)
DEPLOYMENT = {
    "kind": "Deployment",
    "metadata": {"name": NAME, "namespace": NAME},
    "spec": {"template": {"metadata": {"annotations": {names.RUN: f"{BEGAN:.3f}"}}}},
}


class Silence:
    """A listener that does nothing."""

    def changed(self, workspace: str) -> None: ...
    def progressed(self, workspace: str) -> None: ...
    def lost(self, cause: Cause) -> None: ...
    def recovered(self) -> None: ...


class Cluster:
    """Tells events, and keeps a workspace's objects."""

    def __init__(self) -> None:
        self.clock = FakeClock(BEGAN + 2)
        self.events: list[dict[str, Any]] = []
        self.objects: list[dict[str, Any]] = [DEPLOYMENT]
        self.attendant: Attendant

    async def list_events(self, request: web.Request) -> web.Response:
        uid = request.query["fieldSelector"].removeprefix("involvedObject.uid=")
        items = [event for event in self.events if event["involvedObject"]["uid"] == uid]
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": items})

    async def look(self) -> Progress:
        """What there is to see some seconds later."""
        self.clock.advance(5)
        await self.attendant.attend(NAME, DESIRED, self.objects)
        return self.attendant.progress(NAME)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    application = web.Application()
    application.router.add_get(f"/api/v1/namespaces/{NAME}/events", cluster.list_events)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    access = Access(
        server=f"http://127.0.0.1:{runner.addresses[0][1]}",
        token="t0k",
        source="a test",
    )
    async with Client(access, TokenBucket(1000, 1000, cluster.clock)) as client:
        cluster.attendant = Attendant(
            client, AgentSettings(), cluster.clock, Silence(), lambda _: cluster.objects
        )
        yield cluster
        await cluster.attendant.close()
    await runner.cleanup()


def event(message: str, **times: Any) -> dict[str, Any]:
    reference = {"kind": "PersistentVolumeClaim", "name": "volume", "uid": "c1"}
    given = {"lastTimestamp": None, "eventTime": None, **times}
    return {
        "type": "Warning",
        "reason": "ProvisioningFailed",
        "message": message,
        "involvedObject": reference,
        **given,
    }


GONE = 'storageclass.storage.k8s.io "nowhere" not found'


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ({"lastTimestamp": "2023-11-14T22:12:50Z"}, ""),
        ({"lastTimestamp": "2023-11-14T22:13:20Z"}, "storage-class-not-found"),
        ({"eventTime": "2023-11-14T22:12:50.500000Z"}, ""),
        (
            {
                "eventTime": "2023-11-14T22:12:50.500000Z",
                "series": {"count": 3, "lastObservedTime": "2023-11-14T22:13:22.000000Z"},
            },
            "storage-class-not-found",
        ),
    ],
)
async def test_what_was_said_before_this_start(cluster: Cluster, times: dict[str, Any], code: str) -> None:
    """An event about a claim that is older than the start says nothing about it; one that is seen again does."""
    metadata = {
        "name": "volume",
        "namespace": NAME,
        "uid": "c1",
        "creationTimestamp": "2023-11-14T21:00:00Z",
    }
    claim = {"kind": "PersistentVolumeClaim", "metadata": metadata, "status": {"phase": "Pending"}}
    cluster.objects.append(claim)
    cluster.events = [event(GONE, **times)]
    fault = (await cluster.look()).fault
    assert (fault.code if fault is not None else "") == code


@pytest.mark.parametrize(
    ("phase", "deleted", "told"),
    [
        ("Failed", "", True),
        ("Failed", "2023-11-14T22:13:21Z", False),
        ("Succeeded", "2023-11-14T22:13:21Z", False),
    ],
)
async def test_a_pod_that_was_deleted(cluster: Cluster, phase: str, deleted: str, told: bool) -> None:
    """A pod that its node gave up is the reason for another; one that was deleted is not said to have been, though it ends
    in the same phase."""
    metadata = {"name": "p", "namespace": NAME, "uid": "p1", "creationTimestamp": "2023-11-14T21:00:00Z"}
    if deleted:
        metadata["deletionTimestamp"] = deleted
    status = {"phase": phase, "reason": "Evicted", "message": "low on memory"}
    cluster.objects.append({"kind": "Pod", "metadata": metadata, "status": status})
    details = {stage.name: stage.detail for stage in (await cluster.look()).stages}
    assert ("low on memory" in details[StageName.CONTAINERS]) is told
