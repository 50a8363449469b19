"""A server as an agent sees it: the contract's messages over a real WebSocket on a Unix socket, and
a memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.server import Server, ServerConnection, unix_serve
from websockets.exceptions import ConnectionClosed

from moorage.contract import (
    ActualState,
    ActualWorkspace,
    DesiredState,
    DesiredWorkspace,
    FoundWorkspace,
    WorkspaceSpec,
)
from moorage.contract import agent as contract
from moorage.kernel.ids import short_id

TOKEN = "token-of-the-agent"


def _stage_of(actual: ActualWorkspace) -> str:
    """What it is at, in its own words."""
    return "; ".join(
        f"{s.name} {s.state} {s.detail}".rstrip() for s in actual.stages if s.finished_at is None
    )


class FakeServer:
    """Keeps what is wanted, hears what is, and can go away and come back."""

    def __init__(self, socket: Path, installation: str, agent_id: int = 7) -> None:
        self.socket = socket
        self.installation = installation
        self.agent_id = agent_id
        self.desired: dict[str, DesiredWorkspace] = {}
        self.actual: dict[str, ActualWorkspace] = {}
        self.hellos: list[contract.Hello] = []
        self.full_reports: list[contract.Report] = []
        self.history: list[ActualWorkspace] = []
        self.outputs: dict[str, list[contract.ChannelOutput]] = {}
        self.exits: dict[str, contract.ChannelExit] = {}
        self.settings = contract.Settings(version=0, text="")
        self.taken: list[contract.SettingsTaken] = []
        self.capacities: list[contract.Capacity] = []
        self.found: dict[str, FoundWorkspace] | None = None
        """As the agent told it last."""
        self.refused = 0
        self._news = asyncio.Event()
        self._connection: ServerConnection | None = None
        self._server: Server | None = None

    async def start(self) -> None:
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        self._server = await unix_serve(self._serve, str(self.socket), max_size=None)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    # ------------------------------------------------------------------------------- what is wanted
    async def want(
        self,
        name: str,
        spec: WorkspaceSpec,
        state: DesiredState = DesiredState.RUNNING,
        **fields: Any,
    ) -> DesiredWorkspace:
        known = self.desired.get(name)
        generation = known.generation + 1 if known is not None else 1
        restarts = known.restarts if known is not None else 0
        given = {"restarts": restarts, **fields}
        wish = DesiredWorkspace(name=name, generation=generation, desired=state, spec=spec, **given)
        self.desired[name] = wish
        await self.send(contract.Change(workspace=wish))
        return wish

    async def change(self, name: str, state: DesiredState, **fields: Any) -> DesiredWorkspace:
        return await self.want(name, self.desired[name].spec, state, **fields)

    async def send(self, message: contract.ToAgent) -> None:
        """Lost when nobody is connected: the next snapshot says it again."""
        if self._connection is not None:
            with suppress(ConnectionClosed):
                await self._connection.send(contract.encode(message))

    # -------------------------------------------------------------------------------------- what is
    async def until(self, holds: Callable[[], Any], timeout: float = 180) -> Any:
        try:
            async with asyncio.timeout(timeout):
                while not (result := holds()):
                    self._news.clear()
                    await self._news.wait()
                return result
        except TimeoutError:
            states = {
                n: (a.state.value, a.generation, a.cause.message if a.cause else "", _stage_of(a))
                for n, a in self.actual.items()
            }
            raise AssertionError(f"not so within {timeout} s; what is: {states}") from None

    async def until_state(
        self, name: str, state: ActualState, timeout: float = 180
    ) -> ActualWorkspace:
        """Of the newest generation."""

        def holds() -> ActualWorkspace | None:
            actual = self.actual.get(name)
            if actual is None or actual.generation < self.desired[name].generation:
                return None
            return actual if actual.state is state else None

        found: ActualWorkspace = await self.until(holds, timeout)
        return found

    async def open(self, message: contract.OpenLogs | contract.OpenExec) -> None:
        self.outputs[message.channel] = []
        await self.send(message)

    async def output(
        self, channel: str, timeout: float = 120
    ) -> tuple[bytes, contract.ChannelExit]:
        """All that a channel has said, once it has ended."""
        await self.until(lambda: channel in self.exits, timeout)
        return b"".join(piece.data for piece in self.outputs[channel]), self.exits[channel]

    async def run(
        self, workspace: str, *argv: str, **fields: Any
    ) -> tuple[bytes, contract.ChannelExit]:
        channel = short_id(12)
        await self.open(
            contract.OpenExec(channel=channel, workspace=workspace, argv=argv, **fields)
        )
        return await self.output(channel)

    # ------------------------------------------------------------------------------- the connection
    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refused += 1
            self._news.set()
            await connection.close(contract.CLOSE_BAD_TOKEN)
            return
        assert connection.request.path == contract.PATH
        hello = contract.decode_from_agent(await connection.recv())
        assert isinstance(hello, contract.Hello)
        self.hellos.append(hello)
        welcome = contract.Welcome(
            installation=self.installation,
            agent_id=self.agent_id,
            agent_name="test",
            version="0",
            takes_found=True,
        )
        await connection.send(contract.encode(welcome))
        self._connection = connection
        await connection.send(contract.encode(self.settings))
        await connection.send(
            contract.encode(contract.Snapshot(workspaces=tuple(self.desired.values())))
        )
        self._news.set()
        with suppress(ConnectionClosed):
            async for text in connection:
                await self._hear(contract.decode_from_agent(text))
        if self._connection is connection:
            self._connection = None
        self._news.set()

    async def _hear(self, message: contract.FromAgent) -> None:
        match message:
            case contract.Report():
                if message.full:
                    self.full_reports.append(message)
                for actual in message.workspaces:
                    self.history.append(actual)
                    self.actual[actual.name] = actual
            case contract.ChannelOutput():
                self.outputs[message.channel].append(message)
            case contract.ChannelExit():
                self.exits[message.channel] = message
            case contract.SettingsTaken():
                self.taken.append(message)
            case contract.Capacity():
                self.capacities.append(message)
            case contract.Found():
                self.found = {found.name: found for found in message.workspaces}
            case contract.Hello():
                raise AssertionError("a second hello")
        self._news.set()

    @property
    def connected(self) -> bool:
        return self._connection is not None


def plain(actual: ActualWorkspace) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(actual)
    return built
