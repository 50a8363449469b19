"""What a cluster can do, asked of a small HTTP server that answers as an API server would; the real
one is in tests/cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.cluster import discovery
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.kernel.clock import SystemClock
from unit.agent.runtimes.kubernetes.api_server import serving


class Server:
    """A cluster of one node. `refusal`: HTTP status of its answer to a dry run; 0: it keeps
    everything."""

    def __init__(self) -> None:
        self.kubelet = "v1.34.0"
        self.refusal = 0
        self.dry_runs: asyncio.Queue[int] = asyncio.Queue()
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            self.dry_runs.put_nowait(self.refusal)
            if self.refusal:
                return web.json_response({"kind": "Status", "message": "no"}, status=self.refusal)
            return web.json_response(await request.json())
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.35.0"})
        if request.path == "/apis":
            return web.json_response({"groups": [{"name": "apps"}]})
        info = {"kubeletVersion": self.kubelet, "containerRuntimeVersion": "containerd://2.1.0"}
        node = {"metadata": {"name": "n"}, "status": {"nodeInfo": info}}
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [node]})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serving(web.route("*", "/{path:.*}", server.answer)) as server.address:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    access = Access(server=server.address, token="t0k", source="a test", namespace="default")
    async with Client(access, TokenBucket(1000, 1000, SystemClock())) as client:
        yield client


async def after_dry_run(server: Server, refusal: int) -> None:
    """Returns when a whole look at the cluster has begun and ended since the server answers so."""
    server.refusal = refusal
    async with asyncio.timeout(20):
        for _ in range(3):
            while await server.dry_runs.get() != refusal:
                pass


async def test_what_a_cluster_learns(
    client: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes that are upgraded are noticed while the agent runs; a webhook that is away for a moment
    takes nothing away, a refusal does."""
    monkeypatch.setattr(discovery, "ASK_EVERY", 0.01)
    known = await discovery.abilities_of(client)
    assert (known.image_volumes, known.image_volumes_accepted) == (False, True)
    learned: asyncio.Queue[Abilities] = asyncio.Queue()
    task = asyncio.create_task(discovery.follow(client, known, learned.put_nowait))
    try:
        async with asyncio.timeout(20):
            server.kubelet = "v1.35.0"
            assert (await learned.get()).image_volumes
            await after_dry_run(server, 500)
            assert learned.empty()
            await after_dry_run(server, 403)
            assert not (await learned.get()).image_volumes_accepted
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("status", [403, 500])
async def test_the_first_look_takes_any_refusal(
    client: Client, server: Server, status: int
) -> None:
    """An agent that starts while a dry run is refused begins with the least that a cluster can
    do."""
    server.refusal = status
    assert await discovery.abilities_of(client) == Abilities(version="v1.35.0")
