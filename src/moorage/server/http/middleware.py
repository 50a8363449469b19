"""Surrounds every request with one ASGI middleware: id, limit, CSRF, timing, and the last
resort for errors."""

from __future__ import annotations

import time
from typing import Any

import structlog
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from moorage.kernel import log
from moorage.kernel.errors import Forbidden, MoorageError, TooLarge
from moorage.kernel.ids import short_id
from moorage.server.core import Core
from moorage.server.http import csrf, problems
from moorage.server.http.headers import REPLICA_TICKET

_log = log.get(part="server.http")
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
"""Of every answer that does not set them itself."""


class RequestMiddleware:
    def __init__(self, app: ASGIApp, core: Core) -> None:
        self._app = app
        self._core = core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = scope["moorage.request_id"] = short_id(12)
        started = time.perf_counter()
        answer = _Answer(send, request_id)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                self._refuse_foreign(scope)
                await self._app(scope, await self._limited(scope, receive), answer)
            except MoorageError as error:
                await self._fail(scope, receive, answer, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
                _log.exception("a request failed", path=scope["path"])
                await self._fail(scope, receive, answer, error)
        if scope["type"] == "http":
            seconds = time.perf_counter() - started
            self._core.metrics.request(scope["method"], route_label(scope), answer.status, seconds)

    def _refuse_foreign(self, scope: Scope) -> None:
        headers = HTTPConnection(scope).headers
        reason = csrf.refusal(
            method=scope.get("method", "GET"),
            websocket=scope["type"] == "websocket",
            authorization="authorization" in headers or REPLICA_TICKET in headers,
            origin=headers.get("origin"),
            own=self._core.settings.origin,
        )
        if reason:
            raise Forbidden(
                reason,
                code="foreign-origin",
                hint=f"Use Moorage at {self._core.settings.origin}, or send an API token.",
            )

    async def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Reads the body, up to the limit, before anything is done. Raises `TooLarge`."""
        if scope["type"] == "websocket" or scope["method"] in _BODILESS:
            return receive
        limit = self._core.settings.request_limit
        error = TooLarge(
            f"The request is larger than {limit} bytes.", code="request-too-large", limit=limit
        )
        declared = HTTPConnection(scope).headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            raise error
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return receive
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > limit:
                raise error
        return _replay(bytes(body), receive)

    async def _fail(
        self, scope: Scope, receive: Receive, answer: _Answer, error: Exception
    ) -> None:
        if answer.started:
            return  # too late to say anything: the connection is cut
        if scope["type"] == "websocket":
            websocket = WebSocket(scope, receive, answer)
            response = await problems.answer(_as_request(scope), error)
            await deny(websocket, response)
            return
        response = await problems.answer(_as_request(scope), error)
        await response(scope, receive, answer)


class _Answer:
    """Passes messages on, adds headers, and remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._id = request_id.encode()
        self.started = False
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] in (
            "http.response.start",
            "websocket.http.response.start",
            "websocket.accept",
        ):
            self.started = True
            self.status = message.get("status", 101)
            message.setdefault("headers", [])
            names = {name.lower() for name, _ in message["headers"]}
            added = [pair for pair in _HEADERS if pair[0] not in names]
            message["headers"] = [*message["headers"], (b"x-request-id", self._id), *added]
        elif message["type"] == "websocket.close":
            self.started = True
        await self._send(message)


def route_label(scope: Scope) -> str:
    """The path with its parameters' names in place of their values; "other" when there is no such
    route."""
    if "route" not in scope:
        return "other"
    path: str = scope["path"]
    names = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    for value, name in names.items():
        if "/" in value:
            path = path.removesuffix(value) + name
    return "/".join(names.get(part, part) for part in path.split("/"))


async def deny(websocket: WebSocket, response: Response) -> None:
    """Answers a WebSocket's handshake with an HTTP response, so that the client learns why."""
    await websocket.send_denial_response(response)


def _as_request(scope: Scope) -> Request:
    return (
        Request(scope)
        if scope["type"] == "http"
        else Request({**scope, "type": "http", "method": "GET"})
    )


def _replay(body: bytes, receive: Receive) -> Receive:
    rest: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return rest.pop() if rest else await receive()

    return again
