"""Background tasks: named, owned, supervised."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from moorage.kernel import log

_log = log.get(part="kernel.tasks")
LONG_SECONDS = 10.0
"""What ran for so long did well until it failed: its next try does not wait for what came before."""


class Backoff:
    """Delays that double from `first` to `most` seconds, each shortened at random by up to a half, until `reset`."""

    def __init__(self, first: float = 0.2, most: float = 30.0) -> None:
        self._first = first
        self._most = most
        self._next = first

    def reset(self) -> None:
        self._next = self._first

    def delay(self) -> float:
        """Seconds to wait before the next try."""
        current = self._next
        self._next = min(self._most, current * 2)
        return current * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, guards nothing


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Waits for the event, for so long at most. Whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def forever(name: str, work: Callable[[], Awaitable[None]], *, backoff: Backoff | None = None) -> None:
    """Runs `work` again whenever it returns or fails, after a pause, which grows while it does so soon; ends only by
    cancellation.

    An exception is logged with its name and never ends the task: one fault does not take the process down.
    """
    pause = backoff or Backoff()
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            await work()
            pause.reset()
        except Exception as error:  # noqa: BLE001 - one fault does not end the task
            _log.warning("task failed; trying again", task=name, error=repr(error), exc_info=error)
            if loop.time() - began > LONG_SECONDS:
                pause.reset()
        await asyncio.sleep(pause.delay())
