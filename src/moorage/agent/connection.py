"""The WebSocket to the server: opened from here, opened again whenever it ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from moorage import __version__
from moorage.agent import metrics
from moorage.agent.channels import Channels
from moorage.agent.runtimes.port import Backend, Identity, RuntimeFault, RuntimeInfo
from moorage.agent.workspaces.fleet import Fleet
from moorage.agent.workspaces.settings import SettingsReceiver
from moorage.contract import agent as contract
from moorage.kernel import log
from moorage.kernel.errors import Misconfigured
from moorage.kernel.proxies import proxy_of
from moorage.kernel.reaching import why_unreachable
from moorage.kernel.tasks import Backoff, leaves

_log = log.get(part="agent.connection")

MESSAGE_LIMIT = 256 * 1024 * 1024
"""Bytes of one message: a snapshot holds every workspace."""
WELCOME_SECONDS = 15.0
CAPACITY_SECONDS = 60.0
"""Between two looks at what there is."""
FIRST_PAUSE, MOST_PAUSE, MOST_PAUSE_HERE = 0.1, 5.0, 1.0
"""Seconds between two tries to connect; `…_HERE`: to a server on this machine, which has one agent
to listen to."""

_REFUSALS = {
    contract.CLOSE_BAD_TOKEN: "the server does not know this agent's token",
    contract.CLOSE_BAD_PROTOCOL: "the server does not speak this agent's protocol: one of them must be updated",
    contract.CLOSE_REPLACED: "another agent with this token is connected",
}


class Connection:
    """The WebSocket to the server, and what goes over it."""

    def __init__(
        self, server: str, token: str, fleet: Fleet, backend: Backend, settings: SettingsReceiver
    ) -> None:
        """`server`: `unix:<path>` or a URL; see `AgentSettings.server`."""
        self.connected = False
        self.problem = "not tried yet"
        self._server = server
        self._token = token
        self._fleet = fleet
        self._backend = backend
        self._settings = settings
        self._capacity: dict[str, int] = {}
        """As the server knows it."""
        here = server.startswith("unix:")
        self._backoff = Backoff(FIRST_PAUSE, MOST_PAUSE_HERE if here else MOST_PAUSE)

    async def run(self) -> None:
        """Until cancelled. Raises `Misconfigured` when going on makes no sense."""
        while True:
            try:
                async with self._open() as websocket:
                    await self._serve(websocket)
            except ConnectionClosed as closed:
                self._note(_ended(closed))
            except InvalidStatus as refused:
                status = refused.response.status_code
                self._note(
                    _REFUSALS[contract.CLOSE_BAD_TOKEN]
                    if status in (401, 403)
                    else f"HTTP {status}"
                )
            except (OSError, TimeoutError, InvalidHandshake, msgspec.DecodeError) as error:
                self._note(await self._why(error))
            except BaseExceptionGroup as group:
                if (misconfigured := group.subgroup(Misconfigured)) is not None:
                    raise next(leaves(misconfigured)) from None
                leaf = next(leaves(group))
                ended = _ended(leaf) if isinstance(leaf, ConnectionClosed) else str(leaf)
                self._note(ended or type(leaf).__name__)
            finally:
                if self.connected:
                    metrics.RECONNECTS.inc()
                self.connected = False
                metrics.CONNECTED.set(0)
            await asyncio.sleep(self._backoff.delay())

    async def _why(self, error: Exception) -> str:
        if self.connected or self._server.startswith("unix:"):
            return str(error) or type(error).__name__
        return await why_unreachable(websocket_url(self._server), error)

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            _log.warning(
                "not connected to the server; trying again", server=self._server, problem=problem
            )
        self.problem = problem

    def _open(self) -> connect:
        headers = {"Authorization": f"Bearer {self._token}"}
        if self._server.startswith("unix:"):
            return unix_connect(
                self._server.removeprefix("unix:"),
                f"ws://localhost{contract.PATH}",
                additional_headers=headers,
                max_size=MESSAGE_LIMIT,
                compression=None,
            )
        return connect(
            websocket_url(self._server),
            additional_headers=headers,
            max_size=MESSAGE_LIMIT,
            compression=None,
            proxy=proxy_of(self._server),
            ssl=_trust() if self._server.startswith(("https:", "wss:")) else None,
        )

    async def _serve(self, websocket: ClientConnection) -> None:
        async def send(message: contract.FromAgent) -> None:
            await websocket.send(contract.encode(message))

        await send(await self._hello())
        async with asyncio.timeout(WELCOME_SECONDS):
            welcome = contract.decode_to_agent(await websocket.recv())
        if not isinstance(welcome, contract.Welcome):
            raise TimeoutError("the server did not say welcome")
        self._fleet.introduce(Identity(welcome.installation, welcome.agent_id))
        self.connected = True
        self.problem = ""
        metrics.CONNECTED.set(1)
        _log.info(
            "connected to the server",
            server=self._server,
            agent=welcome.agent_name,
            version=welcome.version,
        )
        channels = Channels(
            self._fleet.runtime, send, self._fleet.spec_of, self._fleet.post_start_output
        )
        snapshots: asyncio.Queue[None] = asyncio.Queue()
        answers: asyncio.Queue[contract.FromAgent] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reports(send, snapshots), name="reports")
                group.create_task(self._tell_capacity(send), name="capacity")
                group.create_task(_send_all(answers, send), name="answers")
                if welcome.takes_found:
                    group.create_task(self._tell_found(send), name="found")
                await self._listen(websocket, channels, snapshots, answers)
        finally:
            await channels.close()

    async def _hello(self) -> contract.Hello:
        file = self._settings.file
        try:
            info = await self._backend.describe()
        except RuntimeFault:
            self._capacity = self._capacity_of(None)
            return contract.Hello(version=__version__, capacity=self._capacity, settings_file=file)
        self._capacity = self._capacity_of(info)
        return contract.Hello(
            version=__version__,
            runtime=info.kind,
            runtime_version=info.version,
            capacity=self._capacity,
            settings_file=file,
        )

    def _capacity_of(self, info: RuntimeInfo | None) -> dict[str, int]:
        running = sum(state == "Running" for state in self._fleet.states.values())
        known = {"cpu": info.cpu, "memory": info.memory} if info is not None else {}
        return {**known, "workspaces": running}

    async def _tell_capacity(self, send: Callable[[contract.FromAgent], Awaitable[None]]) -> None:
        """When it has changed: nodes come and go, workspaces start and stop."""
        while True:
            await asyncio.sleep(CAPACITY_SECONDS)
            try:
                capacity = self._capacity_of(await self._backend.describe())
            except RuntimeFault:
                continue
            if capacity != self._capacity:
                await send(contract.Capacity(capacity=capacity))
                self._capacity = capacity

    async def _listen(
        self,
        websocket: ClientConnection,
        channels: Channels,
        snapshots: asyncio.Queue[None],
        answers: asyncio.Queue[contract.FromAgent],
    ) -> None:
        """Waits for nothing but the next message: a slow workspace holds nobody up."""
        while True:
            text = await websocket.recv()
            try:
                message = contract.decode_to_agent(text)
            except msgspec.ValidationError as error:
                _log.warning("a message of the server is not understood", error=str(error))
                continue
            match message:
                case contract.Settings():
                    # Before the snapshot that follows: what starts from now on is made by them.
                    answers.put_nowait(self._settings.receive(message))
                case contract.Snapshot():
                    self._fleet.snapshot(message.workspaces)
                    self._backoff.reset()
                    snapshots.put_nowait(None)
                case contract.Change():
                    self._fleet.change(message.workspace)
                case contract.RemoveFound():
                    self._fleet.remove_found(message.name, message.mark)
                case _:
                    channels.on(message)

    async def _reports(
        self, send: Callable[[contract.FromAgent], Awaitable[None]], snapshots: asyncio.Queue[None]
    ) -> None:
        """A full report after each snapshot, and what changes from then on."""
        await snapshots.get()
        while True:
            await send(contract.Report(workspaces=await self._fleet.everything(), full=True))
            asked = asyncio.create_task(snapshots.get(), name="another snapshot")
            try:
                while not asked.done():
                    await self._report_news(send, asked)
            finally:
                asked.cancel()

    async def _tell_found(self, send: Callable[[contract.FromAgent], Awaitable[None]]) -> None:
        """At first, and whenever it changes; nothing, too, so that the server forgets what it was
        told before."""
        found = None
        while True:
            found = await self._fleet.found(found)
            await send(contract.Found(workspaces=found))

    async def _report_news(
        self, send: Callable[[contract.FromAgent], Awaitable[None]], asked: asyncio.Task[None]
    ) -> None:
        news = asyncio.create_task(self._fleet.news(), name="news")
        try:
            await asyncio.wait({news, asked}, return_when=asyncio.FIRST_COMPLETED)
            if news.done():
                await send(contract.Report(workspaces=news.result()))
        finally:
            news.cancel()


async def _send_all(
    messages: asyncio.Queue[contract.FromAgent],
    send: Callable[[contract.FromAgent], Awaitable[None]],
) -> None:
    while True:
        await send(await messages.get())


def websocket_url(server: str) -> str:
    """The agents' WebSocket of a server's `http(s)` or `ws(s)` address. Raises `Misconfigured`."""
    scheme = None
    try:
        parts = urlsplit(server)
        if parts.hostname and parts.port != 0:
            scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    except ValueError:
        pass
    if scheme is None:
        raise Misconfigured(
            f"{server!r} is no server's address.",
            code="server-address-invalid",
            hint="Set server under [agent] to unix:<path>, or to an http(s) or ws(s) URL.",
        )
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + contract.PATH, "", ""))


def server_address(setting: str, socket: Path) -> str:
    return setting or f"unix:{socket}"


def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _ended(closed: ConnectionClosed) -> str:
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd is not None else (1006, "")
    return _REFUSALS.get(code) or f"the connection ended ({reason or code})"
