"""A command's bytes between this terminal and a workspace, over the server's WebSocket
(`docs/api.md`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from moorage.cli import output
from moorage.cli.client import Target, problem, unreachable
from moorage.contract.flow import CreditWindow
from moorage.kernel.addresses import connected_at
from moorage.kernel.errors import MoorageError, Unavailable

CHUNK = 32 * 1024
"""Bytes that are read from standard input at a time."""
STDOUT, STDERR = 1, 2
"""First byte of a frame from the server: which stream it is of. The numbers are those of the
descriptors, too."""


Write = Callable[[int, memoryview], None]
"""Descriptor, data. May block: it is called in a thread."""


class Execution:
    """One command: `run` returns its exit code."""

    def __init__(
        self,
        target: Target,
        workspace: str,
        argv: list[str],
        *,
        container: str,
        tty: bool,
        write: Write | None = None,
    ) -> None:
        """`write`: where its output goes. Such a command is one of several, and has no input: only
        one of them could read what is typed."""
        self._target = target
        self._write = write
        self._argv = argv
        self._tty = tty
        # What kind of terminal this is; a command without one has nothing to know of it.
        self._env = {
            name: os.environ[name] for name in ("TERM", "COLORTERM") if tty and name in os.environ
        }
        size = shutil.get_terminal_size()
        query = {
            "container": container,
            "tty": str(tty).lower(),
            "columns": size.columns,
            "rows": size.lines,
            "credit": "true",
        }
        origin = target.origin.replace("http", "ws", 1)
        self._url = (
            f"{origin}/api/v1/workspaces/{quote(workspace, safe='')}/exec?{urlencode(query)}"
        )

    async def run(self) -> int:
        """Raises the server's error when it refuses, `Unavailable` when the connection breaks."""
        try:
            async with self._connect() as socket:
                await socket.send(json.dumps({"argv": self._argv, "env": self._env}))
                with _raw_terminal() if self._tty else contextlib.nullcontext():
                    return await self._talk(socket)
        except InvalidStatus as error:
            response = error.response
            raise problem(response.status_code, bytes(response.body)) from error
        except ConnectionClosed as error:
            raise _broken() from error
        except BrokenPipeError:  # nobody reads our output any more
            raise
        except (OSError, WebSocketException) as error:
            raise unreachable(self._target, error) from error

    def _connect(self) -> connect:
        options: dict[str, Any] = {
            "additional_headers": {"Authorization": f"Bearer {self._target.token}"},
            "max_size": None,
            # What is under way is bounded by credit: reading goes on, so that pings are answered.
            "max_queue": None,
            "compression": None,
            "open_timeout": 30,
        }
        if self._target.socket:
            return unix_connect(self._target.socket, uri=self._url, **options)
        parts = urlsplit(self._url)
        if (host := connected_at(parts.hostname or "")) != parts.hostname:
            options |= {"host": host, "proxy": None}
        return connect(self._url, **options)

    async def _talk(self, socket: ClientConnection) -> int:
        loop = asyncio.get_running_loop()
        sizes = asyncio.Event()
        if self._tty:
            loop.add_signal_handler(signal.SIGWINCH, sizes.set)
        resizing = asyncio.create_task(_send_sizes(socket, sizes), name="cli.exec.resize")
        credit = CreditWindow()
        if self._write is None:
            # A terminal's input does not end, but a key says so.
            _Input(loop, socket, credit, end=b"\x04" if self._tty else b"").start()
        else:
            await socket.send(b"")
        try:
            return await _output(socket, credit, self._write or write_all)
        except asyncio.CancelledError:  # Ctrl-C, without a terminal: the server ends the command
            return output.INTERRUPTED
        finally:
            resizing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await resizing


class _Input(threading.Thread):
    """Reads standard input, of whatever kind, and sends it. It ends with the process: nothing can
    end a blocked read."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        socket: ClientConnection,
        credit: CreditWindow,
        *,
        end: bytes,
    ) -> None:
        super().__init__(name="cli.exec.input", daemon=True)
        self._loop = loop
        self._socket = socket
        self._credit = credit
        self._end = end

    def run(self) -> None:
        data = b"-"
        while data:
            try:
                data = os.read(0, CHUNK)
            except OSError:  # no standard input at all
                data = b""
            if not self._send(data or self._end):
                return

    def _send(self, data: bytes) -> bool:
        sending = self._spend_and_send(data)
        try:
            asyncio.run_coroutine_threadsafe(sending, self._loop).result()
        except (ConnectionClosed, CancelledError, RuntimeError):
            sending.close()
            return False
        return True

    async def _spend_and_send(self, data: bytes) -> None:
        await self._credit.spend(len(data))
        await self._socket.send(data)


async def _output(socket: ClientConnection, credit: CreditWindow, write: Write) -> int:
    """Writes what comes, until the server says how the command ended."""
    async for message in socket:
        if isinstance(message, bytes):
            descriptor = STDERR if message[:1] == bytes([STDERR]) else STDOUT
            # In a thread: a reader that pauses must not keep this side from answering the server's
            # pings.
            await asyncio.to_thread(write, descriptor, memoryview(message)[1:])
            # The server may have closed already: what it said before is still to be read.
            with contextlib.suppress(ConnectionClosed):
                await socket.send(json.dumps({"taken": len(message) - 1}))
            continue
        end = json.loads(message)
        if "exit" in end:
            return int(end["exit"]) if end["exit"] is not None else 1
        if "taken" in end:
            credit.open(int(end["taken"]))
        if "error" in end:
            raise MoorageError(str(end["error"]), code="exec-failed")
    raise _broken()


def write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


async def _send_sizes(socket: ClientConnection, changed: asyncio.Event) -> None:
    while True:
        await changed.wait()
        changed.clear()
        size = shutil.get_terminal_size()
        await socket.send(json.dumps({"columns": size.columns, "rows": size.lines}))


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Every key goes to the command, Ctrl-C too. Without a terminal here, nothing changes."""
    if not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    restore: Callable[[], None] = lambda: termios.tcsetattr(descriptor, termios.TCSADRAIN, before)  # noqa: E731
    try:
        # Draining, not flushing: what somebody typed ahead is for the command.
        tty.setraw(descriptor, termios.TCSADRAIN)
        yield
    finally:
        restore()


def _broken() -> Unavailable:
    return Unavailable(
        "The connection to the command broke off.",
        code="exec-broken",
        hint="The server or the agent was restarted, or the workspace stopped. The command has ended.",
    )
