"""Repositories served by Git's own `git http-backend`, behind a small HTTP server that can be
private, slow or moved."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import zlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

DEVFILE = """\
schemaVersion: 2.2.0
components:
  - name: py
    attributes:
      gl/inject-editor: true
    container:
      image: registry.example.com/python-workspace:latest
      memoryLimit: 2048M
      endpoints:
        - name: http-python
          targetPort: 8080
"""
ENDLESS = 200_000_000
USER, PASSWORD = "reader", "opens-it"
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=_ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


class GitHost:
    """`/<name>.git` open; `/private/<name>.git` with a password; `/slow/…` never answers;
    `/moved/<name>.git` and `/elsewhere/<scheme>/<rest>` redirect; `/broken/…` answers 500; `/odd/…`
    redirects to `location`; `/endless/<name>.git` redirects Git, and anybody else with a body of
    `ENDLESS` bytes, packed so that they are a thousand times as many; `/flood/<name>.git` answers
    everybody with such a body."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.folder = Path(tempfile.mkdtemp(prefix="moorage-git-host-"))
        self.authorizations: list[str] = []
        self.hosts: list[str] = []
        """What each request named as its host."""
        self.proxied: list[str] = []
        """The hosts that it was asked for as a proxy; it answers for all of them."""
        self.headers: list[set[str]] = []
        """Names of each request's headers, in lower case."""
        self.location = ""
        """Where `/odd/…` redirects to, as it is."""
        self.sent = 0
        """Bytes of endless bodies that somebody took, or that the system had room for."""
        self.released = threading.Event()
        handler = type("Handler", (_Handler,), {"host": self})
        self._server = (_Http6Server if ":" in address else _HttpServer)((address, 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, name: str, prefix: str = "") -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}/{prefix}{name}.git"

    def make(
        self, name: str, files: dict[str, str | bytes] | None = None, *, filters: bool = True
    ) -> str:
        """A repository with one commit of these files, or with none; returns its URL."""
        bare = self.folder / f"{name}.git"
        git(self.folder, "init", "-q", "--bare", "-b", "main", str(bare))
        if filters:
            git(bare, "config", "uploadpack.allowFilter", "true")
        if files is not None:
            self.commit(name, files)
        return self.url(name)

    def commit(self, name: str, files: dict[str, str | bytes], branch: str = "main") -> str:
        """Adds a commit on the branch; returns its id."""
        work = self.folder / f"{name}.work"
        if not work.exists():
            git(self.folder, "init", "-q", "-b", "main", str(work))
        if git(work, "symbolic-ref", "--short", "HEAD") != branch:
            git(work, "checkout", "-q", "-b", branch)
        for path, content in files.items():
            file = work / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                file.write_bytes(content)
            elif content.startswith("-> "):
                file.symlink_to(content[3:])
            else:
                file.write_text(content)
        git(work, "add", "-A")
        git(work, "commit", "-q", "--allow-empty", "-m", "x")
        git(work, "push", "-q", str(self.folder / f"{name}.git"), branch)
        return git(work, "rev-parse", "HEAD")

    def tag(self, name: str, tag: str) -> None:
        work = self.folder / f"{name}.work"
        git(work, "tag", "-a", "-m", "x", tag)
        git(work, "push", "-q", str(self.folder / f"{name}.git"), tag)

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _HttpServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A Git that was killed leaves its connection half read; that is no news."""


class _Http6Server(_HttpServer):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    host: GitHost

    def do_GET(self) -> None:
        _answer(self.host, self)

    def do_POST(self) -> None:
        _answer(self.host, self)

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _answer(host: GitHost, request: _Handler) -> None:
    path, _, query = _origin_form(host, request.path).partition("?")
    body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    host.authorizations.append(request.headers.get("Authorization", ""))
    host.hosts.append(request.headers.get("Host", ""))
    host.headers.append({name.lower() for name in request.headers})
    kind, _, rest = path.lstrip("/").partition("/")
    if kind == "slow":
        host.released.wait(30)
        request.close_connection = True
    elif kind == "broken":
        request.reply(500)
    elif kind == "moved":
        request.reply(301, Location=f"/{rest}?{query}")
    elif kind == "elsewhere":
        scheme, _, target = rest.partition("/")
        request.reply(302, Location=f"{scheme}://{target}?{query}")
    elif kind == "odd":
        request.reply(302, Location=host.location)
    elif kind == "endless" and request.headers.get("User-Agent", "").startswith("git/"):
        request.reply(302, Location=f"/{rest}?{query}")
    elif kind in ("endless", "flood"):
        _endless(host, request, f"/{rest}?{query}" if kind == "endless" else "")
    elif kind == "private":
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != expected:
            request.reply(401, WWW_Authenticate='Basic realm="git"')
        else:
            _backend(host, request, f"/{rest}", query, body)
    else:
        _backend(host, request, path, query, body)


def _origin_form(host: GitHost, target: str) -> str:
    """The path and query of a request's target, which a proxy gets as a whole URL."""
    if not target.startswith("http://"):
        return target
    host.proxied.append(urlsplit(target).netloc)
    return target.removeprefix(f"http://{host.proxied[-1]}")


def _endless(host: GitHost, request: _Handler, location: str = "") -> None:
    request.send_response(302 if location else 200)
    if location:
        request.send_header("Location", location)
    request.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
    request.send_header("Content-Encoding", "gzip")
    request.send_header("Content-Length", str(ENDLESS))
    request.end_headers()
    request.close_connection = True
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1_000_000)
    with suppress(OSError):
        while host.sent < ENDLESS:
            piece = packer.compress(zeros) + packer.flush(zlib.Z_SYNC_FLUSH)
            request.wfile.write(piece)
            request.wfile.flush()
            host.sent += len(piece)


def _backend(host: GitHost, request: _Handler, path: str, query: str, body: bytes) -> None:
    environment = {
        **_ENVIRONMENT,
        "GIT_PROJECT_ROOT": str(host.folder),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": request.command,
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
    }
    done = subprocess.run(
        ["git", "http-backend"], input=body, capture_output=True, env=environment, check=False
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
    status = int(headers.pop("Status", "200").split()[0])
    request.reply(status, content, **headers)
