"""Logs of a workspace's containers, and where in the cluster they run."""

from __future__ import annotations

from collections.abc import AsyncIterator

from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.faults import faults
from moorage.agent.runtimes.kubernetes.api.model import Deployment, Pod
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, POD
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.observed.store import Store
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.names import SANDBOX
from moorage.agent.runtimes.port import LogChunk
from moorage.kernel.errors import NotFound

CLONE = ("clone", "sandbox")
"""The names by which callers mean the container that clones."""


async def logs(
    client: Client, store: Store, name: str, container: str, *, follow: bool, tail: int | None
) -> AsyncIterator[LogChunk]:
    """See `Runtime.logs`. Of a container that waits to be started again: of its run before."""
    deployment = _deployment(store, name)
    called = _called(deployment, container)
    pod = states.current_pod(states.living(store.of(name, POD)))
    halted = states.halted_of(deployment)
    if halted is not None:
        lines = halted.logs.get(called, "").splitlines(keepends=True)
        yield LogChunk("".join(lines if tail is None else lines[-tail:] if tail else []).encode())
        return
    if pod is None:
        raise _not_running()
    status = next((status for status in pod.containers if status.name == called), None)
    if status is None:
        raise _no_such(pod, container)
    previous = status.awaits_restart
    with faults("reading a container's log"):
        pieces = client.log(
            pod.namespace,
            pod.name,
            called,
            follow=follow and not previous,
            tail=tail,
            previous=previous,
        )
        async for data in _without_events(pieces) if called == SANDBOX else pieces:
            yield LogChunk(data)


def place(store: Store, name: str, container: str) -> commands.Place:
    """The container that a command can run in, which is none of ours: there the credentials are.
    Raises `NotFound`."""
    pod = states.current_pod(states.living(store.of(name, POD)))
    if pod is None:
        raise _not_running()
    called = _called(_deployment(store, name), container)
    for status in pod.containers:
        if status.name == called and called not in states.OURS:
            if status.running is None:
                raise NotFound(f"Container {called} does not run now.", code="container-not-running")
            return commands.Place(pod.namespace, pod.name, called)
    raise _no_such(pod, container)


async def _without_events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The sandbox's events are for the agent, its other lines for people."""
    rest = b""
    async for data in pieces:
        *whole, rest = (rest + data).split(b"\n")
        if kept := [line + b"\n" for line in whole if not line.startswith(b'{"event":')]:
            yield b"".join(kept)


def for_people(text: str) -> str:
    """A log without the sandbox's events."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith('{"event":'))


def _deployment(store: Store, name: str) -> Deployment | None:
    return next(iter(store.of(name, DEPLOYMENT)), None)


def _called(deployment: Deployment | None, container: str) -> str:
    """A container's name in the pod."""
    if container in CLONE:
        return SANDBOX
    return container or states.annotations_of(deployment).get(names.MAIN, "")


def _not_running() -> NotFound:
    return NotFound(
        "The workspace has no containers: it does not run.",
        code="workspace-not-running",
        hint="Start it first.",
    )


def _no_such(pod: Pod, container: str) -> NotFound:
    there = sorted(status.name for status in pod.containers if status.name not in states.OURS)
    return NotFound(
        f"The workspace has no container {container or 'to run in'}.",
        code="container-not-found",
        hint=f"It has: {', '.join(there)}.",
    )
