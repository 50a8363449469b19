"""The client against a small HTTP server that answers as an API server would; the real one is in
tests/cluster."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from prometheus_client import generate_latest

from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.errors import ApiError
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import POD, SECRET
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import Forbidden, InvalidInput, Misconfigured, MoorageError, Unavailable
from unit.agent.runtimes.kubernetes.api_server import serving


def pod(name: str, **annotations: str) -> dict[str, object]:
    return {
        "metadata": {
            "name": name,
            "namespace": "n",
            "resourceVersion": "9",
            "annotations": annotations,
        }
    }


class Server:
    """Keeps what it was asked; `fail` is what it answers to everything else."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.fail: tuple[int, object] = (
            404,
            {"kind": "Status", "reason": "NotFound", "message": "none"},
        )
        self.events: list[object] = []
        self.address = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs, await request.read()))
        if request.path == "/api/v1/pods" and "watch" in request.query:
            stream = web.StreamResponse()
            await stream.prepare(request)
            for event in self.events:
                await stream.write(json.dumps(event).encode() + b"\n")
            return stream
        if request.path == "/api/v1/pods":
            last = request.query.get("continue") == "more"
            metadata = {"resourceVersion": "12"} | ({} if last else {"continue": "more"})
            return web.json_response({"metadata": metadata, "items": [pod("b" if last else "a")]})
        status, body = self.fail
        return web.json_response(body, status=status)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serving(web.route("*", "/{path:.*}", server.answer)) as server.address:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    access = Access(server=server.address, token="t0k", source="a test")
    async with Client(access, TokenBucket(1000, 1000, SystemClock())) as client:
        yield client


def test_names_stay_in_their_segment() -> None:
    """A name never becomes another path of the API, whatever is in it."""
    assert POD.path("n", "a.b-c") == "/api/v1/namespaces/n/pods/a.b-c"
    for name in (
        "..",
        ".",
        "../../secrets/x",
        "a/b",
        "a%2fb",
        "a?b",
        "a#b",
        "a b",
        "a\n",
        "a..b",
        "\r\nHost: x",
        "ä",
    ):
        for namespace, pod in ((name, "c"), ("n", name)):
            with pytest.raises(InvalidInput, match="is no name of an object"):
                POD.path(namespace, pod)
    with pytest.raises(InvalidInput, match="is no name of an object"):
        POD.one("n", "")


async def test_lists_page_by_page(client: Client, server: Server) -> None:
    """A long list comes in pages, each asked for with the token of the one before."""
    items = await client.list_all(POD, labels="a=b")
    assert [item.name for item in items] == ["a", "b"]
    assert {item.kind for item in items} == {"Pod"}
    assert "labelSelector=a%3Db" in server.asked[0][1]
    assert "continue=more" in server.asked[1][1]


async def test_watches_with_long_lines(client: Client, server: Server) -> None:
    """A watch tells that it has begun, then each event, however long its line is."""
    long = "x" * 300_000
    server.events = [
        {"type": "ADDED", "object": pod("a", text=long)},
        {"type": "BOOKMARK", "object": pod("")},
    ]
    opened = []
    events = [
        e async for e in client.watch(POD, labels="a=b", since="5", opened=lambda: opened.append(1))
    ]
    assert [kind for kind, _ in events] == ["ADDED", "BOOKMARK"]
    assert events[0][1]["metadata"]["annotations"]["text"] == long
    assert opened == [1]
    assert "resourceVersion=5" in server.asked[0][1]
    assert "allowWatchBookmarks=true" in server.asked[0][1]


async def test_a_watch_that_is_too_old(client: Client, server: Server) -> None:
    """A point that the server no longer knows is an error with status 410."""
    status = {
        "kind": "Status",
        "code": 410,
        "reason": "Expired",
        "message": "too old resource version: 1 (9)",
    }
    server.events = [{"type": "ERROR", "object": status}]
    with pytest.raises(ApiError) as caught:
        _ = [event async for event in client.watch(POD, labels="", since="1", opened=lambda: None)]
    assert (caught.value.http_status, caught.value.reason) == (410, "Expired")


async def test_applies_as_the_agent(client: Client, server: Server) -> None:
    """An apply is server-side, under the agent's name, and takes fields from whoever holds them."""
    server.fail = (200, pod("s"))
    await client.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}}
    )
    method, path, body = server.asked[0]
    assert method == "PATCH"
    assert path == "/api/v1/namespaces/n/secrets/s?fieldManager=moorage-agent&force=true"
    assert json.loads(body)["kind"] == "Secret"


async def test_what_is_not_there(client: Client) -> None:
    """Asking for what is not there gives None; deleting it is no error."""
    assert await client.get(SECRET, "n", "x") is None
    assert await client.delete(SECRET, "n", "x") is False


async def test_deleting_that_very_object(server: Server, client: Client) -> None:
    """Another object of the same name, or one that has changed since, is not deleted."""
    await client.delete(SECRET, "n", "x", uid="u1", version="7")
    assert json.loads(server.asked[0][2])["preconditions"] == {"uid": "u1", "resourceVersion": "7"}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"kind": "Status"}, (Misconfigured, "cluster-token-refused")),
        (
            403,
            {
                "kind": "Status",
                "message": 'secrets is forbidden: User "u" cannot list resource "secrets"',
            },
            (Forbidden, "cluster-forbidden"),
        ),
        (403, {"kind": "Status", "message": "exceeded quota"}, (ApiError, "cluster-refused")),
        (
            422,
            {"kind": "Status", "reason": "Invalid", "message": "bad"},
            (ApiError, "cluster-refused"),
        ),
        (502, "a proxy's page", (ApiError, "cluster-refused")),
    ],
)
async def test_refusals(
    client: Client,
    server: Server,
    status: int,
    body: object,
    expected: tuple[type[MoorageError], str],
) -> None:
    """Each refusal is the error that says what to do; none of them shows the token."""
    server.fail = (status, body)
    with pytest.raises(expected[0]) as caught:
        await client.read("/version")
    assert caught.value.code == expected[1]
    assert "t0k" not in str(caught.value)


async def test_nobody_there() -> None:
    """Where nobody listens, that is said, with the address."""
    access = Access(server="http://127.0.0.1:9", source="a test")
    async with Client(access, TokenBucket(10, 10, SystemClock())) as client:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9 cannot be reached"):
            await client.read("/version")
        assert client.requests["get", "", 0] == 1


async def test_requests_are_counted(client: Client) -> None:
    """Every request is in the metrics, by verb, kind and status, and so is the state of the rate's
    limit."""
    await client.get(SECRET, "n", "x")
    text = generate_latest().decode()
    assert 'moorage_agent_cluster_requests_total{kind="Secret",status="404",verb="get"}' in text
    assert "moorage_agent_cluster_request_tokens" in text
