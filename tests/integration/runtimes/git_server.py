"""A Git server over HTTP: Git's own `http-backend` behind Python's HTTP server. Some repositories
want a password."""

from __future__ import annotations

import base64
import gzip
import os
import ssl
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

USER, PASSWORD = "alice", "s3cret-of-alice"
PRIVATE = "private"
"""Repositories whose name begins like this are handed out to USER only."""


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that hang up, as those do that do not trust a certificate."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None: ...


class GitServer:
    """Serves `folder/*.git` on a free port of all addresses (containers reach it at their
    bridge's). `tls`: over HTTPS."""

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.told: list[str] = []
        """Paths that somebody asked for with a credential, or, as of a proxy, URLs."""
        self.redirects: dict[str, str] = {}
        """Beginning of a path → where the host sends whoever asks for it."""
        self.held: dict[str, Event] = {}
        """Beginning of a path → what whoever wants more than the newest commit of it waits for."""
        self.refused: set[str] = set()
        """Beginnings of paths of which the host hands out the newest commit alone, and an error for
        more."""
        handler = type("Handler", (_Handler,), {"server_of": self})
        self._http = QuietServer(("0.0.0.0", 0), handler)
        if tls is not None:
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._http.server_address[1]
        self._thread = Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def url(self, name: str, host: str) -> str:
        return f"http://{host}:{self.port}/{name}.git"

    def add(self, name: str, commits: int = 1) -> Path:
        """A repository with that many commits on `main`, a branch `side`, a tag `v1`; 0: an empty
        one."""
        bare = self.folder / f"{name}.git"
        run("git", "init", "-q", "--bare", "-b", "main", str(bare))
        run("git", "-C", str(bare), "config", "uploadpack.allowFilter", "true")
        run("git", "-C", str(bare), "config", "uploadpack.allowAnySHA1InWant", "true")
        if commits:
            work = self.folder / f"{name}.work"
            run("git", "clone", "-q", str(bare), str(work))
            for number in range(commits):
                (work / "hello.txt").write_text(f"hello {number}\n")
                commit(work, f"commit {number}")
            run("git", "-C", str(work), "tag", "v1")
            run("git", "-C", str(work), "push", "-q", "origin", "HEAD:main", "HEAD:side", "v1")
        return bare

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def commit(work: Path, message: str) -> None:
    run("git", "-C", str(work), "add", "-A")
    run(
        "git",
        "-C",
        str(work),
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@example.org",
        "commit",
        "-q",
        "-m",
        message,
    )


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


class _Handler(BaseHTTPRequestHandler):
    server_of: GitServer

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._serve(body)

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        self.server_of.requests.append(self.path)
        if self.headers.get("Authorization") or self.headers.get("Proxy-Authorization"):
            self.server_of.told.append(self.path)
        for start, target in self.server_of.redirects.items():
            if path.startswith(start):
                self.send_response(301)
                self.send_header("Location", f"{target}{self.path.removeprefix(start)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if path.startswith(f"/{PRIVATE}") and self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self._wants_more(body) and not self._may_have_more(path):
            self.send_error(503)
            return
        self._answer(path, query, body)

    def _answer(self, path: str, query: str, body: bytes) -> None:
        env = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.server_of.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=env, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        status = 200
        headers = []
        for line in head.decode().splitlines():
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            else:
                headers.append((name, value))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _wants_more(self, body: bytes) -> bool:
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return b"command=fetch" in body and b"000cdeepen 1" not in body

    def _may_have_more(self, path: str) -> bool:
        for start, event in self.server_of.held.items():
            if path.startswith(start):
                event.wait(120)
        return not any(path.startswith(start) for start in self.server_of.refused)

    def log_message(self, *_: object) -> None:
        """Says nothing: the tests look at `requests`."""
