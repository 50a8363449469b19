"""Feeds that people watch, made once for all who watch the same.

A feed is one thing (a list, a workspace) in one form, as one person is shown it. It is loaded when
something that concerns it has changed, and rendered when it is not what it was; its readers take
the newest whenever they come to it. So a change costs the same for one stream of a person as for
forty, and a reader that is slow, or does not read at all, costs nothing. A form may say what has
changed alone (`Form.step`): that goes to readers who have all before it, and the whole to others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from moorage.kernel import log
from moorage.kernel.errors import MoorageError
from moorage.server.core import Core
from moorage.server.storage.changes import RESYNC, Changed, Subscription
from moorage.server.tasks import until_one_ends

T_co = TypeVar("T_co", covariant=True)

LOADS = 2
"""Feeds that load at the same time, so that requests find a free connection to the database when
all feeds load at once."""
REST = 3.0
"""A feed rests so many times as long as it worked: the largest list, changing all the time, takes a
quarter of a processor."""

_log = log.get(part="server.http")


class Subject(Protocol[T_co]):
    """A thing that is watched, as one person sees it."""

    key: Hashable
    """Whoever has the same key is shown the same: it holds the person."""
    kinds: tuple[type[Changed], ...]
    gather: float
    """Seconds: changes that come so close together are one."""

    async def load(self) -> T_co | None:
        """As it is now; None when it is gone. Raises `MoorageError` when it cannot be shown."""

    def concerns(self, change: Changed) -> bool: ...


@dataclass(frozen=True)
class Form:
    """How a thing is written for those who watch it."""

    name: str
    """What has the same name is written the same: a thing may be watched in several forms."""
    whole: Callable[[Any], bytes]
    """The event that says all of it."""
    step: Callable[[Any, Any], bytes | None] = lambda _before, _after: None
    """The event that says what has changed, to those who have what was before; None: the whole
    says it better."""


class Feed:
    """`version` counts what differs."""

    def __init__(self, form: Form) -> None:
        self.version = 0
        self._form = form
        self._item: Any = None
        self._whole: bytes | None = None
        """Written when the first reader needs it."""
        self._step: bytes | None = None
        """From the version before to this one."""
        self.ended = False
        self.gone = False
        """It has ended because there is nothing to watch any more."""
        self.error: MoorageError | None = None
        """Why it has ended instead."""
        self.wakes: set[asyncio.Event] = set()
        """Of its readers: set at each version, and at the end."""
        self._begun = 0
        self._loaded = 0
        self._turned = asyncio.Condition()
        self._changes: Subscription | None = None

    async def follow(
        self,
        core: Core,
        subject: Subject[Any],
        turns: asyncio.Semaphore,
    ) -> None:
        """Runs until there is nothing to watch any more. Raises what `subject.load` raises."""
        with core.changes.subscribe(*subject.kinds) as self._changes:
            while True:
                async with turns:
                    began = time.perf_counter()
                    self._begun += 1
                    fresh = await subject.load()
                    if fresh is None:
                        self.gone = True
                        return
                    # What is the same is made anew for those who have just come alone: the times in
                    # it have moved on.
                    known, self._item, self._whole = self._item, fresh, None
                    if fresh != known:
                        self._step = self._form.step(known, fresh) if self.version else None
                        self.version += 1
                        self._wake()
                    took = time.perf_counter() - began
                await self._turn(self._begun)
                await asyncio.sleep(max(subject.gather, REST * took))
                while not any(map(subject.concerns, await self._changes.next())):
                    pass

    def event_for(self, shown: int) -> bytes:
        """What leads a reader who has been shown that version (0: none) to the newest."""
        if self._step is not None and shown == self.version - 1:
            return self._step
        if self._whole is None:
            self._whole = self._form.whole(self._item)
        return self._whole

    async def caught_up(self) -> None:
        """Returns once it shows what was so when this was called, or later; or has ended."""
        wanted = self._begun + 1
        if self._changes is not None:
            self._changes.offer(RESYNC)
        async with self._turned:
            await self._turned.wait_for(lambda: self.ended or self._loaded >= wanted)

    async def end(self, error: MoorageError | None = None) -> None:
        self.error, self.ended = error, True
        self._wake()
        await self._turn(self._loaded)

    async def _turn(self, loaded: int) -> None:
        async with self._turned:
            self._loaded = loaded
            self._turned.notify_all()

    def _wake(self) -> None:
        for wake in self.wakes:
            wake.set()


@dataclass
class _Running:
    feed: Feed
    task: asyncio.Task[None]


class Feeds:
    """Those that somebody reads."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Running] = {}
        self._turns = asyncio.Semaphore(LOADS)

    @asynccontextmanager
    async def read(
        self, core: Core, form: Form, subject: Subject[Any]
    ) -> AsyncIterator[tuple[Feed, asyncio.Event]]:
        """The feed, begun for its first reader and ended after its last; and what is set when there
        is something new."""
        key = form.name, subject.key
        running = self._running.get(key)
        if running is None or running.feed.ended:
            feed = Feed(form)
            work = self._run(core, feed, subject)
            running = _Running(feed, asyncio.create_task(work, name=f"server.feed.{form.name}"))
            self._running[key] = running
        feed, wake = running.feed, asyncio.Event()
        feed.wakes.add(wake)
        try:
            yield feed, wake
        finally:
            feed.wakes.discard(wake)
            if not feed.wakes:
                if self._running.get(key) is running:
                    del self._running[key]
                running.task.cancel()
                await asyncio.gather(running.task, return_exceptions=True)

    async def _run(self, core: Core, feed: Feed, subject: Subject[Any]) -> None:
        error: MoorageError | None = None
        try:
            await until_one_ends(
                "server.feed", feed.follow(core, subject, self._turns), _closing(core)
            )
        except MoorageError as told:
            error = told
        except Exception:  # noqa: BLE001 - its readers end, and come back
            _log.exception("what somebody watches could not be shown")
            error = MoorageError(
                "Moorage could not show this because of an error of its own.", code="internal"
            )
        await feed.end(error)


async def _closing(core: Core) -> None:
    await core.closing.wait()
