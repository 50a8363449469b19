"""What the runtime writes and removes, on a cluster without nodes; the real one is in
tests/cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.backend import KubernetesBackend
from moorage.agent.runtimes.kubernetes.runtime import KubernetesRuntime
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import Identity, Progress, RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause, Container, DesiredState, DesiredWorkspace, WorkspaceSpec
from moorage.kernel.clock import SystemClock
from moorage.workspace_settings import RemoteDevelopment
from unit.agent.runtimes.kubernetes.api_server import serving
from unit.agent.runtimes.kubernetes.cluster_server import Cluster, Target, cluster


class Losses:
    """A listener that keeps why the cluster was lost."""

    def __init__(self) -> None:
        self.causes: asyncio.Queue[Cause] = asyncio.Queue()

    def changed(self, workspace: str) -> None: ...
    def progressed(self, workspace: str) -> None: ...
    def recovered(self) -> None: ...

    def lost(self, cause: Cause) -> None:
        self.causes.put_nowait(cause)


def backend(server: str) -> KubernetesBackend:
    access = Access(server=server, token="t0k", source="a test")
    return KubernetesBackend(access, AgentSettings(), RemoteDevelopment(), SystemClock())


async def test_nothing_is_known_before_the_cluster_answers() -> None:
    """Whatever is asked of a runtime that has not reached its cluster is a fault that may pass, and
    names the cluster."""
    used = backend("http://127.0.0.1:9")
    runtime = used.runtime_for(Identity("inst", 1), Losses())
    with pytest.raises(RuntimeFault, match=r"127\.0\.0\.1:9 does not answer") as caught:
        await runtime.names()
    assert not caught.value.final
    assert runtime.progress("workspace-1-1-abcdef") == Progress()
    await runtime.close()
    await used.close()


async def test_why_the_cluster_cannot_be_used_is_told() -> None:
    """A cluster that refuses the agent's token is told as that."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status"}, status=401)

    async with serving(web.route("*", "/{path:.*}", refuse)) as address:
        used, losses = backend(address), Losses()
        task = asyncio.create_task(used.runtime_for(Identity("inst", 1), losses).run())
        try:
            async with asyncio.timeout(20):
                cause = await losses.causes.get()
            assert cause.code == "cluster-token-refused"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await used.close()


NAME = "workspace-1-1-abcdef"
DESIRED = DesiredWorkspace(
    name=NAME,
    generation=1,
    desired=DesiredState.RUNNING,
    spec=WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py"),
    owner=5,
)
DATA = ["Namespace", "PersistentVolumeClaim", "Secret"]
"""Kinds that a stop leaves: the Secret is the record of the server's word."""
WRITES = ("PATCH", "DELETE")


class Up(Losses):
    """A listener that waits for the cluster, and for changes."""

    def __init__(self) -> None:
        super().__init__()
        self.is_up = asyncio.Event()
        self.changes: asyncio.Queue[str] = asyncio.Queue()

    def recovered(self) -> None:
        self.is_up.set()

    def changed(self, workspace: str) -> None:
        self.changes.put_nowait(workspace)


class Running:
    """A runtime that has reached its cluster."""

    def __init__(self, cluster: Cluster, runtime: KubernetesRuntime, heard: Up) -> None:
        self.cluster, self.runtime, self.heard = cluster, runtime, heard

    async def start(self, **fields: Any) -> None:
        desired = msgspec.structs.replace(DESIRED, **fields)
        await self.runtime.start(desired, received=1000.0)

    async def missing(self) -> tuple[str, ...]:
        """What a start would write, once anything is known to be missing."""
        while True:
            run = (await self.runtime.observe(NAME, DESIRED)).run
            if run is not None and run.missing:
                return run.missing
            await self.heard.changes.get()

    def writes(self) -> list[tuple[str, str]]:
        return [request for request in self.cluster.requests if request[0] in WRITES]


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with cluster() as made, asyncio.timeout(60):
        used, up = backend(made.address), Up()
        runtime = used.runtime_for(Identity("inst", 1, "here"), up)
        task = asyncio.create_task(runtime.run())
        await up.is_up.wait()
        yield Running(made, runtime, up)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runtime.close()
        await used.close()


async def test_a_start_writes_what_is_missing_once(running: Running) -> None:
    """A start makes all objects, the namespace first and the Deployment last; the same again writes
    nothing."""
    await running.start()
    paths = [path for _, path in running.writes()]
    assert paths[0].endswith(f"/namespaces/{NAME}")
    assert paths[-1].endswith(f"/deployments/{NAME}")
    observed = await running.runtime.observe(NAME, DESIRED)
    assert observed.run is not None
    assert (observed.recorded, observed.run.missing, observed.generation) == (True, (), 1)
    await running.start()
    assert [path for _, path in running.writes()] == paths
    assert await running.runtime.names() == {NAME}


async def test_what_somebody_deleted_is_missing_until_it_is_mended(running: Running) -> None:
    """An object that is gone is told in words, and alone is written again."""
    await running.start()
    await running.cluster.delete(Target("services", NAME, NAME))
    before = len(running.writes())
    assert await running.missing() == ("its service",)
    await running.start()
    assert [path.split("/")[-2] for _, path in running.writes()[before:]] == ["services"]


async def test_a_failed_run_is_halted_and_followed_by_another(running: Running) -> None:
    """A halt scales the Deployment down, and remembers it; a start begins another run."""
    await running.start()
    await running.runtime.halt(NAME)
    deployment = running.cluster.objects[Target("deployments", NAME, NAME)]
    assert deployment["spec"]["replicas"] == 0
    observed = await running.runtime.observe(NAME, DESIRED)
    assert observed.run is not None
    assert not observed.run.missing
    await running.runtime.start(DESIRED, received=2000.0)
    deployment = running.cluster.objects[Target("deployments", NAME, NAME)]
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["template"]["metadata"]["annotations"][names.RUN] == "2000.000"
    assert deployment["metadata"]["annotations"][names.HALTED] == ""


async def test_a_stop_leaves_the_data(running: Running) -> None:
    """A stop leaves namespace, volume and the server's word, and nothing else; a newer word is kept
    there."""
    await running.start()
    await running.runtime.stop(NAME)
    assert running.cluster.kinds() == DATA
    observed = await running.runtime.observe(NAME, DESIRED)
    assert (observed.data, observed.leftovers, observed.run) == (True, False, None)
    await running.runtime.note(
        msgspec.structs.replace(DESIRED, generation=2, desired=DesiredState.STOPPED)
    )
    observed = await running.runtime.observe(NAME, DESIRED)
    assert observed.known is not None
    assert (observed.known.generation, observed.known.desired) == (2, DesiredState.STOPPED)


async def test_a_removal_leaves_nothing(running: Running) -> None:
    """A removal takes the namespace and all that is in it; again, it does nothing."""
    await running.start()
    await running.runtime.remove(NAME)
    assert running.cluster.objects == {}
    assert await running.runtime.names() == frozenset()
    await running.runtime.remove(NAME)


async def test_nobody_elses_namespace_is_taken(running: Running) -> None:
    """A namespace of the workspace's name that somebody else has is left as it is, and the start
    ends for good."""
    theirs = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAME, "labels": {"team": "blue"}},
    }
    await running.cluster.put(theirs)
    with pytest.raises(RuntimeFault) as caught:
        await running.start()
    assert (caught.value.cause.code, caught.value.final) == ("namespace-taken", True)
    assert running.cluster.kinds() == ["Namespace"]


async def test_a_pod_that_its_node_gave_up_goes(running: Running) -> None:
    """A pod that a node gave up is told as missing, and a start removes it."""
    await running.start()
    run = running.cluster.objects[Target("deployments", NAME, NAME)]["spec"]["template"]["metadata"]
    metadata = {**run, "name": "p", "namespace": NAME}
    await running.cluster.put(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Failed"}}
    )
    assert await running.missing() == ("a pod that its node put out",)
    await running.start()
    assert "Pod" not in running.cluster.kinds()
