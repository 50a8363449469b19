"""A small HTTP server that answers what a test tells it to."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = tuple[int, str, bytes | Iterable[bytes]]
"""Status, media type, body: whole, or as it comes until the connection ends."""
Respond = Callable[[str, str, Any], Answer]
"""Method, path with query, decoded JSON body or None."""


def as_json(value: Any, status: int = 200) -> Answer:
    kind = "application/json" if status < 400 else "application/problem+json"
    return status, kind, json.dumps(value).encode()


def sse(*states: dict[str, Any]) -> Answer:
    """Changes of a workspace, as the server streams them."""
    text = "".join(f"event: workspace\ndata: {json.dumps(state)}\n\n" for state in states)
    return 200, "text/event-stream", text.encode()


class Server(ThreadingHTTPServer):
    """HTTP on a Unix socket; what it answers is a function, and what it was asked is kept."""

    address_family = socket.AF_UNIX
    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), _Handler, bind_and_activate=False)  # type: ignore[arg-type]
        self.socket.bind(str(path))
        self.socket.listen(16)
        self.respond: Respond = lambda _method, _path, _body: as_json({})
        self.asked: list[tuple[str, str, Any]] = []
        self.tokens: set[str] = set()

    def get_request(self) -> tuple[Any, Any]:
        connection, _ = self.socket.accept()
        return connection, ("local", 0)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.command, self.path, body))
        self.server.tokens.add(self.headers.get("Authorization", ""))
        status, kind, content = self.server.respond(self.command, self.path, body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        if isinstance(content, bytes):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            for chunk in [content] if isinstance(content, bytes) else content:
                self.wfile.write(chunk)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        return
