"""Many streams of one person: how many there may be, what a change costs, who does not read, and
when they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from integration.server.harness import (
    ORIGIN,
    ConnectionRefused,
    Server,
    counted,
    events,
    eventually,
    many,
    name_of,
    serving,
)
from moorage import theme
from moorage.contract import ActualState
from moorage.contract import agent as contract
from moorage.server.accounts.changes import SessionChanged, UserChanged
from moorage.server.http import events as server_events
from moorage.server.http.concurrency import Concurrency
from moorage.server.http.feeds import Feeds
from moorage.server.settings import Settings
from moorage.server.storage.database import announce
from moorage.server.workspaces.changes import ActualChanged
from moorage.server.workspaces.models import Workspace

LIST, PAGE = "/api/v1/workspaces/events", "/live"


@contextlib.asynccontextmanager
async def streams(
    client: httpx.AsyncClient, path: str, count: int
) -> AsyncIterator[list[AsyncIterator[str]]]:
    """So many streams, each of which has had its first event; as lines."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            answer = await stack.enter_async_context(client.stream("GET", path))
            assert answer.status_code == 200, await answer.aread()
            lines = answer.aiter_lines()
            await next_event(lines)
            found.append(lines)
        yield found


async def next_event(lines: AsyncIterator[str]) -> str:
    """Its data, whole."""
    data = []
    async with asyncio.timeout(10):
        while (line := await anext(lines)) or not data:
            if line.startswith("data: "):
                data.append(line)
    return "\n".join(data)


async def change(server: Server, title: str, *, number: int = 0) -> None:
    """A change of one workspace, as by a service."""
    async with server.core.database.write() as session:
        await session.execute(
            update(Workspace).where(Workspace.name == name_of(number)).values(title=title)
        )
        announce(session, ActualChanged(workspace=name_of(number), agent=1))


def rendered(server: Server, event: str) -> float:
    return float(server.core.metrics.renderings.labels(event)._value.get())


def dropped(server: Server) -> float:
    return float(server.core.metrics.streams_dropped._value.get())


async def signed_in(server: Server, name: str = "admin") -> dict[str, str]:
    return {"moorage": await server.session(name)}


async def test_streams_of_one_person_are_limited(folder: Path) -> None:
    """Lists and workspaces, pages and programs, by whatever session or token, count together; the
    next is refused with a cause and what to do. Somebody else's are not touched, and one that is
    closed makes room."""
    async with serving(folder, Settings(streams_per_person=4)) as server:
        await many(server, 1)
        ann = await server.user("ann")
        one = f"/workspaces/{name_of(0)}"
        async with (
            server.client() as program,
            server.client(None, cookies=await signed_in(server)) as page,
            server.client(ann) as other,
            streams(program, LIST, 1),
            streams(program, f"/api/v1{one}/events", 1),
            streams(page, PAGE, 1),
        ):
            async with streams(page, f"{one}/live", 1):
                for client, path in ((program, LIST), (page, PAGE), (page, f"{one}/live")):
                    refused = await client.get(path, headers={"Accept": "text/event-stream"})
                    problem = refused.json()
                    assert (refused.status_code, problem["code"], problem["limit"]) == (
                        429,
                        "too-many-streams",
                        4,
                    )
                    assert all((problem["detail"], problem["hint"]))
                async with streams(other, LIST, 4):
                    assert (await other.get(LIST)).status_code == 429

            async def room() -> bool:
                async with program.stream("GET", LIST) as answer:
                    return answer.status_code == 200

            await eventually(room)
        await eventually(_free(server))


def _free(server: Server) -> object:
    async def free() -> bool:
        return not server.core.part(Concurrency)._taken and not server.core.part(Feeds)._running

    return free


@pytest.mark.parametrize("path", [LIST, PAGE, "one", "one page"])
async def test_a_change_is_rendered_once_for_all_streams_of_a_person(
    server: Server, path: str
) -> None:
    """However many of them there are, and by whatever session: each is told, with one look at the
    database and one rendering."""
    await many(server, 3)
    path = {
        "one": f"/api/v1/workspaces/{name_of(0)}/events",
        "one page": f"/workspaces/{name_of(0)}/live",
    }.get(path, path)
    event = "workspace" if name_of(0) in path else "workspaces"
    async with (
        server.client(None, cookies=await signed_in(server)) as client,
        server.client(None, cookies=await signed_in(server)) as another,
        streams(client, path, 8) as first,
        streams(another, path, 8) as second,
    ):
        before = rendered(server, event)
        for title in ("one", "two", "three"):
            with counted(server) as statements:
                await change(server, title)
                told = await asyncio.gather(*(next_event(lines) for lines in (*first, *second)))
            assert all(title in shown for shown in told)
            looks = [s for s in statements if "JOIN agents" in s and "JOIN users" in s]
            assert len(looks) == 1
        assert rendered(server, event) - before == 3


async def test_a_change_of_the_list_is_its_row_alone(server: Server) -> None:
    """However long the list is, whoever has it is sent the row that changed; who comes later, and
    who was not reading meanwhile, all of it."""
    await many(server, 60)
    async with (
        server.client(None, cookies=await signed_in(server)) as client,
        streams(client, PAGE, 1) as (first,),
    ):
        await change(server, "changed", number=30)
        told = await next_event(first)
        assert 'id="row-' + name_of(30) in told
        assert told.count('id="row-') == 1
        assert len(told) < 5_000
        async with client.stream("GET", PAGE) as answer:
            whole = await next_event(answer.aiter_lines())
        assert whole.count('id="row-') == 60


async def test_what_is_compressed(server: Server) -> None:
    """Pages, their streams and their files are; not what holds words of the request or a secret,
    what is for somebody who is not signed in, or what nobody asked to have so."""
    await many(server, 60)
    cases = {
        ("GET", "/"): "gzip",
        ("GET", f"/workspaces/{name_of(0)}"): "gzip",
        ("GET", PAGE): "gzip",
        ("GET", f"/assets/{theme.DIGEST}/moorage.css"): "gzip",
        ("GET", "/?q=needle"): "",
        ("GET", "/new?repository=needle"): "",
        ("GET", "/nowhere"): "",
        ("POST", "/users/admin/sign-in-link"): "",
        ("GET", LIST): "",
    }
    found, sizes = {}, {}
    async with server.client(
        None, cookies=await signed_in(server), headers={"Origin": ORIGIN}
    ) as client:
        for method, path in cases:
            async with client.stream(method, path) as answer:
                found[method, path] = answer.headers.get("content-encoding", "")
                if "live" not in path and path != LIST:
                    sizes[method, path] = sum([len(raw) async for raw in answer.aiter_raw()])
        plain = await client.get("/", headers={"Accept-Encoding": "identity"})
    assert found == cases
    assert "content-encoding" not in plain.headers
    assert sizes["GET", "/"] < len(plain.content) / 8
    async with server.client(None) as nobody:
        assert "content-encoding" not in (await nobody.get("/sign-in")).headers


async def test_changes_ask_nobody_who_they_are(server: Server) -> None:
    """Streams are let in once: what changes, of workspaces and of other people, costs no look at
    sessions or tokens."""
    await many(server, 2)
    await server.user("bob")
    async with (
        server.client(None, cookies=await signed_in(server)) as client,
        streams(client, LIST, 5) as lists,
        streams(client, PAGE, 5) as pages,
    ):
        with counted(server) as statements:
            for number in range(5):
                await change(server, f"title-{number}")
                await server.core.changes.after_commit([SessionChanged(session="somebody")])
                await server.core.changes.after_commit([UserChanged(user="77")])
                await asyncio.gather(*(next_event(lines) for lines in (*lists, *pages)))
        asked = [s for s in statements if "FROM users" in s and "WHERE users.id =" in s]
        assert not asked, asked


async def test_a_stream_begins_with_what_is(server: Server) -> None:
    """Also when somebody watches already: whoever comes after a change is shown no state of before
    it, at no time."""
    await many(server, 1)
    path = f"/api/v1/workspaces/{name_of(0)}/events"
    async with server.client() as client, streams(client, path, 1):
        for number in range(25):
            await change(server, f"title-{number}")
            later = events(client, path)
            assert (await anext(later))[1]["title"] == f"title-{number}"
            await later.aclose()


async def test_who_does_not_read_is_cut_off(
    sqlite_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that takes nothing is waited for a while, holds the newest state alone, delays
    nobody, and frees its place."""
    monkeypatch.setattr(server_events, "WRITE_SECONDS", 1.0)
    server = sqlite_server
    await many(server, 1)
    big = json.dumps([{"code": "x", "message": "m" * 400_000}])
    async with server.core.database.write() as session:
        await session.execute(update(Workspace).values(warnings=big))
    reader, writer = await asyncio.open_unix_connection(server.socket, limit=1024)
    writer.write(
        f"GET {LIST} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-secret\r\n\r\n".encode()
    )
    await reader.readline()
    async with server.client() as client, streams(client, LIST, 1) as (other,):
        number = 0
        while not dropped(server):
            number += 1
            await change(server, f"title-{number}")
            assert f"title-{number}" in await next_event(other)
        assert dropped(server) == 1

        async def alone() -> bool:
            return server.core.metrics.streams._value.get() == 1

        await eventually(alone)
    writer.close()


async def test_signing_out_ends_the_streams_of_that_session_alone(server: Server) -> None:
    """At once; those of another session of the same person, which show the same, go on."""
    await many(server, 1)
    async with (
        server.client(None, cookies=await signed_in(server), headers={"Origin": ORIGIN}) as leaving,
        server.client(None, cookies=await signed_in(server)) as staying,
        streams(leaving, PAGE, 2) as ended,
        streams(staying, PAGE, 1) as (going_on,),
    ):
        assert (await leaving.post("/sign-out")).status_code == 303
        for lines in ended:
            async with asyncio.timeout(5):
                assert "You are signed out." in "".join([line async for line in lines])
        await change(server, "afterwards")
        async with asyncio.timeout(5):
            while "afterwards" not in await anext(going_on):
                pass


async def test_nothing_is_shown_after_the_block(server: Server) -> None:
    """A change that comes with the block, in the same moment, is not shown any more."""
    ann = await server.user("ann")
    await many(server, 1)
    async with server.core.database.write() as session:
        await session.execute(update(Workspace).values(owner_id=2, name="workspace-1-2-000000"))
    async with server.client(ann) as client:
        stream = events(client, "/api/v1/workspaces/workspace-1-2-000000/events")
        await anext(stream)
        await server.post("/users/ann/block")
        async with server.core.database.write() as session:
            await session.execute(update(Workspace).values(title="secret"))
            announce(session, ActualChanged(workspace="workspace-1-2-000000", agent=1))
        async with asyncio.timeout(5):
            assert [item async for item in stream] == []


async def test_logs_and_commands_of_one_person_are_limited(folder: Path, repository: str) -> None:
    """As many as one person may have on an agent; another person has their own."""
    async with serving(folder, Settings(channels_per_person=2)) as server, server.agent() as agent:
        ann = await server.user("ann")
        names = {}
        for token in ("admin-secret", ann):
            made = (await server.post("/workspaces", {"repository": repository}, token)).json()
            names[token] = made["name"]
            await agent.report(made["name"], 1, ActualState.RUNNING, address="10.0.0.7")
        mine, hers = (f"/api/v1/workspaces/{names[token]}" for token in ("admin-secret", ann))
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(server.client())
            for _ in range(2):
                following = asyncio.create_task(client.get(f"{mine}/logs?follow=true"))
                stack.callback(following.cancel)
                await agent.expect(contract.OpenLogs)
            refused = await client.get(f"{mine}/logs?follow=true")
            assert (refused.status_code, refused.json()["code"]) == (429, "too-many-channels")
            async with server.websocket(f"{mine}/exec", "admin-secret") as terminal:
                await terminal.send('{"argv": ["sh"]}')
                assert "as many as one person may" in json.loads(await terminal.recv())["error"]
            async with server.websocket(f"{hers}/exec", ann) as one:
                async with server.websocket(f"{hers}/exec", ann):
                    with pytest.raises(ConnectionRefused) as told:
                        async with server.websocket(f"{hers}/exec", ann):
                            pass
                    assert told.value.response.status_code == 429
                await one.send('{"argv": ["sh"]}')
                await agent.expect(contract.OpenExec)
