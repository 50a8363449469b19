"""Waits until the store has heard of what was asked for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Namespace
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Cause

GONE_SECONDS = 120.0
"""Seconds that what was removed may take to go."""
RESTART_SECONDS = 120.0
"""Seconds that an action waits for a kubelet to start again what ended. Its pauses double up to
five minutes; but while an action waits, nothing else is looked at."""


class Waiter:
    """`changed` is to be called whenever one of a workspace's objects has changed."""

    def __init__(self) -> None:
        self._changes: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def changed(self, workspace: str) -> None:
        if event := self._changes.pop(workspace, None):
            event.set()

    async def gone(
        self,
        workspace: str,
        done: Callable[[], bool],
        objects_of: Callable[[str], Sequence[ClusterObject]],
    ) -> None:
        """Raises `RuntimeFault`, not final, when that takes too long; it tells what is left of
        `objects_of`."""
        if not await self._until(workspace, done, GONE_SECONDS):
            raise RuntimeFault(removal_slow(objects_of(workspace)), final=False)

    async def restarted(self, workspace: str, done: Callable[[], bool]) -> None:
        """Raises `RuntimeFault`, not final, when that takes too long."""
        if not await self._until(workspace, done, RESTART_SECONDS):
            raise RuntimeFault(restart_slow(), final=False)

    async def _until(self, workspace: str, done: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not done():
                    await self._changes[workspace].wait()
        except TimeoutError:
            return False
        return True


def removal_slow(left: Sequence[ClusterObject]) -> Cause:
    """The cause where something should have gone. `left`: what is still there."""
    return Cause(
        code="removal-slow",
        message="The cluster has not finished removing this workspace's objects yet.",
        detail=left_over(left),
        hint="A finalizer, a node that does not answer or an API of the cluster's that does not may hold them; the agent goes "
        "on waiting.",
    )


def left_over(left: Sequence[ClusterObject]) -> str:
    """Names what is still there, with the cluster's words about namespaces that cannot go."""
    lines = [", ".join(f"{item.kind} {item.name}" for item in left)]
    for item in left:
        if isinstance(item, Namespace) and item.metadata.deleted:
            lines += [
                f"{told.type}: {told.message}" for told in item.status.conditions if told.holds
            ]
    return "\n".join(lines)


def restart_slow() -> Cause:
    """The cause where containers ended and nobody starts them again."""
    return Cause(
        code="restart-slow",
        message="The workspace's node has not started again yet what ended.",
        hint="It may be busy, or not answer; the agent goes on waiting.",
    )
