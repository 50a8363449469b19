"""Clones that are followed by their logs, from a small HTTP server; the real one is in
tests/cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import Pod
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import POD
from moorage.agent.runtimes.kubernetes.starting.followers import CloneFollowers
from moorage.agent.runtimes.kubernetes.starting.progress import StartProgress
from moorage.agent.runtimes.kubernetes.wanted.names import SANDBOX
from moorage.contract import Container, DesiredState, DesiredWorkspace, Project, WorkspaceSpec
from moorage.kernel.clock import SystemClock
from unit.agent.runtimes.kubernetes.api_server import serving

NAME = "workspace-1-1-abcdef"
SPEC = WorkspaceSpec(
    containers=(Container(name="py", image="i"),),
    main_container="py",
    projects=(
        Project(name="app", clone_path="app", url="https://git.example.com/app.git", ref="nope"),
    ),
)
DESIRED = DesiredWorkspace(name=NAME, generation=1, desired=DesiredState.RUNNING, spec=SPEC)


def cloning(restarts: int = 0, *, started: bool = False) -> Pod:
    """A pod whose sandbox runs; `started`: it has cloned already."""
    entry = {
        "name": SANDBOX,
        "state": {"running": {}},
        "restartCount": restarts,
        "started": started,
    }
    metadata = {"name": "p", "namespace": NAME, "uid": "p1"}
    return POD.read({"metadata": metadata, "status": {"containerStatuses": [entry]}})


class Logs:
    """The log of the sandbox: pieces that a test puts in, until an empty one."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.asked = 0
        self.address = ""

    async def log(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        answer = web.StreamResponse()
        await answer.prepare(request)
        while piece := await self.pieces.get():
            await answer.write(piece)
        return answer


class Told:
    """What the followers have told, by workspace."""

    def __init__(self) -> None:
        self.changed: asyncio.Queue[str] = asyncio.Queue()
        self.broken: asyncio.Queue[str] = asyncio.Queue()


@pytest.fixture
async def logs() -> AsyncIterator[Logs]:
    logs = Logs()
    async with serving(web.get(f"/api/v1/namespaces/{NAME}/pods/p/log", logs.log)) as logs.address:
        yield logs
        for _ in range(logs.asked):
            logs.pieces.put_nowait(b"")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def followers(logs: Logs, told: Told) -> AsyncIterator[CloneFollowers]:
    access = Access(server=logs.address, token="t0k", source="a test")
    async with Client(access, TokenBucket(1000, 1000, SystemClock())) as client:
        followers = CloneFollowers(client, told.changed.put_nowait, told.broken.put_nowait)
        async with asyncio.timeout(20):
            yield followers
        await followers.close()


async def test_events_that_come_in_pieces(
    followers: CloneFollowers, logs: Logs, told: Told
) -> None:
    """Events are read however the log is cut up, until the clone has ended; the same container is
    followed once."""
    start = StartProgress("1.0")
    followers.follow(NAME, DESIRED, start, cloning())
    for piece in (
        b'{"event":"cloning","detail":"https://u:p',
        b'@h/a"}\nCloning into',
        b" 'app'...\n",
    ):
        logs.pieces.put_nowait(piece)
    assert await told.changed.get() == NAME
    assert start.clone_log.detail == "Cloning https://h/a."
    followers.follow(NAME, DESIRED, start, cloning())
    logs.pieces.put_nowait(b'{"event":"done"}\n')
    while not start.clone_log.done:
        await told.changed.get()
    assert logs.asked == 1
    assert told.broken.empty()


async def test_a_clone_that_failed(followers: CloneFollowers, logs: Logs, told: Told) -> None:
    """A clone that failed is told with the project's address and ref."""
    start = StartProgress("1.0")
    followers.follow(NAME, DESIRED, start, cloning())
    logs.pieces.put_nowait(b'{"event":"failed","path":"app","code":"unknown-ref","detail":""}\n')
    while start.clone_log.fault is None:
        await told.changed.get()
    assert start.clone_log.fault.code == "ref-not-found"
    assert "'nope'" in start.clone_log.fault.message


async def test_a_log_that_breaks_off(followers: CloneFollowers, logs: Logs, told: Told) -> None:
    """Where the log ends before the clone, that is told; following again reads it from the
    beginning."""
    start = StartProgress("1.0")
    followers.follow(NAME, DESIRED, start, cloning())
    logs.pieces.put_nowait(b'{"event":"cloning","detail":"a"}\n')
    logs.pieces.put_nowait(b"")
    assert await told.broken.get() == NAME
    followers.follow(NAME, DESIRED, start, cloning())
    assert start.clone_log.detail == ""
    logs.pieces.put_nowait(b'{"event":"done"}\n')
    while not start.clone_log.done:
        await told.changed.get()
    assert logs.asked == 2


async def test_what_has_cloned_is_not_followed(followers: CloneFollowers, logs: Logs) -> None:
    """A sandbox that has cloned goes on running, and nobody reads its log; nor is there one without
    a pod."""
    start = StartProgress("1.0")
    followers.follow(NAME, DESIRED, start, cloning(started=True))
    followers.follow(NAME, DESIRED, start, None)
    await followers.close()
    assert logs.asked == 0
