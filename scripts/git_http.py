"""Serves the folders below `examples/` as Git repositories over smart HTTP: to read, never to
write. Standard library and Git only.

The address is that of the container engine's default bridge, which both this machine and every
container on it can reach, and nobody else.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
DEFAULT_EXAMPLE = "python-http-simple"
DEFAULT_PORT = 8418
BODY_LIMIT = 10_000_000
"""Bytes of a request's body: what a client wants and has, so that little is enough."""
STOP_SECONDS = 10.0
REPOSITORY = r"/[A-Za-z0-9-]+\.git"
"""Path of a repository, as a pattern."""
BRANCH = "refs/heads/main"
EPOCH = "2024-01-01T00:00:00Z"
"""Date of every commit: the same files make the same commit."""


class ServeError(Exception):
    """Says what failed, and what to do about it."""


# ------------------------------------------------------------------------------------- repositories
def make_repository(example: str, folder: Path) -> Path:
    """Makes `<folder>/<example>.git` of the example's files, or brings it up to date; nothing
    changes when they have not.

    Raises `ServeError`.
    """
    source = EXAMPLES / example
    if not source.is_dir():
        raise ServeError(
            f"there is no example {example!r}; there are: {', '.join(sorted(p.name for p in EXAMPLES.iterdir()))}"
        )
    repository = folder / f"{example}.git"
    if not (repository / "HEAD").exists():
        git(
            "init",
            "--quiet",
            "--bare",
            f"--initial-branch={BRANCH.rpartition('/')[2]}",
            str(repository),
        )
    for setting in (
        "uploadpack.allowFilter=true",
        "uploadpack.allowAnySHA1InWant=true",
        "http.receivepack=false",
        "http.getanyfile=false",
    ):
        git("-C", str(repository), "config", *setting.split("="))
    (repository / "info" / "exclude").write_text("__pycache__/\n.venv/\n*.pyc\n")
    with tempfile.TemporaryDirectory() as scratch:
        index = {
            "GIT_INDEX_FILE": f"{scratch}/index",
            "GIT_WORK_TREE": str(source),
            "GIT_DIR": str(repository),
        }
        git("add", "--all", cwd=source, environ=index)
        tree = git("write-tree", cwd=source, environ=index)
    head = git("-C", str(repository), "rev-parse", "--quiet", "--verify", BRANCH, check=False)
    if head and git("-C", str(repository), "rev-parse", f"{head}^{{tree}}") == tree:
        return repository
    person = {"NAME": "Moorage examples", "EMAIL": "examples@moorage.invalid", "DATE": EPOCH}
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in person.items()
    }
    parent = ("-p", head) if head else ()
    message = f"The example {example}" if not head else f"Change the example {example}"
    commit = git("-C", str(repository), "commit-tree", tree, *parent, "-m", message, environ=who)
    git("-C", str(repository), "update-ref", BRANCH, commit)
    return repository


def git(
    *arguments: str,
    cwd: Path | None = None,
    environ: dict[str, str] | None = None,
    check: bool = True,
) -> str:
    """Git's answer, trimmed. Raises `ServeError` with what Git said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env={**kept, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode != 0:
        raise ServeError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


# --------------------------------------------------------------------------------------------- HTTP
class GitHandler(BaseHTTPRequestHandler):
    """Hands the two requests that a fetch consists of to `git http-backend`, and refuses all
    others."""

    server_version = "moorage-examples"
    sys_version = ""
    repositories: Path

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if (
            re.fullmatch(REPOSITORY + "/info/refs", url.path)
            and url.query == "service=git-upload-pack"
        ):
            self._backend(b"")
        else:
            self.send_error(HTTPStatus.NOT_FOUND, "Only git fetch and git clone are served here.")

    def do_POST(self) -> None:
        if not re.fullmatch(REPOSITORY + "/git-upload-pack", urlsplit(self.path).path):
            self.send_error(HTTPStatus.FORBIDDEN, "Only git fetch and git clone are served here.")
            return
        try:
            body = b"".join(self._body())
        except ValueError as error:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
            return
        self._backend(body)

    def _body(self) -> Iterator[bytes]:
        """The request's body, in parts. Raises `ValueError` when it is too long or no body at
        all."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            total = 0
            while size := int(self.rfile.readline(20).split(b";")[0], 16):
                total += size
                if total > BODY_LIMIT:
                    raise ValueError("too long")
                yield self.rfile.read(size)
                self.rfile.readline(2)
            self.rfile.readline(2)
            return
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 <= size <= BODY_LIMIT:
            raise ValueError("too long")
        yield self.rfile.read(size)

    def _backend(self, body: bytes) -> None:
        """One call of Git's CGI program; its answer goes out as it comes."""
        url = urlsplit(self.path)
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(self.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self.repositories),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": self.client_address[0],
        }
        with subprocess.Popen(
            ["git", "http-backend"],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as backend:
            assert backend.stdin is not None
            assert backend.stdout is not None
            backend.stdin.write(body)
            backend.stdin.close()
            headers = dict(
                line.decode().rstrip("\r\n").split(": ", 1)
                for line in iter(backend.stdout.readline, b"\r\n")
                if b": " in line
            )
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            shutil.copyfileobj(backend.stdout, self.wfile)


def serve(listener: socket.socket, repositories: Path) -> None:
    """Serves until a signal ends the process."""
    handler = type("Handler", (GitHandler,), {"repositories": repositories})
    server = ThreadingHTTPServer(listener.getsockname(), handler, bind_and_activate=False)
    server.daemon_threads = True
    server.socket.close()
    server.socket = listener
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    server.serve_forever()


def listen(address: str, port: int) -> socket.socket:
    """Raises `ServeError` where the address cannot be had."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise ServeError(
            f"cannot listen on {address}:{port}: {error.strerror}. Choose another one with --port."
        ) from error
    listener.listen(64)
    return listener


def bridge_address() -> str:
    """This machine's address on the engine's default bridge. Raises `ServeError`."""
    for command, network, form in (
        ("docker", "bridge", "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}} {{end}}"),
        ("podman", "podman", "{{range .Subnets}}{{.Subnet}} {{.Gateway}} {{end}}"),
    ):
        if shutil.which(command):
            done = subprocess.run(
                [command, "network", "inspect", network, "--format", form],
                capture_output=True,
                text=True,
                check=False,
            )
            for address in addresses_of(done.stdout) if done.returncode == 0 else ():
                if _is_local(address):
                    return address
    raise ServeError(
        "the container engine has no default bridge with an address on this machine: name one with --address."
    )


def addresses_of(networks: str) -> list[str]:
    """What may be this machine's address on networks: their gateways, and where one is not told, a
    subnet's first address."""
    found = []
    for word in networks.split():
        if "/" not in word:
            found.append(word)
        elif "." in word:
            found.append(str(next(ipaddress.IPv4Network(word, strict=False).hosts())))
    return found


def _is_local(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


# ---------------------------------------------------------------------- one server per state folder
@dataclass(frozen=True)
class State:
    """The folder that holds the repositories, and the server's process id, address and log."""

    folder: Path

    @property
    def repositories(self) -> Path:
        return self.folder / "repositories"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    def running(self) -> tuple[int, str] | None:
        """Process id and origin of the server that was started here, while it lives."""
        try:
            pid, started, origin = (self.folder / "serve.pid").read_text().split()
        except (OSError, ValueError):
            return None
        return (int(pid), origin) if start_time(int(pid)) == started else None

    def remember(self, pid: int, origin: str) -> None:
        (self.folder / "serve.pid").write_text(f"{pid} {start_time(pid)} {origin}\n")

    def forget(self) -> None:
        (self.folder / "serve.pid").unlink(missing_ok=True)


def start_time(pid: int) -> str | None:
    """When the process started, in ticks since boot (proc(5)): with the process id, it names one
    process only. None: not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if stat[0] == "Z" else stat[19]


def start_detached(state: State, address: str, port: int) -> str:
    """Starts a server that outlives this process; its origin. The socket listens already when this
    returns."""
    with listen(address, port) as listener, state.log.open("ab") as log:
        origin = "http://{}:{}".format(*listener.getsockname())
        process = subprocess.Popen(
            [
                sys.executable,
                __file__,
                "--inherited",
                str(listener.fileno()),
                "--state",
                str(state.folder),
            ],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
        state.remember(process.pid, origin)
    return origin


def stop(state: State) -> None:
    """Ends the server that was started with this state folder, and waits for its end."""
    found = state.running()
    if found is not None:
        os.kill(found[0], signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while state.running() is not None and time.monotonic() < deadline:
            time.sleep(0.02)
    state.forget()


def default_state() -> Path:
    return (
        Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        / "moorage-examples"
    )


def main() -> int:
    """The command line of `scripts/serve-example`."""
    parser = argparse.ArgumentParser(
        prog="scripts/serve-example", description="Serves an example as a Git repository over HTTP."
    )
    parser.add_argument(
        "example",
        nargs="?",
        default=DEFAULT_EXAMPLE,
        help=f"folder below examples/ [{DEFAULT_EXAMPLE}]",
    )
    parser.add_argument(
        "--state",
        type=Path,
        default=default_state(),
        help="folder for repositories and process id [%(default)s]",
    )
    parser.add_argument(
        "--address", help="address to listen on [that of the container engine's bridge]"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("EXAMPLE_PORT", DEFAULT_PORT),
        help="0: a free one [%(default)s]",
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="print the repository's URL and return; a running server is used again",
    )
    parser.add_argument("--stop", action="store_true", help="end the server that --detach started")
    parser.add_argument("--inherited", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    state = State(arguments.state.absolute())
    try:
        if arguments.inherited is not None:
            serve(socket.socket(fileno=arguments.inherited), state.repositories)
        elif arguments.stop:
            stop(state)
        else:
            _serve_example(state, arguments)
    except ServeError as error:
        print(f"scripts/serve-example: {error}", file=sys.stderr)
        return 1
    return 0


def _serve_example(state: State, arguments: argparse.Namespace) -> None:
    state.repositories.mkdir(parents=True, exist_ok=True)
    make_repository(arguments.example, state.repositories)
    found = state.running()
    if found is None and arguments.detach:
        origin = start_detached(state, arguments.address or bridge_address(), arguments.port)
    elif found is not None:
        origin = found[1]
    else:
        with listen(arguments.address or bridge_address(), arguments.port) as listener:
            print(
                "http://{}:{}/{}.git".format(*listener.getsockname(), arguments.example), flush=True
            )
            serve(listener, state.repositories)
        return
    print(f"{origin}/{arguments.example}.git", flush=True)


if __name__ == "__main__":
    sys.exit(main())
