"""The agents' connection: who may have it, what survives on it, and logs and commands over it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from integration.server.harness import ORIGIN, Agent, ConnectionRefused, Server, events, eventually
from moorage.contract import ActualState, ActualWorkspace
from moorage.contract import agent as contract
from moorage.server.agents import presence


@asynccontextmanager
async def workspace(server: Server, repository: str) -> AsyncIterator[tuple[Agent, str]]:
    """An agent and one workspace that runs on it."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")
        yield agent, name


async def closed_with(connection: Any) -> int:
    await asyncio.wait_for(connection.wait_closed(), 20)
    return int(connection.close_code)


async def test_a_wrong_token_is_refused_before_the_upgrade(sqlite_server: Server) -> None:
    """401 and a problem; a user's or gateway's token is as wrong as any."""
    for token in ("nope", "admin-secret", "gateway-secret"):
        with pytest.raises(ConnectionRefused) as refused:
            async with sqlite_server.agent(token):
                pass
        assert refused.value.response.status_code == 401
        assert b"token-invalid" in (refused.value.response.body or b"")


async def test_the_list_tells_what_is_connected(server: Server, repository: str) -> None:
    """Runtime, versions and number of workspaces while it is there, and that it is not when it is
    gone."""
    before = (await server.get("/agents")).json()["items"][0]
    assert (before["connected"], before["last_seen"], before["dns_zone"]) == (
        False,
        None,
        "moorage.localhost",
    )
    async with workspace(server, repository):
        item = (await server.get("/agents")).json()["items"][0]
        assert (item["name"], item["runtime"], item["connected"], item["workspaces"]) == (
            "local",
            "memory",
            True,
            1,
        )
        assert "moorage_server_agents_connected 1.0" in (await server.call("GET", "/metrics")).text

    async def gone() -> bool:
        return not (await server.get("/agents")).json()["items"][0]["connected"]

    await eventually(gone)


async def test_what_an_agent_says_of_itself_breaks_no_page(sqlite_server: Server) -> None:
    """Whatever it takes its machine for, the list of agents is drawn for everybody."""
    hello = contract.Hello(
        version="v" * 5000,
        runtime="r" * 5000,
        runtime_version="v" * 5000,
        capacity={"cpu": 10**400, "memory": -1},
    )
    async with sqlite_server.websocket(contract.PATH, "agent-secret") as connection:
        await connection.send(contract.encode(hello))
        await connection.recv()
        for _ in range(2):
            page = await sqlite_server.call("GET", "/agents")
            assert (page.status_code, len(page.text) < 20_000) == (200, True)
            item = (await sqlite_server.get("/agents")).json()["items"][0]
            assert item["capacity"] == {"cpu": 0, "memory": 0, "workspaces": 0}
            await connection.send(
                contract.encode(contract.Capacity(capacity={"workspaces": 10**400}))
            )
            await asyncio.sleep(0.3)


async def test_a_second_agent_with_the_same_token_waits(server: Server) -> None:
    """The first keeps the connection; the newcomer is told so by its close code, and gets it once
    the first has gone."""
    async with server.agent() as first:
        async with server.websocket(contract.PATH, "agent-secret") as second:
            assert await closed_with(second) == contract.CLOSE_REPLACED
        await first.send(contract.Report(workspaces=()))
    async with server.agent() as again:
        assert again.welcome.agent_id == 1


async def test_a_dead_agent_is_noticed_within_ten_seconds(sqlite_server: Server) -> None:
    """One that answers no ping, though its connection stands, makes room for another."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(dead, sqlite_server.socket)
        request = (
            f"GET {contract.PATH} HTTP/1.1\r\nHost: localhost:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Authorization: Bearer agent-secret\r\n\r\n"
        )
        hello = contract.encode(contract.Hello(version="0")).encode()
        frame = bytes([0x81, 0x80 | len(hello), 0, 0, 0, 0]) + hello
        await loop.sock_sendall(dead, request.encode())
        assert (await loop.sock_recv(dead, 4096)).startswith(b"HTTP/1.1 101")
        await loop.sock_sendall(dead, frame)

        async def connected() -> bool:
            return bool((await sqlite_server.get("/agents")).json()["items"][0]["connected"])

        await eventually(connected)

        async def another() -> bool:
            async with sqlite_server.websocket(contract.PATH, "agent-secret") as second:
                await second.send(contract.encode(contract.Hello(version="0")))
                try:
                    await asyncio.wait_for(second.recv(), 30)
                except ConnectionClosed:
                    return False
                return True

        await eventually(another, 11.0)


@pytest.mark.parametrize(
    "first",
    [
        "not json",
        '{"type":"unknown"}',
        '{"type":"report","workspaces":[]}',
        '{"type":"hello","version":"1","protocol":2}',
    ],
)
async def test_an_agent_of_another_protocol_is_sent_away(sqlite_server: Server, first: str) -> None:
    """Whatever is no hello of this protocol ends the connection with its own code."""
    async with sqlite_server.websocket(contract.PATH, "agent-secret") as connection:
        await connection.send(first)
        assert await closed_with(connection) == contract.CLOSE_BAD_PROTOCOL


async def test_reports_of_what_is_not_the_agents_are_ignored(
    server: Server, repository: str
) -> None:
    """A report names unknown workspaces: nothing happens, and the connection stays."""
    async with workspace(server, repository) as (agent, name):
        strange = ActualWorkspace(
            name="workspace-1-1-zzzzzz", generation=1, state=ActualState.RUNNING
        )
        await agent.send(contract.Report(workspaces=(strange,), full=True))
        await agent.report(name, 1, ActualState.STOPPED)

        async def stopped() -> bool:
            return bool((await server.get(f"/workspaces/{name}")).json()["state"] == "Stopped")

        await eventually(stopped)


async def test_logs_are_streamed(server: Server, repository: str) -> None:
    """Options reach the agent, output reaches the reader as it comes, and the end ends the
    answer."""
    async with workspace(server, repository) as (agent, name), server.client() as client:

        async def answer() -> None:
            opened = await agent.expect(contract.OpenLogs)
            assert (opened.workspace, opened.container, opened.follow, opened.tail) == (
                name,
                "py",
                True,
                5,
            )
            for data in (b"one\n", b"two\n"):
                await agent.send(contract.ChannelOutput(channel=opened.channel, data=data))
            await agent.expect(contract.ChannelCredit)
            await agent.send(contract.ChannelExit(channel=opened.channel, code=0))

        answering = asyncio.create_task(answer())
        path = f"/api/v1/workspaces/{name}/logs?container=py&follow=true&tail=5"
        async with client.stream("GET", path) as logs:
            assert logs.headers["content-type"].startswith("text/plain")
            assert b"".join([chunk async for chunk in logs.aiter_raw()]) == b"one\ntwo\n"
        await answering


async def test_logs_that_cannot_be_had(server: Server, repository: str) -> None:
    """A container that is not there, an agent that refuses, and an agent that is away are errors
    with a reason."""
    async with workspace(server, repository) as (agent, name):
        wrong = await server.get(f"/workspaces/{name}/logs?container=nope")
        assert (wrong.status_code, wrong.json()["hint"]) == (422, "It has: py, clone, postStart.")

        async def refuse() -> None:
            opened = await agent.expect(contract.OpenLogs)
            await agent.send(
                contract.ChannelExit(channel=opened.channel, error="It has not started yet.")
            )

        refused, _ = await asyncio.gather(server.get(f"/workspaces/{name}/logs"), refuse())
        assert (refused.status_code, refused.json()["detail"]) == (503, "It has not started yet.")

    async def away() -> bool:
        answer = await server.get(f"/workspaces/{name}/logs")
        assert answer.status_code == 503
        return bool(answer.json()["code"] == "agent-disconnected")

    await eventually(away)


async def test_the_agent_hears_when_a_reader_leaves(server: Server, repository: str) -> None:
    """Logs that nobody reads any more are closed at the agent."""
    async with workspace(server, repository) as (agent, name), server.client() as client:
        path = f"/api/v1/workspaces/{name}/logs?follow=true"

        async def read_a_little() -> None:
            async with client.stream("GET", path) as logs:
                await anext(logs.aiter_raw())

        reading = asyncio.create_task(read_a_little())
        opened = await agent.expect(contract.OpenLogs)
        await agent.send(contract.ChannelOutput(channel=opened.channel, data=b"x"))
        await reading
        await client.aclose()
        assert (await agent.expect(contract.ChannelClose)).channel == opened.channel


async def test_a_slow_reader_holds_up_nobody(server: Server, repository: str) -> None:
    """An agent that keeps to its window is never cut off; one that does not loses that channel and
    nothing else."""
    async with workspace(server, repository) as (agent, name), server.client() as client:
        path = f"/api/v1/workspaces/{name}/logs?follow=true"
        slow = asyncio.create_task(client.send(client.build_request("GET", path), stream=True))
        opened = await agent.expect(contract.OpenLogs)
        block = b"x" * 65536
        for _ in range(200):
            await agent.send(contract.ChannelOutput(channel=opened.channel, data=block))
        answer: httpx.Response = await asyncio.wait_for(slow, 5)
        other = asyncio.create_task(server.get(f"/workspaces/{name}/logs"))
        second = await agent.expect(contract.OpenLogs)
        await agent.send(contract.ChannelOutput(channel=second.channel, data=b"quick"))
        await agent.send(contract.ChannelExit(channel=second.channel, code=0))
        assert (await asyncio.wait_for(other, 5)).text == "quick"
        text = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert text.endswith(b"The logs end here: The agent sent more than was asked for.\n")
        assert len(text) < 200 * 65536
        await answer.aclose()


async def test_a_command_with_input_size_and_exit(server: Server, repository: str) -> None:
    """All that a terminal needs, in both directions, and the exit code at the end."""
    async with workspace(server, repository) as (agent, name):
        path = f"/api/v1/workspaces/{name}/exec?tty=true&columns=100&rows=30&container=py"
        async with server.websocket(path, "admin-secret") as client:
            await client.send(json.dumps({"argv": ["bash", "-l"]}))
            opened = await agent.expect(contract.OpenExec)
            assert (opened.workspace, opened.argv, opened.container) == (name, ("bash", "-l"), "py")
            assert (opened.tty, opened.columns, opened.rows) == (True, 100, 30)
            await client.send(b"ls\n")
            assert (await agent.expect(contract.ChannelInput)).data == b"ls\n"
            await client.send(json.dumps({"columns": 80, "rows": 24}))
            resized = await agent.expect(contract.ChannelResize)
            assert (resized.columns, resized.rows) == (80, 24)
            await client.send(b"")
            assert (await agent.expect(contract.ChannelInput)).data == b""
            await agent.send(contract.ChannelOutput(channel=opened.channel, data=b"out"))
            await agent.send(
                contract.ChannelOutput(channel=opened.channel, data=b"err", stream="stderr")
            )
            await agent.send(contract.ChannelExit(channel=opened.channel, code=7))
            assert await client.recv() == b"\x01out"
            assert await client.recv() == b"\x02err"
            assert json.loads(await client.recv()) == {"exit": 7}
            assert await closed_with(client) == 1000


async def test_with_credit_both_directions_wait(server: Server, repository: str) -> None:
    """A client that says what it has read gets no more than a window ahead, and hears what the
    command has taken."""
    async with workspace(server, repository) as (agent, name):
        path = f"/api/v1/workspaces/{name}/exec?credit=true"
        async with server.websocket(path, "admin-secret") as client:
            await client.send('{"argv": ["cat"]}')
            opened = await agent.expect(contract.OpenExec)
            await client.send(b"x" * 1000)
            assert len((await agent.expect(contract.ChannelInput)).data) == 1000
            await agent.send(contract.ChannelTaken(channel=opened.channel, bytes=1000))
            assert json.loads(await client.recv()) == {"taken": 1000}
            piece = b"y" * 65536
            for _ in range(6):
                await agent.send(contract.ChannelOutput(channel=opened.channel, data=piece))
            await agent.send(contract.ChannelExit(channel=opened.channel, code=0))
            for _ in range(4):
                assert len(await asyncio.wait_for(client.recv(), 30)) == 65537
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.recv(), 0.3)
            await client.send(json.dumps({"taken": 4 * 65536}))
            for _ in range(2):
                assert len(await asyncio.wait_for(client.recv(), 30)) == 65537
            assert json.loads(await client.recv()) == {"exit": 0}


async def test_who_is_sent_away_writes_nothing_more(server: Server, repository: str) -> None:
    """A client that reads nothing, and so keeps its window shut, loses the command all the same."""
    ann = await server.user("ann")
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository}, ann)).json()["name"]
        async with server.websocket(f"/api/v1/workspaces/{name}/exec?credit=true", ann) as client:
            await client.send('{"argv": ["sh"]}')
            opened = await agent.expect(contract.OpenExec)
            for _ in range(5):
                output = contract.ChannelOutput(channel=opened.channel, data=b"y" * 65536)
                await agent.send(output)
            await server.post("/users/ann/block")
            assert (await agent.expect(contract.ChannelClose)).channel == opened.channel


async def test_commands_that_cannot_run(server: Server, repository: str) -> None:
    """Not signed in, not one's own, no command, and an agent that goes away in the middle."""
    ann = await server.user("ann")
    async with workspace(server, repository) as (agent, name):
        path = f"/api/v1/workspaces/{name}/exec"
        for token, status in ((None, 403), ("nope", 401), (ann, 404)):
            with pytest.raises(ConnectionRefused) as refused:
                async with server.websocket(path, token):
                    pass
            assert refused.value.response.status_code == status
        with pytest.raises(ConnectionRefused) as refused:
            async with server.websocket(path, Origin=ORIGIN):
                pass
        assert refused.value.response.status_code == 401
        async with server.websocket(path, "admin-secret") as client:
            await client.send('{"argv": []}')
            assert "argv" in json.loads(await client.recv())["error"]
        async with server.websocket(path, "admin-secret") as client:
            await client.send('{"argv": ["sh"]}')
            await agent.expect(contract.OpenExec)
            await agent.connection.close()
            assert json.loads(await asyncio.wait_for(client.recv(), 30)) == {
                "error": "The agent's connection has ended."
            }


async def test_the_command_is_ended_when_its_client_leaves(server: Server, repository: str) -> None:
    """A terminal whose browser has gone does not run on."""
    async with workspace(server, repository) as (agent, name):
        async with server.websocket(f"/api/v1/workspaces/{name}/exec", "admin-secret") as client:
            await client.send('{"argv": ["sh"]}')
            opened = await agent.expect(contract.OpenExec)
        assert (await agent.expect(contract.ChannelClose)).channel == opened.channel


@pytest.mark.parametrize("way", ["block", "token"])
async def test_who_is_sent_away_loses_what_is_open(
    server: Server, repository: str, way: str
) -> None:
    """Blocking a user, or deleting the token, ends their open terminals, logs and events at
    once."""
    ann = await server.user("ann")
    async with server.agent() as agent, server.client(ann) as client:
        name = (await server.post("/workspaces", {"repository": repository}, ann)).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")
        lists = events(client, "/api/v1/workspaces/events")
        await anext(lists)
        one = events(client, f"/api/v1/workspaces/{name}/events")
        await anext(one)
        logs = asyncio.create_task(client.get(f"/api/v1/workspaces/{name}/logs?follow=true"))
        opened = await agent.expect(contract.OpenLogs)
        await agent.send(contract.ChannelOutput(channel=opened.channel, data=b"secret"))
        async with server.websocket(f"/api/v1/workspaces/{name}/exec", ann) as terminal:
            await terminal.send('{"argv": ["sh"]}')
            running = await agent.expect(contract.OpenExec)
            if way == "block":
                await server.post("/users/ann/block")
            else:
                token = (await server.get("/users/ann/tokens")).json()["items"][0]["id"]
                await server.call("DELETE", f"/api/v1/users/ann/tokens/{token}")
            assert json.loads(await asyncio.wait_for(terminal.recv(), 30)) == {
                "error": "You may no longer see this."
            }
        assert (await asyncio.wait_for(logs, 5)).text.endswith("You may no longer see this.\n")
        closed = {(await agent.expect(contract.ChannelClose)).channel for _ in range(2)}
        assert closed == {opened.channel, running.channel}
        for stream in (lists, one):
            async with asyncio.timeout(5):
                assert [event async for event in stream if not event[1]] == []


async def test_a_list_tells_when_an_agent_falls_silent(server: Server, repository: str) -> None:
    """Nobody has to reload: after a minute of silence the workspace turns Unknown by itself."""
    name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
    async with server.agent() as agent:
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")

        async def running() -> bool:
            return bool((await server.get(f"/workspaces/{name}")).json()["state"] == "Running")

        await eventually(running)
        silent = await presence.look(server.core, frozenset())
        assert silent == frozenset()
    async with server.client() as client:
        stream = events(client, f"/api/v1/workspaces/{name}/events")
        await anext(stream)
        server.clock.ahead = 61
        assert await presence.look(server.core, silent) == frozenset({1})
        async with asyncio.timeout(5):
            while (await anext(stream))[1]["state"] != "Unknown":
                pass
        await stream.aclose()


async def test_administrators_look_after_but_not_into_others_workspaces(
    server: Server, repository: str
) -> None:
    """They see, stop and delete; they read no logs, run no commands, and start nothing."""
    ann = await server.user("ann")
    bob = await server.user("bob")
    async with server.agent():
        name = (
            await server.post("/workspaces", {"repository": repository, "name": "hers"}, ann)
        ).json()["name"]
        assert (await server.get("/workspaces")).json()["items"] == []
        everyones = (await server.get("/workspaces?all=true")).json()["items"]
        assert [item["owner_name"] for item in everyones] == ["ann"]
        assert (await server.get("/workspaces?all=true", bob)).status_code == 403
        assert (await server.get("/workspaces/hers")).json()["name"] == name
        for path in (name, "hers"):
            assert (await server.get(f"/workspaces/{path}", bob)).status_code == 404
            for request in ("start", "stop", "restart"):
                assert (
                    await server.post(f"/workspaces/{path}/{request}", None, bob)
                ).status_code == 404
            assert (
                await server.call("DELETE", f"/api/v1/workspaces/{path}", bob)
            ).status_code == 404
            assert (await server.get(f"/workspaces/{path}/events", bob)).status_code == 404
        assert (await server.get(f"/workspaces/{name}/logs")).status_code == 403
        assert (await server.post(f"/workspaces/{name}/start")).status_code == 403
        with pytest.raises(ConnectionRefused) as refused:
            async with server.websocket(f"/api/v1/workspaces/{name}/exec", "admin-secret"):
                pass
        assert refused.value.response.status_code == 403
        assert (await server.post(f"/workspaces/{name}/stop")).status_code == 202
        assert (await server.call("DELETE", f"/api/v1/workspaces/{name}")).status_code == 202
