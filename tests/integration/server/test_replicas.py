"""Logs and commands through a replica that the agent is not connected to: two server processes on
one PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from unittest.mock import Mock

import httpx
import pytest
from sqlalchemy import update
from websockets.asyncio.client import connect, unix_connect
from websockets.utils import accept_key

from integration.server.harness import (
    ADMIN,
    AGENT,
    LOOPBACK,
    Agent,
    ConnectionRefused,
    eventually,
    new_home,
    serving,
)
from integration.server.postgres import Postgres
from integration.server.test_lifecycle import process, ready
from moorage.contract import ActualState
from moorage.contract import agent as contract
from moorage.kernel.clock import SystemClock
from moorage.server.accounts import replica_tickets
from moorage.server.agents import forwarding
from moorage.server.agents.models import Agent as AgentRow
from moorage.server.authorization import Person, Role
from moorage.server.http.headers import REPLICA_TICKET
from moorage.server.settings import Settings
from moorage.server.storage.address import database_address
from moorage.server.storage.changes import LocalChanges
from moorage.server.storage.database import Database, make_engine
from ports import free_port


@dataclass
class Pair:
    """`near` has the agent, `far` is asked. `name` is a workspace that runs."""

    near: httpx.AsyncClient
    far: httpx.AsyncClient
    far_socket: str
    agent: Agent
    name: str
    near_process: Any

    def exec(self, token: str | None = ADMIN, query: str = "", **headers: str) -> unix_connect:
        given = {**headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        path = f"/api/v1/workspaces/{self.name}/exec?{query}"
        return unix_connect(
            self.far_socket,
            f"ws://localhost:8080{path}",
            additional_headers=given,
            compression=None,
            max_size=None,
        )


@asynccontextmanager
async def pair(folder: Path, url: str, repository: str, listen: str = "") -> AsyncIterator[Pair]:
    """`listen`: of the replica that has the agent; "": a Unix socket."""
    one, two = new_home(folder / "a"), new_home(folder / "b")
    settings = {"database": url} | ({"listen": listen} if listen else {})
    with process(one, **settings) as near_process:
        if listen:
            near = httpx.AsyncClient(
                base_url=f"http://{listen}",
                headers={"Authorization": f"Bearer {ADMIN}"},
                timeout=10,
            )

            async def answers() -> bool:
                assert near_process.poll() is None, (one.logs / "server.log").read_text()
                try:
                    return (await near.get("/healthz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(answers, 30)
            opening: Any = connect(
                f"ws://{listen}{contract.PATH}",
                additional_headers={"Authorization": f"Bearer {AGENT}"},
                proxy=None,
            )
        else:
            near = await ready(one, near_process)
            opening = unix_connect(
                str(one.socket("server")),
                f"ws://localhost:8080{contract.PATH}",
                additional_headers={"Authorization": f"Bearer {AGENT}"},
            )
        with process(two, database=url, repository_networks=",".join(LOOPBACK)) as far_process:
            far = await ready(two, far_process)
            async with aclosing(near), aclosing(far), opening as connection:
                agent = Agent(connection)
                await agent.send(contract.Hello(version="0", runtime="memory"))
                await agent.expect(contract.Snapshot)
                made = await far.post("/api/v1/workspaces", json={"repository": repository})
                name = made.json()["name"]
                await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")
                yield Pair(near, far, str(two.socket("server")), agent, name, near_process)


@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_logs_and_commands_from_any_replica(
    folder: Path, postgres: Postgres, repository: str, way: str
) -> None:
    """Streamed as from the agent's own replica; what is wrong is said in the same words; whoever
    leaves ends it."""
    listen = f"127.0.0.1:{free_port()}" if way == "tcp" else ""
    async with pair(folder, postgres.new_database(), repository, listen) as both:
        agent, path = both.agent, f"/api/v1/workspaces/{both.name}/logs"

        async def say(*lines: bytes, error: str = "") -> contract.OpenLogs:
            opened: contract.OpenLogs = await agent.expect(contract.OpenLogs)
            for data in lines:
                await agent.send(contract.ChannelOutput(channel=opened.channel, data=data))
            await agent.send(contract.ChannelExit(channel=opened.channel, code=0, error=error))
            return opened

        answer, opened = await asyncio.gather(
            both.far.get(f"{path}?container=py&tail=5"), say(b"one\n", b"two\n")
        )
        assert (answer.status_code, answer.text, opened.container, opened.tail) == (
            200,
            "one\ntwo\n",
            "py",
            5,
        )
        assert answer.headers["content-type"].startswith("text/plain")
        answer, _ = await asyncio.gather(both.far.get(path), say(error="It has not started yet."))
        assert (answer.status_code, answer.json()["detail"]) == (503, "It has not started yet.")
        assert (await both.far.get(f"{path}?container=nope")).status_code == 422

        async with both.far.stream("GET", f"{path}?follow=true") as logs:
            opened = await agent.expect(contract.OpenLogs)
            await agent.send(contract.ChannelOutput(channel=opened.channel, data=b"x"))
            assert await anext(logs.aiter_raw()) == b"x"
        assert (await agent.expect(contract.ChannelClose)).channel == opened.channel

        async with both.exec(query="tty=true&columns=100&credit=true") as client:
            await client.send('{"argv": ["cat"]}')
            running = await agent.expect(contract.OpenExec)
            assert (running.argv, running.tty, running.columns) == (("cat",), True, 100)
            await client.send(b"in")
            assert (await agent.expect(contract.ChannelInput)).data == b"in"
            await client.send(json.dumps({"columns": 80, "rows": 24}))
            assert (await agent.expect(contract.ChannelResize)).columns == 80
            await agent.send(contract.ChannelTaken(channel=running.channel, bytes=2))
            assert json.loads(await client.recv()) == {"taken": 2}
            for _ in range(4):
                await agent.send(
                    contract.ChannelOutput(channel=running.channel, data=os.urandom(65536))
                )
            assert [len(await client.recv()) for _ in range(4)] == [65537] * 4
            await agent.send(contract.ChannelExit(channel=running.channel, code=7))
            assert json.loads(await client.recv()) == {"exit": 7}
            await asyncio.wait_for(client.wait_closed(), 30)
            assert client.close_code == 1000
        async with both.exec() as client:
            await client.send('{"argv": ["sh"]}')
            running = await agent.expect(contract.OpenExec)
        assert (await agent.expect(contract.ChannelClose)).channel == running.channel


async def test_who_may_not_is_refused_by_both(
    folder: Path, postgres: Postgres, repository: str
) -> None:
    """A pass that was made up opens nothing; and who is blocked loses what is open through another
    replica."""
    async with pair(folder, postgres.new_database(), repository) as both:
        path = f"/api/v1/workspaces/{both.name}/logs"
        for token, status in ((None, 403), ("nope", 401)):
            with pytest.raises(ConnectionRefused) as refused:
                async with both.exec(token):
                    pass
            assert refused.value.response.status_code == status
        again = await both.far.get(path, headers={REPLICA_TICKET: "made-up"})
        assert (again.status_code, again.json()["code"]) == (401, "pass-invalid")
        with pytest.raises(ConnectionRefused) as refused:
            async with both.exec(**{REPLICA_TICKET: "made-up"}):
                pass
        assert refused.value.response.status_code == 401
        await both.far.post("/api/v1/users", json={"name": "ann"})
        ann = (await both.far.post("/api/v1/users/ann/tokens", json={})).json()["token"]
        hers = await both.far.post(
            "/api/v1/workspaces",
            json={"repository": repository},
            headers={"Authorization": f"Bearer {ann}"},
        )
        both.name = hers.json()["name"]
        async with both.exec(ann) as client:
            await client.send('{"argv": ["sh"]}')
            running = await both.agent.expect(contract.OpenExec)
            await both.far.post("/api/v1/users/ann/block")
            assert json.loads(await asyncio.wait_for(client.recv(), 30)) == {
                "error": "You may no longer see this."
            }
        assert (await both.agent.expect(contract.ChannelClose)).channel == running.channel


class Impostor:
    """Has the address that a replica had before, and says yes to everything."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.address = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
        if key is None:
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nlies"
            )
        else:
            accept = accept_key(key[1].decode()).encode()
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                b"sec-websocket-accept: " + accept + b"\r\n\r\n"
            )
        await writer.drain()
        self.asked.append(await reader.read(1000))
        writer.close()


async def test_an_address_that_somebody_else_has(
    folder: Path, postgres: Postgres, repository: str
) -> None:
    """Whoever has a replica's address by now gets no credentials and no command, is not believed,
    and can do nothing with what it was sent."""
    url = postgres.new_database()
    async with pair(folder, url, repository) as both, Impostor() as impostor:
        path = f"/api/v1/workspaces/{both.name}/logs"
        engine = make_engine(database_address(url, Path()))
        async with engine.begin() as connection:
            await connection.execute(update(AgentRow).values(replica=impostor.address))
        await engine.dispose()
        answer = await both.far.get(path, headers={"Cookie": "moorage_session=hers"})
        assert (answer.status_code, answer.json()["code"]) == (503, "agent-elsewhere")
        with pytest.raises(ConnectionRefused) as refused:
            async with both.exec():
                pass
        assert refused.value.response.status_code == 503
        heads = [head for head in impostor.asked if head.startswith(b"GET ")]
        assert len(heads) == 2
        sent = b"".join(impostor.asked)
        assert ADMIN.encode() not in sent
        assert b"hers" not in sent
        for head in heads:
            found = re.search(rf"(?i){REPLICA_TICKET}: (\S+)".encode(), head)
            assert found is not None
            headers = {REPLICA_TICKET: found[1].decode(), "Authorization": ""}
            for replica in (both.near, both.far):
                assert (await replica.get(path, headers=headers)).json()["code"] == "pass-invalid"


async def test_a_pass_works_once(folder: Path, postgres: Postgres, repository: str) -> None:
    """For one path, at one replica, for somebody whose session is still valid."""
    url = postgres.new_database()
    async with pair(folder, url, repository) as both:
        engine = make_engine(database_address(url, Path()))
        state = Mock(database=Database(engine, LocalChanges()), clock=SystemClock())
        ann = (await both.far.post("/api/v1/users", json={"name": "ann"})).json()["id"]
        here = f"unix:{both.far_socket}"
        actor = Person(user_id=ann, name="ann", role=Role.DEVELOPER)

        async def answer(
            path: str, address: str = here, asked: str = "/api/v1/me", who: Person = actor
        ) -> Any:
            secret = await replica_tickets.create_ticket(state, who, address, path)
            first = await both.far.get(asked, headers={REPLICA_TICKET: secret})
            again = await both.far.get(asked, headers={REPLICA_TICKET: secret})
            assert again.json()["code"] == "pass-invalid"
            return first.json()

        assert (await answer("/api/v1/me"))["name"] == "ann"
        assert (await answer("/api/v1/workspaces"))["code"] == "pass-invalid"
        assert (await answer("/api/v1/me", address="http://10.0.0.1:8000"))[
            "code"
        ] == "pass-invalid"
        ended = Person(user_id=ann, name="ann", role=Role.DEVELOPER, token=4711)
        assert (await answer("/api/v1/me", who=ended))["code"] == "pass-invalid"
        await both.far.post("/api/v1/users/ann/block")
        assert (await answer("/api/v1/me"))["code"] == "user-blocked"
        await engine.dispose()


async def test_a_replica_that_died(folder: Path, postgres: Postgres, repository: str) -> None:
    """What was open ends with a word; what is asked next is refused at once, with what to do."""
    async with pair(folder, postgres.new_database(), repository) as both:
        path = f"/api/v1/workspaces/{both.name}/logs"
        async with (
            both.far.stream("GET", f"{path}?follow=true", timeout=30) as logs,
            both.exec() as client,
        ):
            opened = await both.agent.expect(contract.OpenLogs)
            await both.agent.send(contract.ChannelOutput(channel=opened.channel, data=b"x"))
            lines = logs.aiter_raw()
            assert await anext(lines) == b"x"
            await client.send('{"argv": ["sh"]}')
            await both.agent.expect(contract.OpenExec)
            both.near_process.kill()
            assert b"has gone" in b"".join([chunk async for chunk in lines])
            await asyncio.wait_for(client.wait_closed(), 10)
            assert client.close_code == 1011
        answer = await both.far.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "agent-elsewhere")
        assert "does not answer" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (Settings(), "unix:/home/run/server.sock"),
        (Settings(listen="127.0.0.1:8000"), "http://127.0.0.1:8000"),
        (Settings(listen="[::1]:8000"), "http://[::1]:8000"),
        (
            Settings(listen="0.0.0.0:8000", advertise="http://10.1.2.3:8000/"),
            "http://10.1.2.3:8000",
        ),
    ],
)
def test_where_others_reach_a_replica(settings: Settings, address: str) -> None:
    """What it was told to say, else where it listens."""
    assert forwarding.address_of(settings, Path("/home/run/server.sock")) == address


def test_an_address_that_means_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others reach it at the address that this host's name stands for, of a family that it listens
    to; in a cluster of IPv6 alone the name has no other."""
    for host, listen, found in (
        ("127.0.0.7", "0.0.0.0:8000", "http://127.0.0.7:8000"),
        ("127.0.0.7", ":8000", "http://127.0.0.7:8000"),
        ("127.0.0.7", "*:8000", "http://127.0.0.7:8000"),
        ("::1", "*:8000", "http://[::1]:8000"),
        ("fd00::7", "*:8000", "http://[fd00::7]:8000"),
        ("fd00::7", "[::]:8000", "http://[fd00::7]:8000"),
        ("nobody.invalid", "*:8000", "http://127.0.0.1:8000"),
        ("nobody.invalid", "[::]:8000", "http://[::1]:8000"),
    ):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        assert forwarding.address_of(Settings(listen=listen), Path("/x")) == found


async def test_a_server_that_listens_everywhere(tmp_path: Path) -> None:
    """By IPv4 and by IPv6, whichever of them the cluster has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with serving(tmp_path, Settings(listen=f"*:{port}")), httpx.AsyncClient() as client:
        for address in ("127.0.0.1", "[::1]"):
            assert (await client.get(f"http://{address}:{port}/healthz")).status_code == 200
