"""The port's `Runtime` on a Kubernetes cluster.

Everything is read from the store's memory of the cluster; only what differs is written. What an
action started is waited for, so that its end is the end of the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.faults import faults
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Deployment, Pod
from moorage.agent.runtimes.kubernetes.apply import removal, start
from moorage.agent.runtimes.kubernetes.apply.connection import Connection
from moorage.agent.runtimes.kubernetes.observed import containers, observation, states
from moorage.agent.runtimes.kubernetes.wanted import records
from moorage.agent.runtimes.port import (
    ExecRequest,
    ExecSession,
    LogChunk,
    Observed,
    Progress,
    Rescue,
    Run,
    RuntimeFault,
    StepRequest,
)
from moorage.agent.runtimes.rescue import made_as
from moorage.agent.runtimes.step_output import StepOutput
from moorage.contract import Cause, DesiredWorkspace, WorkspaceSpec


class KubernetesRuntime:
    """The workspaces of one agent, through its connection to the cluster."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.client = connection.client

    async def run(self) -> None:
        await self.connection.run()

    async def close(self) -> None:
        await self.connection.close()

    # -------------------------------------------------------------------------------------- observe
    async def names(self) -> frozenset[str]:
        return self._connected().store.names() - {""}

    async def observe(self, name: str, desired: DesiredWorkspace | None) -> Observed:
        connection = self._connected()
        found = states.present(connection.store.of(name))
        run = None
        if any(isinstance(item, Deployment | Pod) for item in found):
            run = await self._run_of(connection, name, desired, found)
        else:
            connection.forget(name)
        volumes = desired.spec.volumes if desired is not None else ()
        return observation.observed(name, found, run, [volume.name for volume in volumes])

    async def _run_of(
        self,
        connection: Connection,
        name: str,
        desired: DesiredWorkspace | None,
        found: list[ClusterObject],
    ) -> Run | None:
        pods = [item for item in found if isinstance(item, Pod)]
        deployment = next((item for item in found if isinstance(item, Deployment)), None)
        mark = states.rescue_of(deployment)
        if desired is not None:
            desired = made_as(desired, mark)
        with faults("looking at the workspace"):
            lines = await connection.monitor.update(name, desired, found, wait=False)
        facts = states.Facts(
            deployment=deployment,
            pods=pods,
            lines=lines,
            unwatched=connection.monitor.unwatched(name, pods),
            missing=start.missing(connection, desired, found, rescue=mark),
            crash_limit=connection.options.crash_limit,
            crash_window=connection.options.crash_window,
        )
        return states.run_of(facts, connection.monitor.progress(name))

    def progress(self, name: str) -> Progress:
        return self.connection.monitor.progress(name)

    # ---------------------------------------------------------------------------------------- apply
    async def start(
        self,
        desired: DesiredWorkspace,
        *,
        received: float,
        fresh: bool = False,
        rescue: Rescue | None = None,
    ) -> None:
        connection = self._connected()
        with faults("applying the workspace's objects"):
            await start.start(connection, desired, received=received, fresh=fresh, rescue=rescue)

    async def note(self, desired: DesiredWorkspace) -> None:
        connection = self._connected()
        found = states.present(connection.store.of(desired.name))
        if not (namespace := records.namespace_in(found)):
            return
        with faults("keeping a record of the workspace"):
            for item in records.newer(desired, connection.identity, namespace, found):
                await connection.writer.keep(item)

    async def halt(self, name: str) -> None:
        connection = self._connected()
        with faults("ending a failed workspace's processes"):
            await removal.halt(connection, name)

    async def stop(self, name: str) -> None:
        connection = self._connected()
        with faults("stopping the workspace"):
            await removal.stop(connection, name)

    async def remove(self, name: str) -> None:
        connection = self._connected()
        with faults("removing the workspace"):
            await removal.remove(connection, name)

    # ---------------------------------------------------------------------------- logs and commands
    async def logs(
        self, name: str, container: str = "", *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[LogChunk]:
        store = self._connected().store
        async for chunk in containers.logs(
            self.client, store, name, container, follow=follow, tail=tail
        ):
            yield chunk

    @asynccontextmanager
    async def execute(
        self, name: str, request: ExecRequest, spec: WorkspaceSpec | None = None
    ) -> AsyncIterator[ExecSession]:
        place = containers.place(self._connected().store, name, request.container)
        folder = spec.folder if spec is not None and place.container == spec.main_container else ""
        async with commands.running(self.client, place, request, folder) as session:
            yield session

    async def run_step(
        self, name: str, request: StepRequest, heard: Callable[[bytes], None] | None = None
    ) -> tuple[int, str]:
        place = containers.place(self._connected().store, name, request.container)
        return await commands.run_step(self.client, place, request, StepOutput(heard))

    def _connected(self) -> Connection:
        """The connection, while what it knows is up to date. Raises `RuntimeFault`, not final."""
        if not self.connection.store.ready.is_set():
            cause = Cause(
                code="cluster-unreachable",
                message=f"The cluster's API server {self.client.access.server} does not answer.",
            )
            raise RuntimeFault(cause, final=False)
        return self.connection
