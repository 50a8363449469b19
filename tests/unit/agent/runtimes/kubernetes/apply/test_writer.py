"""What is written, against a small HTTP server that has namespaces; the real one is in
tests/cluster."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import Metadata, Namespace
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.apply.changes import Changes
from moorage.agent.runtimes.kubernetes.apply.writer import Writer
from moorage.agent.runtimes.kubernetes.observed.store import Store
from moorage.agent.runtimes.port import Identity, RuntimeFault
from moorage.kernel.clock import SystemClock
from unit.agent.runtimes.kubernetes.api_server import serving

NAME = "workspace-1-1-abcdef"
IDENTITY = Identity("inst", 1)
LABELS = ownership.labels_for(IDENTITY, NAME)
SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME, "labels": LABELS}}


class Namespaces:
    """Lists them by name, and takes what is applied."""

    def __init__(self) -> None:
        self.there: dict[str, dict[str, Any]] = {}
        self.applied: list[dict[str, Any]] = []
        self.changes: dict[str, Any] = {}
        """What a webhook makes of the metadata of what is applied."""
        self.address = ""

    async def list(self, request: web.Request) -> web.Response:
        wanted = request.query["fieldSelector"].removeprefix("metadata.name=")
        items = [
            {"metadata": {"name": name, "resourceVersion": "1", "labels": labels}}
            for name, labels in self.there.items()
            if name == wanted
        ]
        return web.json_response({"metadata": {"resourceVersion": "9"}, "items": items})

    async def apply(self, request: web.Request) -> web.Response:
        item = json.loads(await request.read())
        self.applied.append(item)
        metadata = {**item["metadata"], "resourceVersion": "10", **self.changes}
        return web.json_response({**item, "metadata": metadata})


@pytest.fixture
async def server() -> AsyncIterator[Namespaces]:
    server = Namespaces()
    async with serving(
        web.get("/api/v1/namespaces", server.list),
        web.patch("/api/v1/namespaces/{name}", server.apply),
    ) as server.address:
        yield server


@pytest.fixture
async def store(server: Namespaces) -> AsyncIterator[Store]:
    access = Access(server=server.address, token="t0k", source="a test")
    async with Client(access, TokenBucket(1000, 1000, SystemClock())) as client:
        yield Store(
            client, "", changed=lambda _: None, lost=lambda _: None, found=lambda: None, kinds=()
        )


def writer(store: Store) -> Writer:
    return Writer(store._client, store)


@pytest.mark.parametrize(
    ("labels", "free"),
    [
        (None, True),
        (LABELS, True),
        ({}, False),
        ({"team": "blue"}, False),
        (LABELS | {ownership.INSTALLATION: "another"}, False),
        (LABELS | {ownership.WORKSPACE: "workspace-1-2-abcdef"}, False),
    ],
)
async def test_a_namespace_that_is_there_already(
    server: Namespaces, store: Store, labels: dict[str, str] | None, free: bool
) -> None:
    """A namespace of a new workspace's name is made when there is none, and is left as it is when
    it is somebody else's."""
    if labels is not None:
        server.there[NAME] = labels
    if free:
        await writer(store).write(Changes(apply=(SPACE,)))
        assert server.applied == [SPACE]
        return
    with pytest.raises(RuntimeFault) as caught:
        await writer(store).write(Changes(apply=(SPACE,)))
    assert (caught.value.cause.code, caught.value.final) == ("namespace-taken", True)
    assert server.applied == []


async def test_a_namespace_without_its_labels(server: Namespaces, store: Store) -> None:
    """Labels that somebody took from a workspace's namespace are put back: what lies in it is the
    workspace's."""
    server.there[NAME] = {}
    place = {"name": "env", "namespace": NAME, "resourceVersion": "3", "labels": LABELS}
    store.put({"apiVersion": "v1", "kind": "Secret", "metadata": place})
    await writer(store).write(Changes(apply=(SPACE,)))
    assert server.applied == [SPACE]


async def test_release_takes_back_all_that_was_set(server: Namespaces, store: Store) -> None:
    """Applying an object without a field takes away the fields that the agent has set, and no
    others."""
    await writer(store).release(Namespace(metadata=Metadata(name="dev", labels=LABELS)))
    assert server.applied == [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dev"}}
    ]


async def test_what_was_changed_on_the_way_in(server: Namespaces, store: Store) -> None:
    """What a webhook changes each time is not written again, until the workspace has gone: then
    nothing of it is remembered. What is as it was applied is not remembered in the first place."""
    used, wanted = writer(store), Changes(apply=(SPACE,))
    await used.write(wanted)
    assert used.settled(wanted) == wanted
    server.changes = {
        "labels": LABELS | {ownership.MANAGED_BY: "somebody"},
        "resourceVersion": "11",
    }
    await used.write(wanted)
    assert used.settled(wanted).none
    used.forget(NAME)
    assert used.settled(wanted) == wanted
