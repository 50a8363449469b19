"""Waits until the store has heard of what was asked for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from moorage.agent.runtimes.kubernetes import causes
from moorage.agent.runtimes.kubernetes.resources import Object
from moorage.agent.runtimes.port import RuntimeFault

GONE_SECONDS = 120.0
"""How long what was removed may take to go."""
RESTART_SECONDS = 120.0
"""How long an action waits for a kubelet to start again what ended. Its pauses double up to five minutes; but while an action waits,
nothing else is looked at."""


class Waiting:
    """`changed` is to be called whenever one of a workspace's objects has changed."""

    def __init__(self) -> None:
        self._changes: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def changed(self, workspace: str) -> None:
        if event := self._changes.pop(workspace, None):
            event.set()

    async def gone(
        self, workspace: str, done: Callable[[], bool], objects_of: Callable[[str], Sequence[Object]]
    ) -> None:
        """Raises `RuntimeFault`, not final, when that takes too long; it tells what is left of `objects_of`."""
        if not await self._until(workspace, done, GONE_SECONDS):
            raise RuntimeFault(causes.removal_slow(objects_of(workspace)), final=False)

    async def restarted(self, workspace: str, done: Callable[[], bool]) -> None:
        """Raises `RuntimeFault`, not final, when that takes too long."""
        if not await self._until(workspace, done, RESTART_SECONDS):
            raise RuntimeFault(causes.restart_slow(), final=False)

    async def _until(self, workspace: str, done: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not done():
                    await self._changes[workspace].wait()
        except TimeoutError:
            return False
        return True
