"""Logs and commands for the server's readers: many at a time over one connection, none in another's
way.

Each channel may have `flow.WINDOW` bytes of output under way; then it waits for credit, and with it
the container that writes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from moorage.agent import metrics
from moorage.agent.runtimes.port import ExecRequest, ExecSession, LogChunk, Runtime
from moorage.contract import WorkspaceSpec
from moorage.contract import agent as contract
from moorage.contract.flow import CreditWindow
from moorage.kernel import log
from moorage.kernel.errors import MoorageError

_log = log.get(part="agent.channels")

PIECE = 32 * 1024
"""Bytes of output in one message."""
INPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of input that wait for a command to read them, from a writer that does not wait for
`ChannelTaken`."""

Send = Callable[[contract.FromAgent], Awaitable[None]]
SpecOf = Callable[[str], WorkspaceSpec | None]
PostStartOf = Callable[[str, bool, int | None], AsyncIterator[LogChunk]]
"""What a workspace's postStart commands write; its name, whether to follow, how many last lines."""


class Channels:
    """The logs and commands that are open on one connection."""

    def __init__(
        self, runtime: Runtime, send: Send, spec_of: SpecOf, post_start_of: PostStartOf
    ) -> None:
        self._runtime = runtime
        self._post_start_of = post_start_of
        self._send = send
        self._spec_of = spec_of
        self._open: dict[str, _Channel] = {}

    def on(self, message: contract.ToAgent) -> None:
        """Takes what concerns channels; ignores everything else."""
        match message:
            case contract.OpenLogs():
                self._begin(_Channel(message.channel, "logs", self._send), self._logs(message))
            case contract.OpenExec():
                self._begin(_Channel(message.channel, "exec", self._send), self._exec(message))
            case (
                contract.ChannelInput()
                | contract.ChannelResize()
                | contract.ChannelCredit()
                | contract.ChannelClose()
            ):
                if channel := self._open.get(message.channel):
                    channel.on(message)
            case _:
                return

    async def close(self) -> None:
        """Ends all: the connection that they were on has gone."""
        tasks = [channel.task for channel in self._open.values() if channel.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, channel: _Channel, work: Callable[[_Channel], Awaitable[int | None]]) -> None:
        self._open[channel.id] = channel
        channel.task = asyncio.create_task(self._run(channel, work), name=f"channel {channel.id}")

    async def _run(
        self, channel: _Channel, work: Callable[[_Channel], Awaitable[int | None]]
    ) -> None:
        code: int | None = None
        error = ""
        metrics.CHANNELS.labels(channel.kind).inc()
        try:
            code = await work(channel)
        except MoorageError as fault:
            error = str(fault)
        except _TooMuchInput:
            error = "The input came faster than the command reads it."
        except Exception as fault:  # noqa: BLE001 - the reader is told, and other channels go on
            _log.error("a channel broke off", channel=channel.id, exc_info=fault)
            error = f"The agent stumbled: {fault!r}."
        finally:
            metrics.CHANNELS.labels(channel.kind).dec()
            self._open.pop(channel.id, None)
        await self._send(contract.ChannelExit(channel=channel.id, code=code, error=error))

    def _logs(self, message: contract.OpenLogs) -> Callable[[_Channel], Awaitable[int | None]]:
        async def work(channel: _Channel) -> int | None:
            if message.container == contract.POST_START:
                chunks = self._post_start_of(message.workspace, message.follow, message.tail)
            else:
                chunks = self._runtime.logs(
                    message.workspace, message.container, follow=message.follow, tail=message.tail
                )
            await channel.pump(chunks)
            return None

        return work

    def _exec(self, message: contract.OpenExec) -> Callable[[_Channel], Awaitable[int | None]]:
        request = ExecRequest(
            argv=message.argv,
            container=message.container,
            tty=message.tty,
            columns=message.columns,
            rows=message.rows,
            env=message.env,
            working_dir=message.working_dir,
        )

        async def work(channel: _Channel) -> int | None:
            spec = self._spec_of(message.workspace)
            async with self._runtime.execute(message.workspace, request, spec) as session:
                feeder = asyncio.create_task(channel.feed_into(session), name=f"input {channel.id}")
                try:
                    await channel.pump(session.output(), feeder)
                finally:
                    feeder.cancel()
                    await asyncio.gather(feeder, return_exceptions=True)
                return await session.exit_code()

        return work


class _TooMuchInput(Exception):
    pass


class _Channel:
    def __init__(self, channel_id: str, kind: str, send: Send) -> None:
        self.id = channel_id
        self.kind = kind
        self.task: asyncio.Task[None] | None = None
        self._send = send
        self._window = CreditWindow()
        self._input: deque[bytes | tuple[int, int] | _TooMuchInput] = deque()
        self._waiting = 0
        self._some = asyncio.Event()

    # ------------------------------------------------------------------------------------------
    # from the server
    def on(self, message: contract.ToAgent) -> None:
        match message:
            case contract.ChannelCredit():
                self._window.open(message.bytes)
            case contract.ChannelInput():
                within, self._waiting = (
                    self._waiting <= INPUT_LIMIT,
                    self._waiting + len(message.data),
                )
                if within:
                    self._input.append(
                        message.data if self._waiting <= INPUT_LIMIT else _TooMuchInput()
                    )
                self._some.set()
            case contract.ChannelResize():
                self._input.append((message.columns, message.rows))
                self._some.set()
            case contract.ChannelClose() if self.task is not None:
                self.task.cancel()

    # ------------------------------------------------------------------------------------------ to
    # and from the runtime
    async def pump(
        self, chunks: AsyncIterator[LogChunk], beside: asyncio.Task[None] | None = None
    ) -> None:
        """Sends everything, as fast as it is taken. What `beside` raises ends it, too."""
        sending = asyncio.create_task(self._send_all(chunks), name=f"output {self.id}")
        waited: set[asyncio.Task[None]] = {sending} if beside is None else {sending, beside}
        try:
            while not sending.done():
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if beside is not None and beside.done():
                    waited.discard(beside)
                    beside.result()
            sending.result()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send_all(self, chunks: AsyncIterator[LogChunk]) -> None:
        async for chunk in chunks:
            data = memoryview(chunk.data)
            while data:
                piece = bytes(data[: await self._window.take(min(PIECE, len(data)))])
                data = data[len(piece) :]
                await self._send(
                    contract.ChannelOutput(channel=self.id, data=piece, stream=chunk.stream)
                )

    async def feed_into(self, session: ExecSession) -> None:
        while True:
            while not self._input:
                self._some.clear()
                await self._some.wait()
            item = self._input.popleft()
            if isinstance(item, _TooMuchInput):
                raise item
            if isinstance(item, tuple):
                await session.resize(*item)
            elif item:
                await session.write(item)
                self._waiting -= len(item)
                await self._send(contract.ChannelTaken(channel=self.id, bytes=len(item)))
            else:
                await session.end_input()
