"""What a start is told by: events and pods, from a small HTTP server; the real one is in
tests/cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Pod
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import POD, read
from moorage.agent.runtimes.kubernetes.starting.monitor import StartMonitor
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import Progress
from moorage.agent.settings import AgentSettings
from moorage.contract import (
    Cause,
    Container,
    DesiredState,
    DesiredWorkspace,
    EditorSpec,
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
        self.desired = DESIRED
        self.client: Client
        self.monitor: StartMonitor

    def read(self) -> list[ClusterObject]:
        return [read(item) for item in self.objects]

    async def list_events(self, request: web.Request) -> web.Response:
        uid = request.query["fieldSelector"].removeprefix("involvedObject.uid=")
        items = [event for event in self.events if event["involvedObject"]["uid"] == uid]
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": items})

    async def log(self, _: web.Request) -> web.Response:
        return web.Response(text="thinking")

    async def look(self) -> Progress:
        """What there is to see some seconds later."""
        self.clock.advance(5)
        await self.monitor.update(NAME, self.desired, self.read())
        return self.monitor.progress(NAME)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    application = web.Application()
    application.router.add_get(f"/api/v1/namespaces/{NAME}/events", cluster.list_events)
    application.router.add_get(f"/api/v1/namespaces/{NAME}/pods/p/log", cluster.log)
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
        cluster.client = client
        cluster.monitor = StartMonitor(
            client, AgentSettings(), cluster.clock, Silence(), lambda _: cluster.read()
        )
        yield cluster
        await cluster.monitor.close()
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
async def test_what_was_said_before_this_start(
    cluster: Cluster, times: dict[str, Any], code: str
) -> None:
    """An event about a claim that is older than the start says nothing about it; one that is seen
    again does."""
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
async def test_a_pod_that_was_deleted(
    cluster: Cluster, phase: str, deleted: str, told: bool
) -> None:
    """A pod that its node gave up is the reason for another; one that was deleted is not said to
    have been, though it ends in the same phase."""
    metadata = {
        "name": "p",
        "namespace": NAME,
        "uid": "p1",
        "creationTimestamp": "2023-11-14T21:00:00Z",
    }
    if deleted:
        metadata["deletionTimestamp"] = deleted
    status = {"phase": phase, "reason": "Evicted", "message": "low on memory"}
    cluster.objects.append({"kind": "Pod", "metadata": metadata, "status": status})
    details = {stage.name: stage.detail for stage in (await cluster.look()).stages}
    assert ("low on memory" in details[StageName.CONTAINERS]) is told


def ended(restarts: int, state: dict[str, Any] | None = None) -> Pod:
    """A pod whose container has ended once more, and waits, unless it has another state."""
    last = {"terminated": {"exitCode": 1, "startedAt": "2023-11-14T22:13:20Z"}}
    status = {"state": state or {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": last}
    entry = {"name": "py", "image": "i:1", "restartCount": restarts, **status}
    metadata = {"name": "p", "namespace": NAME, "uid": "p1"}
    return POD.read({"metadata": metadata, "status": {"containerStatuses": [entry]}})


async def test_ends_that_nobody_watched(cluster: Cluster) -> None:
    """Only ends that were there when a pod was seen first have not been watched; a new agent has
    watched none of them."""
    running = ended(3, state={"running": {}})
    assert cluster.monitor.unwatched(NAME, [running]) == frozenset()
    assert cluster.monitor.unwatched(NAME, [ended(3)]) == frozenset()
    cluster.monitor.forget(NAME)
    assert cluster.monitor.unwatched(NAME, [ended(3)]) == {"p1/py/3"}
    assert cluster.monitor.unwatched(NAME, [ended(4)]) == {"p1/py/3"}


async def test_a_node_whose_clock_is_slow(cluster: Cluster) -> None:
    """How long an editor has had is counted from when it was seen to run, whatever time its node
    says that was."""
    cluster.monitor = StartMonitor(
        cluster.client,
        AgentSettings(editor_timeout=12.0),
        cluster.clock,
        Silence(),
        lambda _: cluster.read(),
    )
    editor = EditorSpec(name="code-server", command=("start",))
    cluster.desired = msgspec.structs.replace(
        DESIRED, spec=msgspec.structs.replace(DESIRED.spec, editor=editor)
    )
    entry = {"name": "py", "image": "i:1", "imageID": "i", "started": False, "restartCount": 0}
    entry["state"] = {"running": {"startedAt": "2023-11-14T22:11:20Z"}}
    metadata = {
        "name": "p",
        "namespace": NAME,
        "uid": "p1",
        "annotations": {names.RUN: f"{BEGAN:.3f}"},
    }
    cluster.objects.append(
        {"kind": "Pod", "metadata": metadata, "status": {"containerStatuses": [entry]}}
    )
    for _ in range(3):
        assert (await cluster.look()).fault is None
    fault = (await cluster.look()).fault
    assert fault is not None
    assert (fault.code, "thinking" in fault.detail) == ("editor-port-not-open", True)
