"""The last lines of containers, for those who are to know why they ended."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import ContainerStatus, Pod
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.kernel.errors import MoorageError

LINES = 20
"""Lines of a container that are shown beside its end."""
_KEPT = 500
"""Ends of containers whose lines are remembered."""


class LogTails:
    """Asks for the log of each end of a container once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    async def of_ended(self, pods: Sequence[Pod]) -> dict[str, str]:
        """The last lines of containers that have ended with an error, by `states.run_key`."""
        found = {}
        for pod in pods:
            for status in pod.containers:
                if status.ended is None or status.ended.exit_code == 0:
                    continue
                key = states.run_key(pod, status)
                if key not in self._known:
                    self._known[key] = await self.read(pod, status, LINES)
                    while len(self._known) > _KEPT:
                        self._known.pop(next(iter(self._known)))
                found[key] = self._known[key]
        return found

    async def read(self, pod: Pod, status: ContainerStatus, lines: int) -> str:
        """The last lines that a container wrote; of the run before, while it waits to be started
        again."""
        waits = status.state.waiting is not None
        if waits and not status.awaits_restart:
            return ""
        pieces = self._client.log(pod.namespace, pod.name, status.name, tail=lines, previous=waits)
        try:
            return b"".join([piece async for piece in pieces]).decode(errors="replace")
        except MoorageError as error:
            return f"(its log cannot be read: {error.message})"
