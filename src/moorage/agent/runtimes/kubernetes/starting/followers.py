"""The tasks that follow clones: one for each container that clones now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from moorage.agent.runtimes.cloning import CloneLog, Execute, deliver_again, deliver_credentials
from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import Pod
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.starting.progress import StartProgress, cloning_container
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import DesiredWorkspace
from moorage.kernel import log
from moorage.kernel.errors import MoorageError

_log = log.get(part="agent.kubernetes.clones")
TELL_EVERY = 0.5
"""Seconds between two words about a clone's progress."""


class CloneFollowers:
    """`changed(workspace)` is called when a clone has told something; `broken(workspace)` when it
    can no longer be followed, and `follow` is to be called again."""

    def __init__(
        self, client: Client, changed: Callable[[str], None], broken: Callable[[str], None]
    ) -> None:
        self._client, self._changed, self._broken = client, changed, broken
        self._tasks: dict[str, tuple[str, asyncio.Task[None]]] = {}
        """By workspace: which run of a container is followed."""

    def follow(
        self, name: str, desired: DesiredWorkspace, start: StartProgress, pod: Pod | None
    ) -> None:
        """Follows the container of the pod that clones now, if one does, and no other one of the
        workspace any more."""
        cloning = cloning_container(pod) if pod is not None else None
        if pod is None or cloning is None:
            self.drop(name)
            return
        key = states.run_key(pod, cloning)
        if name in self._tasks and self._tasks[name][0] == key:
            return
        self.drop(name)
        start.clone_log = CloneLog(missing=start.clone_log.missing)
        place = commands.Place(pod.namespace, pod.name, cloning.name)
        task = asyncio.create_task(
            self._follow(name, desired, start, place, waits=not cloning.started),
            name=f"clone of {name}",
        )
        self._tasks[name] = (key, task)

    def drop(self, name: str) -> None:
        if entry := self._tasks.pop(name, None):
            entry[1].cancel()

    async def close(self) -> None:
        tasks = [task for _, task in self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(
        self,
        name: str,
        desired: DesiredWorkspace,
        start: StartProgress,
        place: commands.Place,
        *,
        waits: bool,
    ) -> None:
        """Ends with the clone. When the connection breaks, whoever looks again begins anew.
        `waits`: whether the sandbox may want credentials; else it only has more to tell."""
        told = 0.0

        def changed() -> None:
            nonlocal told
            now = asyncio.get_running_loop().time()
            if start.clone_log.ended or now - told > TELL_EVERY:
                told = now
                self._changed(name)

        async def execute(argv: tuple[str, ...], given: bytes) -> int:
            return (await commands.run(self._client, place, list(argv), given))[0]

        try:
            if waits:
                await deliver_credentials(desired, execute)
            await self._read_log(place, desired, start.clone_log, changed, execute)
        except RuntimeFault as fault:
            if fault.final:
                start.clone_log.fault = fault.cause
                self._changed(name)
                return
            _log.info("stopped following a clone", workspace=name, error=str(fault))
        except MoorageError as error:
            _log.info("stopped following a clone", workspace=name, error=str(error))
        if not start.clone_log.ended:
            self._tasks.pop(name, None)
            self._broken(name)

    async def _read_log(
        self,
        place: commands.Place,
        desired: DesiredWorkspace,
        into: CloneLog,
        changed: Callable[[], None],
        execute: Execute,
    ) -> None:
        """Reads until the clone has ended, for good or ill, or the log has.

        Its events are in the log for as long as the container is, so that an agent that starts anew
        reads the same again.
        """
        rest = b""
        async for data in self._client.log(
            place.namespace, place.pod, place.container, follow=True
        ):
            if into.take_progress(data):
                changed()
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                if into.take_line(line, desired):
                    changed()
                if into.ended:
                    return
                if into.done:
                    await deliver_again(into, desired, execute)
