"""Looks whether this machine can run Moorage before anything starts, so that a person reads what to
do, not a log."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec

from moorage.kernel.errors import Misconfigured, MoorageError
from moorage.kernel.home import Home
from moorage.supervisor import proc, state
from moorage.supervisor.prepare import Plan

HAPROXY_AT_LEAST = (2, 4)
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Often not in the PATH of a person who is not root."""


class Engine(msgspec.Struct, frozen=True):
    """A container engine that answers."""

    address: str
    """`unix:///…` or `tcp://…`."""
    name: str
    """For a person: `Docker 20.10.24`."""


def check(home: Home, plan: Plan) -> list[MoorageError]:
    """All that is in the way of a start, most basic first; empty when nothing is. Changes nothing
    but makes the home."""
    looks: list[Callable[[], None]] = [
        lambda: _home(home),
        lambda: _ports(plan),
        lambda: _haproxy(plan.haproxy),
        _git,
        lambda: check_engine(plan),
    ]
    problems: list[MoorageError] = []
    for look in looks:
        try:
            look()
        except MoorageError as error:
            problems.append(error)
    return problems


def check_engine(plan: Plan) -> None:
    """Raises `Misconfigured` when no engine answers, or it lacks the tools image."""
    if plan.runtime == "docker":
        _tools_image(find_engine(plan.docker_host), plan.tools_image)


def find_engine(docker_host: str = "") -> Engine:
    """The first engine that answers: `docker_host`, else `DOCKER_HOST`, else the usual sockets of
    Docker and Podman.

    Raises `Misconfigured`, which says what was tried.
    """
    tried = []
    for address in _engine_addresses(docker_host):
        try:
            return Engine(address, _engine_name(address))
        except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            tried.append(f"{address} ({_reason(error)})")
    raise Misconfigured(
        f"No Docker engine answers. Tried: {'; '.join(tried)}.",
        code="engine-unreachable",
        hint="Install and start one (`make quickstart` does both; `dockerd` starts Docker where no service does), "
        "or set DOCKER_HOST.",
    )


def parse_haproxy_version(text: str) -> tuple[int, int] | None:
    """Major and minor number out of what `haproxy -v` prints."""
    found = re.search(r"version (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _home(home: Home) -> None:
    home.socket("haproxy-events")  # the longest name of a socket, by length
    try:
        home.make()
        probe = home.path / f".writable.{os.getpid()}"
        probe.touch(mode=0o600, exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise Misconfigured(
            f"The state folder {home.path} cannot be written: {error.strerror}.",
            code="home-not-writable",
            hint="Choose another one with --home, or change its owner.",
        ) from error
    if state.locked(home):
        os.close(state.lock(home))  # raises the error that says so


def _ports(plan: Plan) -> None:
    _port({"*": ""}.get(plan.address, plan.address), plan.port, "Moorage itself")
    _port("127.0.0.1", plan.metrics, "metrics")


def _port(address: str, port: int, purpose: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            raise _port_error(address, port, purpose, error) from error


def _port_error(address: str, port: int, purpose: str, error: OSError) -> Misconfigured:
    if error.errno == errno.EADDRINUSE:
        by = proc.listener(port)
        return Misconfigured(
            f"Port {port} (for {purpose}) is taken{f' by {by}' if by else ''}.",
            code="port-taken",
            hint="End that process, or choose another port with --port; the next one is needed too, for metrics.",
            port=port,
        )
    if error.errno == errno.EACCES:
        return Misconfigured(
            f"Port {port} may be used by root only.",
            code="port-forbidden",
            hint="Choose one from 1024 with --port.",
        )
    return Misconfigured(
        f"Nothing can listen on {address}, port {port}: {error.strerror}.",
        code="address-unusable",
        hint="Choose an address of this machine with --address.",
    )


def _haproxy(program: str) -> None:
    found = shutil.which(program)
    if found is None:
        elsewhere = shutil.which(program, path=SYSTEM_FOLDERS)
        raise Misconfigured(
            f"HAProxy is in {elsewhere}, which is not in PATH."
            if elsewhere
            else "HAProxy is not installed.",
            code="haproxy-missing",
            hint="`apt-get install haproxy` installs it.",
        )
    answer = subprocess.run([found, "-v"], capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    version = parse_haproxy_version(answer.stdout)
    if version is None or version < HAPROXY_AT_LEAST:
        needed = ".".join(map(str, HAPROXY_AT_LEAST))
        has = ".".join(map(str, version)) if version else "of an unknown version"
        raise Misconfigured(
            f"HAProxy {has} ({found}) is too old.",
            code="haproxy-too-old",
            hint=f"Install {needed} or later.",
        )


def _git() -> None:
    if shutil.which("git") is None:
        raise Misconfigured(
            "Git is not installed.", code="git-missing", hint="`apt-get install git` installs it."
        )


def _tools_image(engine: Engine, image: str) -> None:
    try:
        with _client(engine.address) as client:
            status = client.get(f"/images/{image}/json").status_code
    except (OSError, httpx.HTTPError) as error:
        raise Misconfigured(
            f"The engine at {engine.address} did not answer: {error}.", code="engine-unreachable"
        ) from error
    if status == 404:
        raise Misconfigured(
            f"{engine.name} does not have the tools image {image}, which holds the editor.",
            code="tools-image-missing",
            hint="`make tools` builds it; another one is named with --tools-image.",
            image=image,
        )


def _engine_addresses(docker_host: str) -> list[str]:
    if given := docker_host or os.environ.get("DOCKER_HOST", ""):
        return [given]
    sockets = [Path("/var/run/docker.sock"), Path("/run/podman/podman.sock")]
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        sockets.append(Path(runtime) / "podman/podman.sock")
    return [f"unix://{path}" for path in sockets]


def _engine_name(address: str) -> str:
    with _client(address) as client:
        client.get("/_ping").raise_for_status()
        answer = client.get("/version").raise_for_status().json()
    parts = [part.get("Name", "") for part in answer.get("Components") or []]
    kind = "Podman" if any("podman" in part.lower() for part in parts) else "Docker"
    return f"{kind} {answer.get('Version', '')}".strip()


def _client(address: str) -> httpx.Client:
    """Raises `OSError` when a Unix socket does not accept: httpx would leave its own socket open
    then."""
    if address.startswith("unix://"):
        path = address.removeprefix("unix://")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=path), base_url="http://engine", timeout=5.0
        )
    return httpx.Client(base_url=address.replace("tcp://", "http://", 1), timeout=5.0)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
