"""Serving HTTP with uvicorn: one way to begin, to end, and to send events."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from moorage.kernel.tasks import is_set_within

STILL_HERE = b": still here\n\n"
"""A comment in a stream of events (HTML standard, 9.2.6), so that nothing on the way takes a silent
connection for dead."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_EVERY = 1.0
"""Seconds between two looks at what uvicorn keeps, its `Date` header above all."""


class HttpServer(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, and then returns, so that the process ends by itself."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        closing: asyncio.Event | None = None,
        before_end: Callable[[], Coroutine[Any, Any, None]] | None = None,
        **options: Any,
    ) -> None:
        """`closing` is set when the end begins: streams that wait for it do not hold it up.

        `before_end` is awaited between the signal and the end; a second signal does not wait for
        it. `options`: as `uvicorn.Config` has them.
        """
        super().__init__(
            uvicorn.Config(app, log_config=None, access_log=False, server_header=False, **options)
        )
        self._closing = closing or asyncio.Event()
        self._before_end = before_end
        self._ending: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handles signals. Uvicorn's own raises them again at the end: no process would end with
        code 0."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    async def main_loop(self) -> None:
        """Waits to be told to end. Uvicorn's own wakes ten times a second to see whether it is."""
        while not await self.on_tick(0):
            self.should_exit |= await is_set_within(self._closing, _LOOK_EVERY)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins the end."""
        self._closing.set()
        super().handle_exit(sig, frame)

    def _on_signal(self, number: int) -> None:
        if self._before_end is None or self._ending is not None:
            self.handle_exit(number, None)
            return
        self._ending = asyncio.create_task(self._before_end(), name="serving.before-end")
        self._ending.add_done_callback(lambda _: self.handle_exit(number, None))


def encode_event(name: str, text: str) -> bytes:
    """A server-sent event (HTML standard, 9.2.6)."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
