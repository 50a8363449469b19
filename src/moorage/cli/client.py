"""The way to the server: over its Unix socket or by HTTP, with a token; and its errors, raised
again as our own.

Where it is comes from `--server` (token: `MOORAGE_TOKEN`), else from `client.json` of the
installation on this machine.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpcore

from moorage.kernel.errors import (
    BY_STATUS,
    InvalidInput,
    MoorageError,
    NotFound,
    NotSignedIn,
    Unavailable,
)
from moorage.kernel.home import Home

UNIX = "unix:"
SECONDS = 60.0
"""For one answer, while nothing of it comes."""
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Target:
    """Which server, and as whom."""

    server: str
    """`unix:<path>` or an origin."""
    token: str

    @property
    def socket(self) -> str:
        """The Unix socket's path; "" when it is reached by TCP."""
        return self.server.removeprefix(UNIX) if self.server.startswith(UNIX) else ""

    @property
    def origin(self) -> str:
        return "http://localhost" if self.socket else self.server.rstrip("/")

    def __repr__(self) -> str:
        return f"Target({self.server!r})"


def target(server: str | None, home: Home) -> Target:
    """Raises `NotSignedIn` without a token, `Unavailable` when nothing says where the server is."""
    token = os.environ.get("MOORAGE_TOKEN", "")
    if server:
        if not server.startswith((UNIX, "http://", "https://")):
            raise InvalidInput(
                f"{server} is no server.",
                field="server",
                hint="Give its URL, or unix: and the path of its socket.",
            )
        if not token:
            raise NotSignedIn(
                "There is no token for this server.",
                hint="Put an API token into the environment variable MOORAGE_TOKEN.",
            )
        return Target(server, token)
    try:
        stored = json.loads(home.client.read_text())
        return Target(stored["server"], token or stored["token"])
    except (OSError, ValueError, KeyError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f" ({error})"
        raise Unavailable(
            f"There is no installation in {home.path}{reason}.",
            code="no-installation",
            hint="Start one with `moor up`, or name a server with --server and MOORAGE_TOKEN.",
        ) from error


class Client:
    """The REST API under `/api/v1`. Every method raises the error tree, never httpcore's."""

    def __init__(self, where: Target) -> None:
        """Raises `Unavailable` when nobody listens on the Unix socket or the URL is none,
        `Misconfigured` for a proxy that is none."""
        self.target = where
        _probe(where)
        self._connections = _connections(where)

    @classmethod
    @contextmanager
    def connect(cls, server: str | None, home: Home) -> Iterator[Client]:
        client = cls(target(server, home))
        try:
            yield client
        finally:
            client.close()

    def close(self) -> None:
        self._connections.close()

    def get(self, path: str, *, silence: float = SECONDS, **query: Any) -> Any:
        return self._ask("GET", path, query=query, silence=silence)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._ask("POST", path, body=body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PUT", path, body=body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PATCH", path, body=body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        silence: float | None = None,
        until: float | None = None,
        **query: Any,
    ) -> Iterator[Iterator[bytes]]:
        """An answer that is read while it comes. It may pause for `silence` seconds; None: for as
        long as it likes. At the moment `until` (of `time.monotonic`) it ends as if the server were
        gone, also in the middle of a chunk."""
        with (
            self._answer("GET", path, query=query, silence=silence) as answer,
            _cut_off(answer, until),
        ):
            yield answer.iter_stream()

    def workspace(self, wanted: str) -> dict[str, Any]:
        """The workspace of that name or title, or of an unambiguous beginning of either.

        Raises `NotFound`, or `InvalidInput` when it fits several.
        """
        try:
            found: dict[str, Any] = self.get(f"/workspaces/{quoted(wanted)}")
        except NotFound:
            items = self.get("/workspaces")["items"]
            name = match(wanted, items)
            found = next(item for item in items if item["name"] == name)
        return found

    def workspace_name(self, wanted: str) -> str:
        """The full name, as `workspace` finds it."""
        return str(self.workspace(wanted)["name"])

    def workspace_exactly(self, wanted: str) -> dict[str, Any]:
        """The workspace of just that name, or the caller's own of just that title: for what cannot
        be undone.

        A script that says it once more, when the workspace is gone, must not reach another one.
        Raises `NotFound`.
        """
        try:
            found: dict[str, Any] = self.get(f"/workspaces/{quoted(wanted)}")
        except NotFound as error:
            raise not_exactly(wanted, self.get("/workspaces")["items"]) from error
        if found["name"] != wanted and found["owner"] != self.get("/me")["id"]:
            # The server takes an administrator's title for anybody's when they have none of it
            # themselves.
            raise NotFound(
                f"You have no workspace {wanted}.",
                code="workspace-not-found",
                hint=f"{found['owner_name']} has one: say {found['name']} if you mean that.",
            )
        return found

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        silence: float = SECONDS,
    ) -> Any:
        with self._answer(method, path, query=query or {}, body=body, silence=silence) as answer:
            content = answer.read()
        if not content:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise Unavailable(
                f"{self.target.server} does not answer like a Moorage server.",
                code="no-moorage-server",
            ) from error

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any],
        body: dict[str, Any] | None = None,
        silence: float | None,
    ) -> Iterator[httpcore.Response]:
        """A successful answer whose content is still to be read. Raises the server's error for any
        other."""
        given = urlencode(_given(query))
        headers = [("Authorization", f"Bearer {self.target.token}"), ("User-Agent", "moor")]
        content = None
        if body is not None:
            content = json.dumps(_given(body)).encode()
            headers.append(("Content-Type", "application/json"))
        with (
            self._wrapped(),
            self._connections.stream(
                method,
                f"{self.target.origin}/api/v1{path}{f'?{given}' if given else ''}",
                headers=headers,
                content=content,
                extensions={"timeout": _timeouts(silence)},
            ) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise problem(answer.status, answer.read())
            yield answer

    @contextmanager
    def _wrapped(self) -> Iterator[None]:
        try:
            yield
        except (
            httpcore.NetworkError,
            httpcore.TimeoutException,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            httpcore.ProxyError,
        ) as error:
            raise unreachable(self.target, error) from error


def unreachable(where: Target, error: Exception) -> Unavailable:
    """The server does not answer: what a person can do about it."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Unavailable(
        f"The server at {where.server} does not answer: {reason}.",
        code="server-unreachable",
        hint="`moor status` says what runs here; `moor up` starts it."
        if where.socket
        else "Look whether the address is right.",
    )


def problem(status: int, content: bytes) -> MoorageError:
    """The error behind an answer: from its problem+json body (RFC 9457), else from its status
    alone."""
    kind = BY_STATUS.get(status, MoorageError)
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict) or "code" not in body:
        return kind(f"The server answered {status} {_reason(status)}.", code="unexpected-answer")
    known = {"type", "title", "status", "code", "detail", "hint", "field"}
    details = {key: value for key, value in body.items() if key not in known and value is not None}
    if issubclass(kind, InvalidInput):
        details["field"] = body.get("field") or ""
    return kind(
        body.get("detail") or body.get("title") or "",
        code=body["code"],
        hint=body.get("hint") or "",
        **details,
    )


def match(wanted: str, items: list[dict[str, Any]]) -> str:
    """The one workspace whose title or name begins with `wanted`. Pure.

    Raises `NotFound`, or `InvalidInput` (code `workspace-ambiguous`) when it fits several.
    """
    exact = [item["name"] for item in items if wanted == item["title"]]
    found = exact or [
        item["name"]
        for item in items
        if item["name"].startswith(wanted) or item["title"].startswith(wanted)
    ]
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise NotFound(
            f"There is no workspace {wanted}.",
            code="workspace-not-found",
            hint="`moor list` shows yours.",
        )
    raise InvalidInput(
        f"{wanted} fits several workspaces: {', '.join(sorted(found))}.",
        code="workspace-ambiguous",
        hint="Give more of the name.",
        field="workspace",
    )


def not_exactly(wanted: str, items: list[dict[str, Any]]) -> NotFound:
    """There is none of that title or name; which ones begin with it. Pure."""
    near = [item["title"] for item in items if item["title"].startswith(wanted)] or [
        item["name"] for item in items if item["name"].startswith(wanted)
    ]
    return NotFound(
        f"There is no workspace {wanted}.",
        code="workspace-not-found",
        hint=f"Did you mean {' or '.join(sorted(near)[:5])}?"
        if near
        else "`moor list` shows yours.",
    )


def _connections(where: Target) -> httpcore.ConnectionPool:
    """To the Unix socket, to the server itself, or to the proxy on the way there
    (`kernel.proxies`)."""
    if where.socket:
        return httpcore.ConnectionPool(uds=where.socket)
    try:
        httpcore.URL(where.origin)
    except ValueError as error:
        raise unreachable(where, error) from error
    from moorage.kernel.proxies import proxy_of

    tls = ssl.create_default_context() if where.origin.startswith("https:") else None
    proxy = proxy_of(where.origin)
    return httpcore.ConnectionPool(
        ssl_context=tls, proxy=_proxy(proxy) if proxy else None, network_backend=_ByName()
    )


class _ByName(httpcore.SyncBackend):
    """Connects to names; those of this machine need no resolver."""

    def connect_tcp(self, host: str, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        from moorage.kernel.addresses import connected_at

        return super().connect_tcp(connected_at(host), *arguments, **options)


def _proxy(url: str) -> httpcore.Proxy:
    """With user and password as a header; in a URL they are percent-encoded."""
    parts = urlsplit(url)
    user = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return httpcore.Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", auth=user)


def _timeouts(silence: float | None) -> dict[str, float | None]:
    connect = min(CONNECT_SECONDS, silence) if silence is not None else CONNECT_SECONDS
    return {"connect": connect, "read": silence, "write": silence, "pool": silence}


@contextmanager
def _cut_off(answer: httpcore.Response, moment: float | None) -> Iterator[None]:
    """Ends an answer's connection at a moment, whoever waits for it: httpcore's own limits begin
    anew with each chunk."""
    if moment is None:
        yield
        return
    connection = answer.extensions["network_stream"].get_extra_info("socket")
    # Under TLS, too, the connection itself: its TLS must not be touched beside the one who reads.
    timer = threading.Timer(
        max(0.0, moment - time.monotonic()),
        _shut,
        [connection],
    )
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _probe(where: Target) -> None:
    # httpcore leaves its socket open when it cannot connect to a Unix socket.
    if not where.socket:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(where.socket)
        except OSError as error:
            raise unreachable(where, error) from error


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def quoted(name: str) -> str:
    """For one segment of a path."""
    return quote(name, safe="")
