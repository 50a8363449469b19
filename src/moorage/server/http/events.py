"""Server-sent events (HTML standard, 9.2)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from moorage.kernel import gzip
from moorage.kernel.serving import STILL_HERE, encode_event
from moorage.server.core import Core
from moorage.server.http.concurrency import Concurrency, Slot
from moorage.server.http.feeds import Feed, Feeds, Form, Subject

T = TypeVar("T")

KEEP_ALIVE = 20.0
"""Seconds of silence after which a comment is sent, so that nothing in between takes the connection
for dead."""
WRITE_SECONDS = 30.0
"""That a reader has to take what waits for it; then its connection is cut off."""
RETRY_SECONDS = (1.0, 6.0)
"""After which browsers come back to a stream that has ended, each at its own time: not all at once
after a restart."""
ABORT = "moorage.abort"
"""Of an ASGI scope: a function that cuts the connection off, without waiting for what was not
read."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Validity(Protocol):
    """Whether what a reader was let in by still holds: it may end while the reader still reads."""

    wakes: set[asyncio.Event]
    """Set when it ends."""

    async def holds(self) -> bool:
        """Whether it has not ended yet. Raises `Unavailable` when nobody can say."""


@dataclass(frozen=True)
class Reader:
    """A person who follows something, for as long as what they were let in by is valid."""

    id: int
    valid: AbstractAsyncContextManager[Validity]


@dataclass(frozen=True)
class Farewells:
    """Last words to a page, as data of the stream's event."""

    gone: str
    """There is nothing to watch any more."""
    sent_away: str
    """Who watches may do so no longer."""


def stream(
    core: Core,
    reader: Reader,
    name: str,
    subject: Subject[T],
    render: Callable[[T], BaseModel | str],
    *,
    changed: Callable[[T, T], str | None] | None = None,
    farewells: Farewells | None = None,
) -> Response:
    """An event `name` at once and at each change: a model as JSON, text (a fragment of a page, for
    instance) as it is.

    `render` is called once for all streams of the same form of a subject: it may depend on nothing
    else, and on nobody but the subject's person. `farewells`: of pages, which are another form than
    the data that programs follow. `changed`: what is different in the second from the first, as the
    data of an event `<name>-changed`, in the place of all of it; None where all of it is better.
    """

    def whole(item: T) -> bytes:
        core.metrics.renderings.labels(name).inc()
        return encode(name, render(item))

    def step(before: T, after: T) -> bytes | None:
        words = changed(before, after) if changed else None
        if words is None:
            return None
        core.metrics.renderings.labels(name).inc()
        return encode(f"{name}-changed", words)

    form = Form(f"{name} {'page' if farewells else 'data'}", whole, step)
    return _EventStream(core, reader, name, subject, form, farewells)


def encode(name: str, item: BaseModel | str) -> bytes:
    """The event of a model, or of text as it is."""
    return encode_event(name, item if isinstance(item, str) else item.model_dump_json())


class _EventStream(Response):
    """Begins once there is something to say, so that an error is an answer of its own. Raises
    `LimitReached`."""

    media_type = "text/event-stream"

    def __init__(  # noqa: PLR0917 - of this module alone
        self,
        core: Core,
        reader: Reader,
        name: str,
        subject: Subject[Any],
        form: Form,
        farewells: Farewells | None,
    ) -> None:
        super().__init__()
        self._core, self._reader, self._name, self._subject = core, reader, name, subject
        self._form, self._farewells = form, farewells

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        core = self._core
        with (
            core.part(Concurrency).take(Slot.STREAM, self._reader.id),
            core.metrics.streams.track_inprogress(),
        ):
            async with (
                self._reader.valid as validity,
                core.part(Feeds).read(core, self._form, self._subject) as (feed, wake),
            ):
                going = asyncio.create_task(_until_gone(receive, wake), name="server.events.going")
                validity.wakes.add(wake)
                try:
                    # No secret is in a page's part; what programs follow is left as it is.
                    zipped = self._farewells is not None and gzip.is_accepted(
                        Headers(scope=scope).get("accept-encoding", "")
                    )
                    writer = _Writer(core, scope, send, going, zipped=zipped)
                    await self._serve(writer, validity, feed, wake)
                finally:
                    validity.wakes.discard(wake)
                    going.cancel()
                    await asyncio.gather(going, return_exceptions=True)

    async def _serve(
        self, writer: _Writer, validity: Validity, feed: Feed, wake: asyncio.Event
    ) -> None:
        await feed.caught_up()
        if feed.error is not None:
            raise feed.error
        await writer.begin()
        shown = 0
        while writer.open:
            wake.clear()
            if not await validity.holds():
                await writer.end(self._last(lambda farewells: farewells.sent_away))
            elif feed.version != shown:
                event, shown = feed.event_for(shown), feed.version
                await writer.write(event)
            elif feed.ended:
                await writer.end(self._last(lambda farewells: farewells.gone) if feed.gone else b"")
            else:
                await writer.write_when(wake)

    def _last(self, words: Callable[[Farewells], str]) -> bytes:
        return encode(self._name, words(self._farewells)) if self._farewells else b""


class _Writer:
    """Writes to one reader, for as long as it reads. Nothing waits for it but what it has not taken
    yet."""

    def __init__(
        self, core: Core, scope: Scope, send: Send, going: asyncio.Task[None], *, zipped: bool
    ) -> None:
        self._core, self._scope, self._send, self._going = core, scope, send, going
        self._gzip = gzip.Stream() if zipped else None
        self._ended = False

    @property
    def open(self) -> bool:
        return not self._ended and not self._going.done()

    async def begin(self) -> None:
        headers = [*_HEADERS, (b"vary", b"accept-encoding")]
        if self._gzip:
            headers.append((b"content-encoding", b"gzip"))
        await self._pass({"type": "http.response.start", "status": 200, "headers": headers})
        seconds = random.uniform(*RETRY_SECONDS)  # noqa: S311 - no secret
        await self.write(f"retry: {round(seconds * 1000)}\n\n".encode())

    async def write(self, data: bytes) -> None:
        data = self._gzip.piece(data) if self._gzip else data
        await self._pass({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        data = self._gzip.last(data) if self._gzip else data
        await self._pass({"type": "http.response.body", "body": data, "more_body": False})
        self._ended = True

    async def write_when(self, wake: asyncio.Event) -> None:
        """Waits for it; breaks the silence when that takes long."""
        try:
            async with asyncio.timeout(KEEP_ALIVE):
                await wake.wait()
        except TimeoutError:
            await self.write(STILL_HERE)

    async def _pass(self, message: Message) -> None:
        if not self.open:
            return
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._send(message)
        except TimeoutError:
            self._core.metrics.streams_dropped.inc()
            self._ended = True
            if ABORT in self._scope:
                self._scope[ABORT]()
                await self._going


async def _until_gone(receive: Receive, wake: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    wake.set()
