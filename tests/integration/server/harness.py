"""A real server on a Unix socket, in this process: every route, task and WebSocket as in `moor up`,
and a clock that can be moved."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import websockets
from fastapi.routing import iter_route_contexts
from sqlalchemy import event, insert
from websockets.asyncio.client import ClientConnection, unix_connect

from moorage.contract import ActualState, ActualWorkspace, WorkspaceSpec
from moorage.contract import agent as agent_contract
from moorage.contract import gateway as gateway_contract
from moorage.kernel.home import Home
from moorage.server.application import make_application
from moorage.server.core import Core
from moorage.server.domain import Domain
from moorage.server.domains import DOMAINS
from moorage.server.main import bound, make_server, running_core
from moorage.server.repositories.commits import Reading
from moorage.server.repositories.devfiles import read_devfile
from moorage.server.repositories.services import RepositoryReader
from moorage.server.settings import Settings
from moorage.server.workspaces.models import Workspace

ADMIN, AGENT, GATEWAY = "admin-secret", "agent-secret", "gateway-secret"
ORIGIN = "http://moorage.localhost:8080"
LOOPBACK = ("127.0.0.0/8", "::1")
"""Where the tests' Git hosts are: as a setting `repository_networks`."""


class DevfileReader:
    """Reads devfiles as creating a workspace does, and is nothing else of a server."""

    def __init__(self, repositories: RepositoryReader) -> None:
        self.repositories = repositories

    async def read(self, url: str, ref: str = "", path: str = "", *, person: str = "") -> Reading:
        return await read_devfile(self.repositories, url, ref, path, person=person)


class MovingClock:
    """The system's clock, moved forward when told."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


def new_home(folder: Path) -> Home:
    home = Home(folder)
    home.make()
    for name, value in (("admin-token", ADMIN), ("agent-token", AGENT), ("gateway-token", GATEWAY)):
        home.secret_file(name).write_text(f"{value}\n")
    return home


class Server:
    """A running server, seen from outside; `core` is for what no client can do."""

    def __init__(self, home: Home, core: Core, clock: MovingClock) -> None:
        self.home = home
        self.core = core
        self.clock = clock
        self.socket = str(home.socket("server"))

    @contextlib.asynccontextmanager
    async def client(
        self, token: str | None = ADMIN, **options: Any
    ) -> AsyncIterator[httpx.AsyncClient]:
        headers = options.pop("headers", {}) | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )
        transport = httpx.AsyncHTTPTransport(uds=self.socket, verify=False)
        async with httpx.AsyncClient(
            transport=transport, base_url=ORIGIN, headers=headers, timeout=60, **options
        ) as client:
            yield client

    async def call(
        self, method: str, path: str, token: str | None = ADMIN, **options: Any
    ) -> httpx.Response:
        async with self.client(token) as client:
            return await client.request(method, path, **options)

    async def post(self, path: str, body: Any = None, token: str | None = ADMIN) -> httpx.Response:
        return await self.call("POST", f"/api/v1{path}", token, json=body)

    async def get(self, path: str, token: str | None = ADMIN) -> httpx.Response:
        return await self.call("GET", f"/api/v1{path}", token)

    async def user(self, name: str, role: str = "developer") -> str:
        """Adds a user; returns an API token of theirs."""
        assert (await self.post("/users", {"name": name, "role": role})).status_code == 201
        return str((await self.post(f"/users/{name}/tokens", {})).json()["token"])

    async def session(self, name: str) -> str:
        """Signs a user in; returns the cookie's value."""
        from moorage.server.accounts import links

        link = (await self.post(f"/users/{name}/sign-in-links")).json()["url"]
        return (await links.sign_in_with_link(self.core, link.rsplit("/", 1)[1])).token

    async def hand_over(self, cookie: str, token: str = GATEWAY, zone: str = ORIGIN) -> str:
        """Has the gateway of that zone take the session over, as a browser's way through it does;
        returns the session's id."""
        redirect_uri = f"{zone}/auth/callback"
        async with self.client(None, cookies={"moorage": cookie}) as client:
            query = {"redirect_uri": redirect_uri, "state": "s"}
            answer = await client.get(gateway_contract.AUTHORIZE_PATH, params=query)
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        body = {"code": code, "redirect_uri": redirect_uri}
        taken = await self.call("POST", gateway_contract.EXCHANGE_PATH, token, json=body)
        assert taken.status_code == 200, taken.text
        return str(taken.json()["id"])

    def websocket(self, path: str, token: str | None = None, **headers: str) -> unix_connect:
        added = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        return unix_connect(
            self.socket,
            f"ws://localhost:8080{path}",
            additional_headers=added,
            compression=None,
            max_size=None,
        )

    @contextlib.asynccontextmanager
    async def agent(self, token: str = AGENT) -> AsyncIterator[Agent]:
        """A connected agent that has had its snapshot."""
        async with self.websocket(agent_contract.PATH, token) as connection:
            agent = Agent(connection)
            await agent.send(
                agent_contract.Hello(version="0", runtime="memory", runtime_version="1")
            )
            agent.welcome = await agent.expect(agent_contract.Welcome)
            agent.snapshot = await agent.expect(agent_contract.Snapshot)
            yield agent

    @contextlib.asynccontextmanager
    async def gateway(self, token: str = GATEWAY) -> AsyncIterator[Gateway]:
        """A connected gateway that has had its table, and keeps it up to date."""
        async with self.websocket(gateway_contract.PATH, token) as connection:
            gateway = Gateway(connection)
            first = gateway_contract.decode(await asyncio.wait_for(connection.recv(), 30))
            assert isinstance(first, gateway_contract.RouteTable)
            gateway.table = first
            yield gateway


class Agent:
    welcome: agent_contract.Welcome
    snapshot: agent_contract.Snapshot

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, message: agent_contract.FromAgent) -> None:
        await self.connection.send(agent_contract.encode(message))

    async def receive(self, seconds: float = 30.0) -> Any:
        return agent_contract.decode_to_agent(
            await asyncio.wait_for(self.connection.recv(), seconds)
        )

    async def expect(self, kind: type[Any], seconds: float = 30.0) -> Any:
        """The next message of this kind; others are passed over."""
        deadline = time.monotonic() + seconds
        while True:
            message = await self.receive(max(0.01, deadline - time.monotonic()))
            if isinstance(message, kind):
                return message

    async def report(self, name: str, generation: int, state: ActualState, **fields: Any) -> None:
        actual = ActualWorkspace(name=name, generation=generation, state=state, **fields)
        await self.send(agent_contract.Report(workspaces=(actual,)))


class Gateway:
    table: gateway_contract.RouteTable

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def until(self, condition: Any, seconds: float = 30.0) -> gateway_contract.RouteTable:
        """Follows the changes until the table is as wanted."""
        deadline = time.monotonic() + seconds
        while not condition(self.table):
            left = max(0.01, deadline - time.monotonic())
            change = gateway_contract.decode(await asyncio.wait_for(self.connection.recv(), left))
            assert isinstance(change, gateway_contract.RouteChange)
            self.table = gateway_contract.apply(self.table, change)
        return self.table


@contextlib.asynccontextmanager
async def serving(
    folder: Path, settings: Settings, *, resolve: Any = None, domains: Sequence[Domain] = DOMAINS
) -> AsyncIterator[Server]:
    """Runs until the block ends, then ends as by SIGTERM. It reads repositories from this machine,
    unless told otherwise."""
    if not settings.repository_networks:
        settings = msgspec.structs.replace(settings, repository_networks=LOOPBACK)
    home, clock = new_home(folder), MovingClock()
    async with running_core(home, settings, clock=clock, domains=domains) as core:
        if resolve is not None:
            core.part(RepositoryReader)._resolve = resolve
        with bound(home, settings) as listening:
            server = make_server(make_application(core, domains), core)
            running = asyncio.create_task(server.serve(sockets=listening))
            try:
                await asyncio.wait_for(_started(server, running), 60)
                yield Server(home, core, clock)
            finally:
                core.closing.set()
                server.should_exit = True
                await asyncio.wait_for(running, 60)


async def _started(server: Any, running: asyncio.Task[None]) -> None:
    while not server.started:
        if running.done():
            running.result()
        await asyncio.sleep(0.01)


async def events(client: httpx.AsyncClient, path: str) -> AsyncIterator[tuple[str, Any]]:
    """Server-sent events: name and JSON data."""
    async with client.stream("GET", path) as answer:
        assert answer.status_code == 200, await answer.aread()
        name = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])


async def eventually(condition: Any, seconds: float = 60.0) -> Any:
    """Polls an async function until what it returns is true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        if value := await condition():
            return value
        if time.monotonic() > deadline:
            raise TimeoutError("it did not become true")
        await asyncio.sleep(0.02)


ConnectionRefused = websockets.exceptions.InvalidStatus


def name_of(number: int) -> str:
    return f"workspace-1-1-{number:06d}"


def workspace_row() -> dict[str, Any]:
    """A workspace of the first administrator as the table has it, but for its name and title. Its
    repository has been looked at."""
    return {
        "owner_id": 1, "agent_id": 1, "repository": "https://example.com/x", "ref": "", "commit": "0" * 40, "devfile_path": "x",
        "devfile": "x", "spec": msgspec.json.encode(WorkspaceSpec(containers=(), main_container="")).decode(),
        "desired": "Running", "created_at": 0.0, "updated_at": 0.0, "requested_at": 0.0, "looked_at": time.time(),
    }  # fmt: skip


async def many(server: Server, count: int) -> None:
    """So many workspaces of the first administrator, which nobody has been told of."""
    row = workspace_row()
    async with server.core.database.write() as session:
        names = ({"name": name_of(number), "title": f"t{number}"} for number in range(count))
        await session.execute(insert(Workspace), [{**row, **named} for named in names])


@contextlib.contextmanager
def counted(server: Server) -> Iterator[list[str]]:
    """The statements that the database is given meanwhile."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = server.core.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def addresses(server: Server) -> set[tuple[str, str]]:
    """Method and address, with names of parameters, of all that the server answers: API, pages and
    what machines ask."""
    routes = iter_route_contexts(make_application(server.core).routes)
    found = {
        (method, r.path) for r in routes for method in getattr(r, "methods", None) or {"WEBSOCKET"}
    }
    assert len(found) > 60
    return found
