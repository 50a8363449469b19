"""A container registry that has nothing (OCI distribution specification, section "Pulling
manifests")."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

TLS_HANDSHAKE = b"\x16"
"""The first byte of a client that speaks TLS (RFC 8446, section 5.1)."""


class EmptyRegistry:
    """On a free port of the loopback address, where engines speak plain HTTP. What begins with
    `private/` wants a sign-in."""

    def __init__(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self.address = f"127.0.0.1:{self._http.server_address[1]}"
        self._thread = Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/v2/":
            self._answer(200, {})
        elif self.path.startswith("/v2/private/"):
            self._answer(
                401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
            )
        else:
            self._answer(
                404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            )

    def handle_one_request(self) -> None:
        """Engines try TLS first. To its hello a server of plain HTTP answers 400, by which they
        know it; the library's would take it for a request of HTTP/0.9."""
        if self.rfile.peek(1)[:1] == TLS_HANDSHAKE:
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self.close_connection = True
            return
        super().handle_one_request()

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.send_header("Content-Type", "application/json")
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
