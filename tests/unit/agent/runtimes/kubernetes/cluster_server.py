"""A cluster without nodes: an API server that keeps objects, and has nobody who makes pods of
them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web

from moorage.agent.runtimes.kubernetes.api.resources import BY_NAME
from unit.agent.runtimes.kubernetes.api_server import serving

KINDS = {kind.plural: kind for kind in BY_NAME.values()}
Item = dict[str, Any]


class Target(NamedTuple):
    plural: str
    namespace: str
    name: str


class Cluster:
    """Takes what is applied as it is, and deletes at once. `requests`: method and path of each."""

    def __init__(self) -> None:
        self.objects: dict[Target, Item] = {}
        self.requests: list[tuple[str, str]] = []
        self.address = ""
        self._version = 1
        self._history: list[tuple[int, str, Item]] = []
        self._changed = asyncio.Condition()
        self._closed = False

    def kinds(self) -> list[str]:
        return sorted(item["kind"] for item in self.objects.values())

    async def put(self, item: Item) -> Item:
        """Keeps an object, as somebody else than the agent would."""
        metadata = item["metadata"]
        target = Target(
            BY_NAME[item["kind"]].plural, metadata.get("namespace", ""), metadata["name"]
        )
        before = self.objects.get(target)
        own = {"uid": f"uid-{self._version}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        kept = {key: before["metadata"][key] for key in own} if before is not None else own
        made = {**item, "metadata": {**metadata, **kept}}
        self.objects[target] = made
        await self._note("ADDED" if before is None else "MODIFIED", made)
        return made

    async def delete(self, target: Target) -> None:
        """With what lies in it, when it is a namespace."""
        inside = [
            key
            for key in self.objects
            if target.plural == "namespaces" and key.namespace == target.name
        ]
        for key in (*inside, target):
            await self._note("DELETED", self.objects.pop(key))

    async def close(self) -> None:
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.35.0"})
        if request.path == "/apis":
            return web.json_response({"groups": []})
        target = _target(request.path)
        if "watch" in request.query:
            return await self._watch(request, target.plural)
        if request.method == "GET":
            items = [item for key, item in self.objects.items() if key.plural == target.plural]
            return web.json_response(
                {"metadata": {"resourceVersion": str(self._version)}, "items": items}
            )
        body = await request.json()
        if request.method == "POST":
            return web.json_response(body)  # a dry run
        if request.method == "DELETE":
            return await self._deleted(target, body)
        if request.content_type == "application/json-patch+json":
            body = _patched(self.objects[target], body)
        return web.json_response(await self.put(body))

    async def _deleted(self, target: Target, body: Item) -> web.Response:
        there = self.objects.get(target)
        if there is None:
            return _refusal(404)
        uid = body.get("preconditions", {}).get("uid", there["metadata"]["uid"])
        if uid != there["metadata"]["uid"]:
            return _refusal(409)
        await self.delete(target)
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _note(self, event: str, item: Item) -> None:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        async with self._changed:
            self._history.append((self._version, event, json.loads(json.dumps(item))))
            self._changed.notify_all()

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        stream, seen = web.StreamResponse(), int(request.query["resourceVersion"])
        await stream.prepare(request)
        while not self._closed:
            for version, event, item in [entry for entry in self._history if entry[0] > seen]:
                seen = version
                if BY_NAME[item["kind"]].plural == plural:
                    await stream.write(json.dumps({"type": event, "object": item}).encode() + b"\n")
            async with self._changed:
                await self._changed.wait_for(lambda: self._closed or self._version > seen)  # noqa: B023
        return stream


@asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """One that is empty, for as long as the block runs."""
    made = Cluster()
    async with serving(web.route("*", "/{path:.*}", made.answer)) as made.address:
        yield made
        await made.close()


def _target(path: str) -> Target:
    """`/api/v1/[namespaces/<namespace>/]<plural>[/<name>]`, or the same below
    `/apis/<group>/<version>`."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    return Target(rest[0], namespace, rest[1] if len(rest) > 1 else "")


def _refusal(status: int) -> web.Response:
    return web.json_response({"kind": "Status", "code": status, "message": "no"}, status=status)


def _patched(item: Item, operations: list[Item]) -> Item:
    """RFC 6902, of which tables' fields are known, and nothing is tested."""
    made: Item = json.loads(json.dumps(item))
    for operation in operations:
        *way, last = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        )
        table = made
        for part in way:
            table = table[part]
        if operation["op"] == "add":
            table[last] = operation["value"]
        elif operation["op"] == "remove":
            del table[last]
    return made
