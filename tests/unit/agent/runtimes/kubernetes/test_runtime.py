"""The runtime before its cluster has answered; what it does afterwards is in tests/cluster."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.backend import KubernetesBackend
from moorage.agent.runtimes.port import Identity, Progress, RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause
from moorage.kernel.clock import SystemClock
from moorage.workspace_settings import RemoteDevelopment
from unit.agent.runtimes.kubernetes.api_server import serving


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
