"""A thin client of the Kubernetes API on aiohttp: what the agent needs of it and no more.

Every request takes a token from the bucket first. An answer that is no success is an `ApiError`; no
answer at all, or one that a wrong address, CA or token explains, is an error that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from moorage.agent.runtimes.kubernetes.api import metrics
from moorage.agent.runtimes.kubernetes.api.access import Access
from moorage.agent.runtimes.kubernetes.api.errors import ApiError, refusal_of, refused, unreachable
from moorage.agent.runtimes.kubernetes.api.model import ApiGroups, Status, Version
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import POD, Kind, Object, T, kind_of
from moorage.kernel.errors import Unavailable

FIELD_MANAGER = "moorage-agent"
PAGE = 100
"""Objects per page of a list: as Python's tables, a page of Deployments takes some ten megabytes.
"""
TIMEOUT = 30.0
"""Seconds for a request that is no stream."""
WATCH_SECONDS = 300
"""The server ends a watch after so long; it is resumed where it was."""

_APPLY = "application/apply-patch+yaml"
_JSON_PATCH = "application/json-patch+json"


class Client:
    """Use as `async with Client(access, bucket) as client`."""

    def __init__(self, access: Access, bucket: TokenBucket) -> None:
        self.access = access
        self.bucket = bucket
        self.requests: Counter[tuple[str, str, int]] = Counter()
        """The number of requests by verb, kind and HTTP status (0: no answer)."""
        self._tls = access.tls()
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Once is enough; again does nothing."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls or True, limit=0, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def get(self, kind: Kind[T], namespace: str, name: str) -> T | None:
        """None when there is no such object."""
        try:
            return kind.read(await self._json("get", kind, kind.one(namespace, name)))
        except ApiError as error:
            if error.http_status == 404:
                return None
            raise

    async def list_all(
        self, kind: Kind[T], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> list[T]:
        """All objects, in memory at once: for few."""
        pages = self.pages(kind, namespace=namespace, labels=labels, fields=fields)
        return [kind.read(item) async for items, _ in pages for item in items]

    async def pages(
        self, kind: Kind[Any], *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncIterator[tuple[list[Object], str]]:
        """Page by page: objects as they are sent, and the resource version to watch from. Items
        bear no `kind`: it is added."""
        query: dict[str, str] = {"limit": str(PAGE)}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        while True:
            page = await self._json("list", kind, kind.path(namespace), query)
            items = page.get("items") or []
            for item in items:
                item["kind"], item["apiVersion"] = kind.name, kind.api
            yield items, page["metadata"]["resourceVersion"]
            token = page["metadata"].get("continue")
            if not token:
                return
            query["continue"] = token

    async def watch(
        self,
        kind: Kind[Any],
        *,
        namespace: str = "",
        labels: str,
        since: str,
        opened: Callable[[], None],
    ) -> AsyncIterator[tuple[str, Object]]:
        """(ADDED | MODIFIED | DELETED | BOOKMARK, object) after the version `since`, until the
        server ends the watch. `opened` is called once it has begun.

        Raises `ApiError` with status 410 when `since` is too old: list again then.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(WATCH_SECONDS),
            "labelSelector": labels,
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=WATCH_SECONDS + 30)
        async with self._request(
            "watch", kind, "GET", kind.path(namespace), query=query, timeout=timeout
        ) as answer:
            opened()
            async for line in _lines(answer.content):
                event = msgspec.json.decode(line)
                item = event["object"]
                if event["type"] == "ERROR":
                    refusal = msgspec.convert(item, Status)
                    raise refusal_of(refusal, refusal.code or 500)
                yield event["type"], item

    async def apply(self, item: Object) -> Object:
        """Server-side apply as `FIELD_MANAGER`; whoever else holds a field loses it. The object as
        it is then."""
        kind, metadata = kind_of(item), item["metadata"]
        path = kind.one(metadata.get("namespace", ""), metadata["name"])
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._json(
            "apply", kind, path, query, method="PATCH", body=item, content=_APPLY
        )

    async def patch(
        self, kind: Kind[Any], namespace: str, name: str, operations: list[dict[str, Any]]
    ) -> Object:
        """JSON Patch (RFC 6902)."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._json(
            "patch",
            kind,
            kind.one(namespace, name),
            query,
            method="PATCH",
            body=operations,
            content=_JSON_PATCH,
        )

    async def create(self, item: Object, *, dry_run: bool = False) -> Object:
        query = {"dryRun": "All"} if dry_run else {}
        query["fieldManager"] = FIELD_MANAGER
        kind = kind_of(item)
        return await self._json(
            "create",
            kind,
            kind.path(item["metadata"].get("namespace", "")),
            query,
            method="POST",
            body=item,
            content="application/json",
        )

    async def delete(
        self,
        kind: Kind[Any],
        namespace: str,
        name: str,
        *,
        uid: str = "",
        version: str = "",
        grace: int | None = None,
    ) -> bool:
        """False when it was gone already. `uid`: only that very object; `version`: only as it was
        then. What it owns goes in the background."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        only = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        if only:
            body["preconditions"] = only
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            await self._json(
                "delete",
                kind,
                kind.one(namespace, name),
                method="DELETE",
                body=body,
                content="application/json",
            )
        except ApiError as error:
            if error.http_status == 404:
                return False
            raise
        return True

    async def read(self, path: str, *, timeout: float = TIMEOUT) -> Object:
        """The answer to `GET path`, as JSON. `timeout`: seconds."""
        return await self._json("get", None, path, seconds=timeout)

    async def version(self, *, timeout: float = TIMEOUT) -> str:
        """The API server's version, for people. `timeout`: seconds."""
        return msgspec.convert(await self.read("/version", timeout=timeout), Version).git_version

    async def api_groups(self) -> frozenset[str]:
        """The names of the API groups that the server has."""
        found = msgspec.convert(await self.read("/apis"), ApiGroups)
        return frozenset(group.name for group in found.groups)

    async def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """A container's output, in pieces as they come."""
        query = {"container": container}
        if follow:
            query["follow"] = "true"
        if tail is not None:
            query["tailLines"] = str(tail)
        if previous:
            query["previous"] = "true"
        timeout = aiohttp.ClientTimeout(
            total=None if follow else TIMEOUT,
            sock_connect=10,
            sock_read=None if follow else TIMEOUT,
        )
        path = POD.path(namespace, pod) + "/log"
        async with self._request("log", POD, "GET", path, query=query, timeout=timeout) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    async def websocket(
        self, path: str, query: list[tuple[str, str]], protocols: tuple[str, ...]
    ) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket to the API server (exec). Raises like any request when it refuses."""
        session = self._opened()
        await self._turn()
        try:
            return await session.ws_connect(
                self.access.server + path,
                params=query,
                protocols=protocols,
                headers=self._headers() | {"Accept": "*/*"},
                max_msg_size=0,
                autoclose=True,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise ApiError(error.status, "", f"{error.status} {error.message}".strip()) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self.access, error) from error

    async def _json(
        self,
        verb: str,
        kind: Kind[Any] | None,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: Any = None,
        content: str = "",
        seconds: float = TIMEOUT,
    ) -> Object:
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=10)
        async with self._request(
            verb, kind, method, path, query=query, body=body, content=content, timeout=timeout
        ) as answer:
            data = await answer.read()
        return msgspec.json.decode(data, type=dict[str, Any])

    @asynccontextmanager
    async def _request(
        self,
        verb: str,
        kind: Kind[Any] | None,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "",
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, counted; what is no success raises the right error."""
        session = self._opened()
        headers = self._headers() | ({"Content-Type": content} if content else {})
        data = None if body is None else msgspec.json.encode(body)
        counted = (verb, kind.name if kind else "")
        await self._turn()
        status = 0
        try:
            async with session.request(
                method,
                self.access.server + path,
                params=query,
                data=data,
                headers=headers,
                timeout=timeout,
            ) as response:
                status = response.status
                if status >= 400:
                    raise refused(self.access, status, await response.read())
                try:
                    yield response
                finally:
                    # What is left of a stream is not read to its end: the connection goes.
                    if not response.content.at_eof():
                        response.close()
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self.access, error) from error
        finally:
            self.requests[*counted, status] += 1
            metrics.REQUESTS.labels(*counted, str(status)).inc()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise Unavailable(
                "The connection to the cluster is closed.", code="cluster-unreachable"
            )
        return self._session

    async def _turn(self) -> None:
        metrics.WAITED.inc(await self.bucket.take())
        metrics.TOKENS.set(self.bucket.level)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": FIELD_MANAGER}
        if token := self.access.bearer():
            headers["Authorization"] = f"Bearer {token}"
        return headers


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length (aiohttp's own reader has a limit)."""
    rest = b""
    async for piece in stream.iter_any():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line:
                yield line
