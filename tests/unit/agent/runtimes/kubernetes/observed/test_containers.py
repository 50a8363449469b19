"""Containers and their logs, from a store that holds a workspace and a small HTTP server that has
logs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.commands import Place
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.observed import containers
from moorage.agent.runtimes.kubernetes.observed.states import Halted
from moorage.agent.runtimes.kubernetes.observed.store import Store
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.ownership import labels_for
from moorage.agent.runtimes.port import Identity
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import NotFound
from unit.agent.runtimes.kubernetes.api_server import serving

NAME = "workspace-1-1-abcdef"
LOGS = {
    names.SANDBOX: b'Cloning\n{"event":"cloning","detail":"a"}\ndone\n',
    "py": b"one\ntwo\n",
    "db": b"before the end\n",
}
RUNNING = {"state": {"running": {}}}
RESTARTING = {"state": {"waiting": {}}, "lastState": {"terminated": {"exitCode": 1}}}


class Workspace:
    """A workspace that is known, and whose logs can be asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.client: Client
        self.store: Store

    async def log(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        return web.Response(body=LOGS[request.query["container"]])

    def put(self, kind: str, name: str, **fields: Any) -> None:
        metadata = {
            "name": name,
            "namespace": NAME,
            "uid": name,
            "resourceVersion": "1",
            "labels": labels_for(Identity("inst", 1), NAME),
            **fields.pop("metadata", {}),
        }
        self.store.put({"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields})

    def start(self, **annotations: str) -> None:
        metadata = {"annotations": {names.MAIN: "py", **annotations}}
        self.put("Deployment", NAME, metadata=metadata)

    def run(self) -> None:
        """A pod with the main container, one that waits to be started again, one that is not there
        yet, and Moorage's own."""
        regular = [
            {"name": names.SANDBOX, **RUNNING},
            {"name": "py", **RUNNING},
            {"name": "db", **RESTARTING},
        ]
        steps = [{"name": names.TOOLS_STEP, "state": {"terminated": {"exitCode": 0}}}]
        self.put("Pod", "p", status={"containerStatuses": regular, "initContainerStatuses": steps})

    async def read(self, container: str, *, tail: int | None = None) -> bytes:
        chunks = containers.logs(self.client, self.store, NAME, container, follow=True, tail=tail)
        return b"".join([chunk.data async for chunk in chunks])


@pytest.fixture
async def workspace() -> AsyncIterator[Workspace]:
    workspace = Workspace()
    async with serving(web.get(f"/api/v1/namespaces/{NAME}/pods/p/log", workspace.log)) as address:
        access = Access(server=address, token="t0k", source="a test")
        async with Client(access, TokenBucket(1000, 1000, SystemClock())) as client:
            workspace.client = client
            workspace.store = Store(
                client,
                "",
                changed=lambda _: None,
                lost=lambda _: None,
                found=lambda: None,
                kinds=(),
            )
            yield workspace


@pytest.mark.parametrize(
    ("asked", "text", "previous"),
    [
        ("", b"one\ntwo\n", False),
        ("py", b"one\ntwo\n", False),
        ("db", b"before the end\n", True),
        ("clone", b"Cloning\ndone\n", False),
        ("sandbox", b"Cloning\ndone\n", False),
    ],
)
async def test_logs(workspace: Workspace, asked: str, text: bytes, previous: bool) -> None:
    """A container's log is its own name's, the main one's by default; of one that waits to be
    started again, that of the run before, which has an end; the sandbox's is without its events."""
    workspace.start()
    workspace.run()
    assert await workspace.read(asked) == text
    assert [("previous" in query, "follow" in query) for query in workspace.asked] == [
        (previous, not previous)
    ]


@pytest.mark.parametrize(
    ("asked", "tail", "text"),
    [
        ("", None, b"one\ntwo\n"),
        ("", 1, b"two\n"),
        ("", 0, b""),
        ("db", None, b""),
        ("clone", None, b"cloned\n"),
    ],
)
async def test_logs_of_what_was_halted(
    workspace: Workspace, asked: str, tail: int | None, text: bytes
) -> None:
    """A workspace that was ended for its fault has the last lines that were kept, and the cluster
    is not asked."""
    kept = Halted(logs={"py": "one\ntwo\n", names.SANDBOX: "cloned\n"})
    workspace.start(**{names.HALTED: msgspec.json.encode(kept).decode()})
    assert await workspace.read(asked, tail=tail) == text
    assert workspace.asked == []


@pytest.mark.parametrize("asked", ["", "py"])
async def test_where_a_command_runs(workspace: Workspace, asked: str) -> None:
    """A command runs in the container that was asked for, the main one by default."""
    workspace.start()
    workspace.run()
    assert containers.place(workspace.store, NAME, asked) == Place(NAME, "p", "py")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("db", "container-not-running"),
        ("nobody", "container-not-found"),
        ("sandbox", "container-not-found"),
        (names.SANDBOX, "container-not-found"),
        (names.TOOLS_STEP, "container-not-found"),
    ],
)
async def test_where_no_command_runs(workspace: Workspace, asked: str, code: str) -> None:
    """Nothing runs in a container that is not there or does not run, nor in those with the
    credentials; what there is is told."""
    workspace.start()
    workspace.run()
    with pytest.raises(NotFound) as caught:
        containers.place(workspace.store, NAME, asked)
    assert caught.value.code == code
    if code == "container-not-found":
        assert caught.value.hint == "It has: db, py."


async def test_a_workspace_that_does_not_run(workspace: Workspace) -> None:
    """Without a pod there is nothing to read or to run in."""
    workspace.start()
    with pytest.raises(NotFound, match="does not run"):
        containers.place(workspace.store, NAME, "")
    with pytest.raises(NotFound, match="does not run"):
        await workspace.read("")
