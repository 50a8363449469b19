"""What is known of the cluster, against a small HTTP server that lists and watches Secrets; the
real one is in tests/cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import Secret
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import POD, SECRET
from moorage.agent.runtimes.kubernetes.observed.store import Store, hold
from moorage.agent.runtimes.port import Identity
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import MoorageError, Unavailable
from unit.agent.runtimes.kubernetes.api_server import serving

NAME = "workspace-1-1-abcdef"


def secret(name: str, version: int, workspace: str = NAME, **fields: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": NAME,
        "resourceVersion": str(version),
        "labels": ownership.labels_for(Identity("inst", 1), workspace),
        **fields,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "data": {"version": str(version)},
    }


class Server:
    """Lists what is there, and tells each watch the events that a test puts in."""

    def __init__(self) -> None:
        self.there: list[dict[str, Any]] = []
        self.version = 10
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.asked: list[str] = []
        self.address = ""

    async def pulse(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def secrets(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.query.get("resourceVersion", "list"))
        if "watch" not in request.query:
            metadata = {"resourceVersion": str(self.version)}
            items = [
                {key: value for key, value in item.items() if key not in ("kind", "apiVersion")}
                for item in self.there
            ]
            return web.json_response({"metadata": metadata, "items": items})
        stream = web.StreamResponse()
        await stream.prepare(request)
        while (event := await self.events.get())["type"] != "END":
            await stream.write(json.dumps(event).encode() + b"\n")
            if event["type"] == "ERROR":
                break
        return stream


class Heard:
    """What the store has told."""

    def __init__(self) -> None:
        self.changed: asyncio.Queue[str] = asyncio.Queue()
        self.lost: asyncio.Queue[MoorageError] = asyncio.Queue()
        self.found: asyncio.Queue[None] = asyncio.Queue()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serving(
        web.get("/api/v1/secrets", server.secrets), web.get("/version", server.pulse)
    ) as server.address:
        yield server
        for _ in server.asked:
            server.events.put_nowait({"type": "END"})  # of watches that nobody reads any more


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def store(server: Server, heard: Heard) -> AsyncIterator[Store]:
    access = Access(server=server.address, token="t0k", source="a test")
    async with Client(access, TokenBucket(1000, 1000, SystemClock())) as client:
        store = Store(
            client,
            "a=b",
            changed=heard.changed.put_nowait,
            lost=heard.lost.put_nowait,
            found=lambda: heard.found.put_nowait(None),
            kinds=(SECRET,),
        )
        yield store


@pytest.fixture
async def running(store: Store) -> AsyncIterator[Store]:
    task = asyncio.create_task(store.run())
    async with asyncio.timeout(20):
        yield store
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def known(store: Store) -> dict[str, str]:
    return {item.name: item.data["version"] for item in store.of(NAME, SECRET)}


async def test_a_list_and_what_comes_after_it(server: Server, running: Store, heard: Heard) -> None:
    """What is listed is known, whole and in parts; each event of the watch changes it, and names
    the workspace."""
    server.there = [secret("a", 3), secret("b", 4)]
    await heard.found.get()
    assert known(running) == {"a": "3", "b": "4"}
    assert running.names() == {NAME}
    assert [held.sent["data"] for held in running.held(NAME)] == [
        {"version": "3"},
        {"version": "4"},
    ]
    while not heard.changed.empty():
        heard.changed.get_nowait()
    server.events.put_nowait({"type": "MODIFIED", "object": secret("a", 11)})
    assert await heard.changed.get() == NAME
    assert known(running) == {"a": "11", "b": "4"}
    server.events.put_nowait({"type": "DELETED", "object": secret("b", 12)})
    assert await heard.changed.get() == NAME
    assert known(running) == {"a": "11"}
    assert running.of(NAME, POD) == []


async def test_a_point_that_the_server_has_forgotten(
    server: Server, running: Store, heard: Heard
) -> None:
    """A watch is resumed where it ended; where the server no longer knows that point, all is listed
    anew, and what has gone meanwhile is forgotten."""
    server.there = [secret("a", 3), secret("b", 4)]
    await heard.found.get()
    server.events.put_nowait(
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}}
    )
    server.events.put_nowait({"type": "END"})
    server.there, server.version = [secret("b", 4)], 30
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    server.events.put_nowait({"type": "ERROR", "object": gone})
    while known(running) != {"b": "4"}:
        await heard.changed.get()
    assert server.asked[:4] == ["list", "10", "20", "list"]
    assert running.relists == 1
    assert heard.lost.empty()


async def test_a_late_answer_brings_nothing_back(store: Store) -> None:
    """An answer to a write that is older than what a watch has told changes nothing."""
    store.put(secret("a", 5))
    store.put(secret("a", 4))
    assert known(store) == {"a": "5"}
    store._remove(("Secret", NAME, "a"), 6)
    store.put(secret("a", 6))
    assert known(store) == {}
    assert store.names() == frozenset()
    store.put(secret("a", 7))
    assert known(store) == {"a": "7"}


async def test_an_object_that_changes_hands(store: Store) -> None:
    """An object whose label names another workspace is that one's alone from then on."""
    store.put(secret("a", 5))
    store.put(secret("a", 6, "workspace-1-2-abcdef"))
    assert store.of(NAME) == []
    assert [item.name for item in store.of("workspace-1-2-abcdef")] == ["a"]


async def test_what_others_added_is_remembered_without_its_bookkeeping() -> None:
    """Of `managedFields`, only where others added something is kept."""
    theirs = {
        "manager": "kubectl",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:version": {}}},
    }
    held = hold(secret("a", 5, managedFields=[theirs]))
    assert held.foreign == ("/data/version",)
    assert "managedFields" not in held.sent["metadata"]
    assert held.read == Secret(metadata=held.read.metadata, data={"version": "5"})


async def test_an_object_that_cannot_be_read(server: Server, running: Store, heard: Heard) -> None:
    """Where the server sends something else than its API says, it counts as away, with what it
    sent; then it is listened to again."""
    await heard.found.get()
    server.events.put_nowait({"type": "ADDED", "object": {**secret("a", 11), "data": [1]}})
    error = await heard.lost.get()
    assert isinstance(error, Unavailable)
    assert error.code == "cluster-answer-unreadable"
    await heard.found.get()
    assert running.ready.is_set()
