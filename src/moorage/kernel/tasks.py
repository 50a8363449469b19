"""Background tasks: named, owned, supervised."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

from moorage.kernel import log
from moorage.kernel.errors import Unavailable

LONG_SECONDS = 10.0
"""Work that ran for so long did well until it failed: its next try does not wait for what came
before."""

Work = Callable[[], Awaitable[None]]

_log = log.get(part="kernel.tasks")


class Backoff:
    """Delays that double from `first` to `most` seconds, each shortened at random by up to a half,
    until `reset`."""

    def __init__(self, first: float = 0.2, most: float = 30.0) -> None:
        self._first = first
        self._most = most
        self._next = first

    def reset(self) -> None:
        """Begins with the first delay again."""
        self._next = self._first

    def delay(self) -> float:
        """Seconds to wait before the next try."""
        current = self._next
        self._next = min(self._most, current * 2)
        return current * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, guards nothing

    @property
    def long(self) -> float:
        """Seconds after which what ran did well until it failed."""
        return min(self._most, LONG_SECONDS)


async def forever(
    name: str, work: Work, *, backoff: Backoff | None = None, rest: bool = True
) -> None:
    """Runs `work` again whenever it returns or fails; ends only by cancellation.

    After a failure it pauses, and longer while failures come soon one after the other. `rest`: it
    pauses after a success, too; else `work` waits by itself for something to do. No exception ends
    the task: one fault does not take the process down. That somebody is away (`Unavailable`) is
    logged once, anything else each time.
    """
    pause = backoff or Backoff()
    away = False
    while True:
        began = time.monotonic()
        try:
            await work()
            away = False
            pause.reset()
            if not rest:
                continue
        except Exception as error:  # noqa: BLE001 - one fault does not end the task
            if time.monotonic() - began > pause.long:
                away = False
                pause.reset()
            _log_failure(name, error, again=away)
            away = isinstance(error, Unavailable)
        await asyncio.sleep(pause.delay())


@asynccontextmanager
async def running(
    work: Mapping[str, Work], *, backoff: Callable[[], Backoff] = Backoff, rest: bool = True
) -> AsyncIterator[None]:
    """Runs each of `work` as `forever` does, in a task of its name, until the block ends."""
    tasks = [
        asyncio.create_task(forever(name, each, backoff=backoff(), rest=rest), name=name)
        for name, each in work.items()
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Waits for the event, for so long at most. Whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that a group, and groups inside it, are made of; what is no group is its own
    leaf."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from leaves(inner)


def _log_failure(name: str, error: Exception, *, again: bool) -> None:
    if not isinstance(error, Unavailable):
        _log.warning("task failed; trying again", task=name, error=repr(error), exc_info=error)
    elif not again:
        _log.warning("away; trying again", task=name, error=str(error))
