"""Logs of a workspace's containers, and where in the cluster they run."""

from __future__ import annotations

from collections.abc import AsyncIterator

from moorage.agent.runtimes.containers import CLONE, Candidate, find, not_running
from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.faults import faults
from moorage.agent.runtimes.kubernetes.api.model import ContainerStatus, Deployment, Pod
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, POD
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.observed.store import Store
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.names import SANDBOX
from moorage.agent.runtimes.port import LogChunk


async def logs(
    client: Client, store: Store, name: str, container: str, *, follow: bool, tail: int | None
) -> AsyncIterator[LogChunk]:
    """See `Runtime.logs`.

    Of a container that waits to be started again, the log of the run before.
    """
    deployment = _deployment(store, name)
    halted = states.halted_of(deployment)
    if halted is not None:
        called = SANDBOX if container in CLONE else container or _main(deployment)
        lines = halted.logs.get(called, "").splitlines(keepends=True)
        yield LogChunk("".join(lines if tail is None else lines[-tail:] if tail else []).encode())
        return
    pod, status = _find(store, name, container, for_log=True)
    with faults("reading a container's log"):
        pieces = client.log(
            pod.namespace,
            pod.name,
            status.name,
            follow=follow and not status.awaits_restart,
            tail=tail,
            previous=status.awaits_restart,
        )
        async for data in _without_events(pieces) if status.name == SANDBOX else pieces:
            yield LogChunk(data)


def place(store: Store, name: str, container: str) -> commands.Place:
    """The container that a command can run in. Raises `NotFound`."""
    pod, status = _find(store, name, container)
    return commands.Place(pod.namespace, pod.name, status.name)


def _find(
    store: Store, name: str, container: str, *, for_log: bool = False
) -> tuple[Pod, ContainerStatus]:
    """See `containers.find`. Raises `NotFound`."""
    pod = states.current_pod(states.living(store.of(name, POD)))
    if pod is None:
        raise not_running()
    main = _main(_deployment(store, name))
    candidates = [
        Candidate(
            status.name,
            states.role_of(status.name, main, init=False),
            status.running is not None,
            status,
        )
        for status in pod.containers
        if status.name not in states.OURS - {SANDBOX}
    ]
    return pod, find(candidates, container, for_log=for_log)


async def _without_events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The sandbox's events are for the agent, its other lines for people."""
    rest = b""
    async for data in pieces:
        *whole, rest = (rest + data).split(b"\n")
        if kept := [line + b"\n" for line in whole if not line.startswith(b'{"event":')]:
            yield b"".join(kept)


def for_people(text: str) -> str:
    """A log without the sandbox's events."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith('{"event":')
    )


def _deployment(store: Store, name: str) -> Deployment | None:
    return next(iter(store.of(name, DEPLOYMENT)), None)


def _main(deployment: Deployment | None) -> str:
    return states.annotations_of(deployment).get(names.MAIN, "")
