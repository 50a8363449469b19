"""The agents that are connected to this replica, and the channels on their connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from moorage.contract import agent as contract
from moorage.contract import flow
from moorage.kernel.errors import LimitReached, Unavailable
from moorage.kernel.ids import short_id
from moorage.server.metrics import Metrics

CHANNELS = 1000
"""Channels on one connection, at most."""

REVOKED = "You may no longer see this."

Output = contract.ChannelOutput | contract.ChannelExit


class Channel:
    """One reader's logs or command. Holds `flow.WINDOW` bytes at most: the agent waits for credit
    to send more."""

    def __init__(self, connection: AgentConnection, channel_id: str, person: int) -> None:
        self.id = channel_id
        self.person = person
        self._connection = connection
        self._queue: deque[Output] = deque()
        self._held = 0
        self._some = asyncio.Event()
        self._taken = 0
        self._some_taken = asyncio.Event()
        self._ended = False
        self._guard: asyncio.Task[None] | None = None

    def guard(self, revoked: Coroutine[Any, Any, None]) -> None:
        """Ends the channel when `revoked` returns: its reader may no longer have it."""
        self._guard = asyncio.create_task(
            self._end_after(revoked), name=f"server.channel.{self.id}"
        )

    def offer(self, output: Output) -> None:
        """From the connection. An agent that sends more than it may has its channel ended, and
        harms nobody else."""
        if self._ended:
            return
        if isinstance(output, contract.ChannelOutput):
            self._held += len(output.data)
            if self._held > 2 * flow.WINDOW:
                output = contract.ChannelExit(
                    channel=self.id, error="The agent sent more than was asked for."
                )
                self._queue.clear()
        self._queue.append(output)
        self._ended = isinstance(output, contract.ChannelExit)
        self._some.set()

    async def next(self) -> Output:
        """The next output, whose bytes count as read, or the end. After the end, waits for ever."""
        while not self._queue:
            self._some.clear()
            await self._some.wait()
        output = self._queue.popleft()
        if isinstance(output, contract.ChannelOutput):
            self._held -= len(output.data)
            await self._connection.send(
                contract.ChannelCredit(channel=self.id, bytes=len(output.data))
            )
        return output

    def input_taken(self, count: int) -> None:
        """From the connection: the command has read so many bytes of its input."""
        self._taken += count
        self._some_taken.set()

    async def taken(self) -> int:
        """Waits until the command has read more of its input; how many bytes since the last
        call."""
        await self._some_taken.wait()
        self._some_taken.clear()
        count, self._taken = self._taken, 0
        return count

    async def send(self, message: contract.ToAgent) -> None:
        await self._connection.send(message)

    async def close(self) -> None:
        """The reader has gone. May be called at any time, also twice."""
        if self._guard is not None:
            self._guard.cancel()
        await self._connection.forget(self, tell=not self._ended)
        self._ended = True

    async def _end_after(self, revoked: Coroutine[Any, Any, None]) -> None:
        await revoked
        self._queue.clear()
        self._queue.append(contract.ChannelExit(channel=self.id, error=REVOKED))
        self._some.set()


class AgentConnection:
    """One agent's WebSocket, as the rest of the server sees it."""

    def __init__(
        self, agent_id: int, send: Callable[[str], Awaitable[None]], metrics: Metrics
    ) -> None:
        self.agent_id = agent_id
        self._send = send
        self._lock = asyncio.Lock()
        self._metrics = metrics
        self._channels: dict[str, Channel] = {}
        self._gone = False

    async def send(self, message: contract.ToAgent) -> None:
        """Raises `Unavailable` when the connection has ended."""
        if self._gone:
            raise gone()
        try:
            async with self._lock:
                await self._send(contract.encode(message))
        except (RuntimeError, OSError) as error:
            raise gone() from error

    async def open(
        self, make: Callable[[str], contract.OpenLogs | contract.OpenExec], person: int, limit: int
    ) -> Channel:
        """Opens a channel; `make` is given its id. `person`: whose it is, who may have `limit` of
        them.

        Raises `LimitReached`.
        """
        if len(self._channels) >= CHANNELS:
            raise LimitReached(
                "Too many logs and terminals of this agent are open.", limit=CHANNELS
            )
        if sum(channel.person == person for channel in self._channels.values()) >= limit:
            raise LimitReached(
                f"You have {limit} logs and commands open on this agent, which is as many as one person may.",
                code="too-many-channels",
                hint="Close some of them, and try again.",
                limit=limit,
            )
        channel = Channel(self, short_id(12), person)
        self._channels[channel.id] = channel
        self._metrics.channels.inc()
        try:
            await self.send(make(channel.id))
        except BaseException:
            await self.forget(channel, tell=False)
            raise
        return channel

    def deliver(self, message: Output | contract.ChannelTaken) -> None:
        channel = self._channels.get(message.channel)
        if channel is None:
            return
        if isinstance(message, contract.ChannelTaken):
            channel.input_taken(message.bytes)
        else:
            channel.offer(message)

    async def forget(self, channel: Channel, *, tell: bool) -> None:
        if self._channels.pop(channel.id, None) is None:
            return
        self._metrics.channels.dec()
        if tell and not self._gone:
            try:
                await self.send(contract.ChannelClose(channel=channel.id))
            except Unavailable:
                return

    def end(self) -> None:
        """The connection has ended: every reader is told."""
        self._gone = True
        for channel in list(self._channels.values()):
            channel.offer(contract.ChannelExit(channel=channel.id, error=gone().message))


class Elsewhere(Unavailable):
    """The agent is connected to another replica. `address`: where that one is reached; "": it did
    not say."""

    def __init__(self, agent_name: str, address: str) -> None:
        super().__init__(
            f"The agent {agent_name} is connected to another replica of the server.",
            code="agent-elsewhere",
            hint="Try again: the next request may reach that replica.",
        )
        self.address = address


class AgentHub:
    def __init__(self) -> None:
        self._connections: dict[int, AgentConnection] = {}

    def add(self, connection: AgentConnection) -> None:
        self._connections[connection.agent_id] = connection

    def remove(self, connection: AgentConnection) -> None:
        connection.end()
        if self._connections.get(connection.agent_id) is connection:
            del self._connections[connection.agent_id]

    def has(self, agent_id: int) -> bool:
        return agent_id in self._connections

    def connections(self) -> list[AgentConnection]:
        return list(self._connections.values())

    def connection(
        self, agent_id: int, agent_name: str, *, elsewhere: str | None
    ) -> AgentConnection:
        """Raises `Unavailable` when the agent is not connected, `Elsewhere` when it is to the
        replica at `elsewhere`."""
        found = self._connections.get(agent_id)
        if found is not None:
            return found
        if elsewhere is not None:
            raise Elsewhere(agent_name, elsewhere)
        raise Unavailable(
            f"The agent {agent_name} is not connected.",
            code="agent-disconnected",
            hint="Look at its log, and at whether it can reach the server.",
        )


def gone() -> Unavailable:
    return Unavailable(
        "The agent's connection has ended.", code="agent-disconnected", hint="Try again."
    )
