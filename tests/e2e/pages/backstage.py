"""What stands behind the pages in these tests: the real server, Git over HTTP, and an agent that
says what it is told."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from moorage.contract import (
    ActualState,
    ActualWorkspace,
    ContainerState,
    ContainerStatus,
    DesiredState,
    DesiredWorkspace,
    FoundWorkspace,
    Stage,
    StageName,
    StageState,
)
from moorage.contract import agent as contract
from ports import free_port

GIT_BACKEND = "/usr/lib/git-core/git-http-backend"


def eventually(what: str, probe: Callable[[], Any], *, within: float = 60) -> Any:
    """The probe's first true value. Fails with `what` when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        if value := probe():
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {what}")
        time.sleep(0.05)


class Server:
    """`python -m moorage.server` on a port of its own."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="moorage-pages-"))
        self.agent_token, self.admin_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        (self.home / "secrets").mkdir(mode=0o700)
        (self.home / "secrets" / "agent-token").write_text(self.agent_token)
        (self.home / "secrets" / "admin-token").write_text(self.admin_token)
        self.log = (self.home / "server.log").open("w")
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        """Another port is taken when somebody else took the first one meanwhile."""
        for _ in range(5):
            self.port = self.port or free_port()
            environ = {
                **os.environ,
                "MOORAGE_SERVER_PORT": str(self.port),
                "MOORAGE_SERVER_ZONE": "localhost",
                "MOORAGE_SERVER_REPOSITORY_NETWORKS": "127.0.0.1",
            }
            command = [sys.executable, "-m", "moorage.server", "--home", str(self.home)]
            self.process = subprocess.Popen(
                [*command, "--listen", f"127.0.0.1:{self.port}"],
                env=environ,
                stdout=self.log,
                stderr=self.log,
                text=True,
            )
            if (
                eventually("the server answers, or has ended", lambda: self._up() or self._ended())
                and self._up()
            ):
                return
            self.port = 0
        pytest.fail((self.home / "server.log").read_text())

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def remove(self) -> None:
        self.stop()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """As the first administrator."""
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        response = httpx.request(
            method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=30
        )
        assert response.is_success, response.text
        return response.json()

    def sign_in_link(self, user: str) -> str:
        return str(self.api("POST", f"/users/{user}/sign-in-links")["url"])

    def add_user(self, prefix: str) -> str:
        name = f"{prefix}{secrets.token_hex(3)}"
        self.api("POST", "/users", {"name": name})
        return name

    def _up(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


class Git:
    """Repositories in a folder, served by Git's own HTTP backend."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="moorage-pages-git-"))
        self.http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Backend,), {"folder": self.folder})
        )
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def repository(self, name: str, files: dict[str, str]) -> str:
        """Its URL; one commit on `main`."""
        work, bare = self.folder / f"{name}.work", self.folder / f"{name}.git"
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        _git("init", "-q", "-b", "main", str(work))
        _git("-C", str(work), "add", "-A")
        _git("-C", str(work), *who, "commit", "-q", "-m", "first")
        _git("clone", "-q", "--bare", str(work), str(bare))
        _git("-C", str(bare), "config", "uploadpack.allowFilter", "true")
        return f"http://127.0.0.1:{self.http.server_address[1]}/{name}.git"

    def push(self, name: str, files: dict[str, str], branch: str = "main") -> None:
        """One commit more."""
        work, bare = self.folder / f"{name}.work", self.folder / f"{name}.git"
        _git("-C", str(work), "checkout", "-q", "-B", branch)
        for path, text in files.items():
            (work / path).write_text(text)
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        _git("-C", str(work), *who, "commit", "-q", "-a", "-m", "next")
        _git("-C", str(work), "push", "-q", str(bare), branch)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _git(*arguments: str) -> None:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *arguments], check=True, capture_output=True, env=environ)


class _Backend(BaseHTTPRequestHandler):
    """One request through `git http-backend` (CGI, RFC 3875)."""

    folder: Path

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = subprocess.run(
            [GIT_BACKEND], input=body, env=environ, capture_output=True, check=False
        ).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@dataclass
class Follower:
    """Somebody who reads a container's log."""

    channel: str
    workspace: str
    container: str


@dataclass
class Agent:
    """An agent that runs nothing: it speaks the contract, and reports what a test tells it to."""

    server: Server
    wanted: dict[str, DesiredWorkspace] = field(default_factory=dict)
    logs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """What a container has written so far, by workspace and container."""
    answers: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """What any command in a container says, by workspace and container."""
    commands: list[tuple[str, str]] = field(default_factory=list)
    """Workspaces and containers in which a command was run."""
    followers: list[Follower] = field(default_factory=list)
    removed: list[tuple[str, str]] = field(default_factory=list)
    """Names and marks of what it was told to remove of what it found."""
    socket: ClientConnection | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        address = f"ws://127.0.0.1:{self.server.port}{contract.PATH}"
        headers = {"Authorization": f"Bearer {self.server.agent_token}"}
        self.socket = self._open.enter_context(connect(address, additional_headers=headers))
        self._send(contract.Hello(version="0.1.0", runtime="memory", runtime_version="1"))
        threading.Thread(target=self._listen, args=(self.socket,), daemon=True).start()
        eventually(
            "the agent is connected",
            lambda: self.server.api("GET", "/agents")["items"][0]["connected"],
        )

    def stop(self) -> None:
        self._open.close()
        self.followers.clear()
        eventually(
            "the agent has gone",
            lambda: not self.server.api("GET", "/agents")["items"][0]["connected"],
        )

    def desired(self, name: str, state: DesiredState) -> DesiredWorkspace:
        """What the server wants of that workspace, once it wants `state`."""
        eventually(
            f"{name} is wanted {state}",
            lambda: name in self.wanted and self.wanted[name].desired is state,
        )
        return self.wanted[name]

    def report(self, name: str, state: ActualState, **values: Any) -> None:
        actual = ActualWorkspace(
            name, self.wanted[name].generation, state, observed_at=time.time(), **values
        )
        self._send(contract.Report(workspaces=(actual,)))

    def run(self, name: str, **values: Any) -> None:
        """All went well: it runs."""
        self.desired(name, DesiredState.RUNNING)
        main = self.wanted[name].spec.main_container
        status = ContainerStatus(main, "img", ContainerState.RUNNING, started_at=time.time())
        known = {"address": "10.213.0.2", "stages": passed(len(StageName)), "containers": (status,)}
        self.report(name, ActualState.RUNNING, **{**known, **values})

    def write(self, workspace: str, container: str, data: bytes) -> None:
        """Adds to a container's log."""
        key = workspace, container
        self.logs[key] = self.logs.get(key, b"") + data
        for follower in self.followers:
            if (follower.workspace, follower.container) == key:
                self._send(contract.ChannelOutput(channel=follower.channel, data=data))

    def find(self, *found: FoundWorkspace) -> None:
        """All that it has and the server does not list."""
        self._send(contract.Found(workspaces=found))

    def _listen(self, socket: ClientConnection) -> None:
        try:
            for text in socket:
                self._take(contract.decode_to_agent(text))
        except ConnectionClosed:
            pass

    def _take(self, message: contract.ToAgent) -> None:
        match message:
            case contract.Snapshot(workspaces=workspaces):
                self.wanted = {workspace.name: workspace for workspace in workspaces}
                self._send(contract.Report(workspaces=(), full=True))
            case contract.Change(workspace=workspace):
                self.wanted[workspace.name] = workspace
            case contract.RemoveFound(name=name, mark=mark):
                self.removed.append((name, mark))
            case contract.OpenLogs():
                self._open_logs(message)
            case contract.OpenExec():
                self._execute(message)
            case contract.ChannelClose(channel=channel):
                self.followers = [
                    follower for follower in self.followers if follower.channel != channel
                ]

    def _execute(self, message: contract.OpenExec) -> None:
        """Says what somebody has put there for the container, whatever the command."""
        self.commands.append((message.workspace, message.container))
        said = self.answers.get((message.workspace, message.container), b"")
        if said:
            self._send(contract.ChannelOutput(channel=message.channel, data=said))
        self._send(contract.ChannelExit(channel=message.channel, code=0))

    def _open_logs(self, message: contract.OpenLogs) -> None:
        container = message.container or self.wanted[message.workspace].spec.main_container
        written = self.logs.get((message.workspace, container), b"")
        lines = written.splitlines(keepends=True)
        shown = (
            lines if message.tail is None else lines[len(lines) - min(message.tail, len(lines)) :]
        )
        if shown:
            self._send(contract.ChannelOutput(channel=message.channel, data=b"".join(shown)))
        if message.follow:
            self.followers.append(Follower(message.channel, message.workspace, container))
        else:
            self._send(contract.ChannelExit(channel=message.channel, code=0))

    def _send(self, message: contract.FromAgent) -> None:
        assert self.socket is not None
        self.socket.send(contract.encode(message))


def passed(
    count: int, current: StageState = StageState.RUNNING, detail: str = ""
) -> tuple[Stage, ...]:
    """The agent's stages of a start that has `count` stages behind it and is in the next."""
    now = time.time()
    stages = []
    for number, name in enumerate(StageName):
        if name in (StageName.QUEUED, StageName.RECEIVED):
            continue
        if number < count:
            stages.append(
                Stage(name, StageState.DONE, now - 5 + number * 0.5, now - 4.5 + number * 0.5)
            )
        elif number == count:
            finished = now if current is StageState.FAILED else None
            stages.append(Stage(name, current, now - 3, finished, detail))
        else:
            stages.append(Stage(name))
    return tuple(stages)
