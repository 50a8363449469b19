"""What happens at the same moment: two who write the same rows, a reader beside a writer, an end in
the middle."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest
from sqlalchemy import select, update

from integration.server.harness import Server, counted, events, eventually, many, name_of, serving
from moorage.contract import (
    ActualState,
    ActualWorkspace,
    DesiredState,
    DesiredWorkspace,
    WorkspaceSpec,
)
from moorage.contract import agent as contract
from moorage.server.accounts import revocation
from moorage.server.accounts.changes import SessionChanged, UserChanged
from moorage.server.agents import presence
from moorage.server.agents.models import Agent
from moorage.server.settings import Settings
from moorage.server.storage.changes import RESYNC
from moorage.server.storage.database import announce
from moorage.server.workspaces import desired, limits
from moorage.server.workspaces.changes import ActualChanged, DesiredChanged
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.reports import store_reports


async def test_what_is_sent_while_it_is_reported(server: Server) -> None:
    """The note that workspaces were sent and the report on them wait for each other in one order
    only, wherever the rows lie."""
    await many(server, 60)
    names = [name_of(number) for number in range(60)]
    for _ in range(12):
        async with server.core.database.write() as session:
            await session.execute(
                update(Workspace).where(Workspace.id <= 10).values(updated_at=1.0)
            )
    for generation in range(1, 16):
        async with server.core.database.write() as session:
            await session.execute(
                update(Workspace).values(sent_at=None, requested_generation=generation)
            )
        wishes = [
            DesiredWorkspace(
                name=name,
                generation=generation,
                desired=DesiredState.RUNNING,
                spec=WorkspaceSpec(containers=(), main_container=""),
            )
            for name in random.sample(names, len(names))
        ]
        said = [
            ActualWorkspace(name=n, generation=generation, state=ActualState.STARTING)
            for n in names
        ]
        await asyncio.gather(
            desired.sent(server.core, wishes, 5.0), store_reports(server.core, 1, said)
        )
    async with server.core.database.read() as session:
        rows = (await session.scalars(select(Workspace))).all()
    assert {(row.sent_at, row.state) for row in rows} == {(5.0, "Starting")}


async def test_what_is_committed_is_told(server: Server) -> None:
    """Also when whoever wrote it was cancelled in the middle of it; or, where the connection that
    is listened on was lost meanwhile, that something may have been missed."""
    await many(server, 1)
    random.seed(3)

    async def write(number: int) -> None:
        async with server.core.database.write() as session:
            await session.execute(update(Workspace).values(generation=number))
            announce(session, DesiredChanged(workspace=str(number)))

    committed = 0
    with server.core.changes.subscribe(DesiredChanged) as changes:
        for number in range(2, 120):
            task = asyncio.create_task(write(number))
            await asyncio.sleep(random.uniform(0, 0.03))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            async with server.core.database.read() as session:
                stands = await session.scalar(select(Workspace.generation))
            if stands == number:
                committed += 1
                heard: set[str] = set()
                async with asyncio.timeout(5):
                    while str(number) not in heard:
                        told = await changes.next()
                        if RESYNC in told:
                            break
                        heard |= {change.workspace for change in told}
    assert committed


async def test_limits_of_the_installation_hold_over_all_agents(
    folder: Path, database: str, repository: str
) -> None:
    """Of many that are asked for at the same moment on two agents, as many are made as one person
    may have."""
    async with serving(folder, Settings(database=database, workspaces_per_user=1)) as server:
        added = await server.post("/agents", {"name": "far", "zone_url": "https://far.example.com"})
        async with server.agent(), server.agent(added.json()["tokens"]["agent"]):
            answers = await asyncio.gather(
                *(
                    server.post("/workspaces", {"repository": repository, "agent": agent})
                    for agent in ("local", "far") * 10
                )
            )
        assert sorted(answer.status_code for answer in answers) == [201] + [429] * 19


async def test_others_changes_cost_a_list_nothing(sqlite_server: Server) -> None:
    """A page that shows one's own workspaces asks the database when one of them has changed, not at
    each of anybody's."""
    token = await sqlite_server.user("ann")
    others = [
        ActualChanged(workspace="workspace-1-1-000000", agent=1),
        SessionChanged(session="somebody"),
        UserChanged(user="1"),
    ]

    def reads(statements: list[str]) -> int:
        """How often the list is read in them; others of the server look at single tables."""
        return sum(
            "JOIN agents" in statement and "JOIN users" in statement for statement in statements
        )

    async with sqlite_server.client(token) as client:
        watched = events(client, "/api/v1/workspaces/events")
        assert await anext(watched) == ("workspaces", {"items": []})
        with counted(sqlite_server) as statements:
            for change in others:
                await sqlite_server.core.changes.after_commit([change])
                await asyncio.sleep(0.3)
            assert reads(statements) == 0
            own = ActualChanged(workspace="workspace-1-2-000000", agent=1)
            await sqlite_server.core.changes.after_commit([own])

            async def read() -> bool:
                return reads(statements) == 1

            await eventually(read)
        await watched.aclose()


async def test_a_devfile_is_not_read_to_list_workspaces(sqlite_server: Server) -> None:
    """Each may be 3 MB."""
    await many(sqlite_server, 3)
    with counted(sqlite_server) as statements:
        assert len((await sqlite_server.get("/workspaces")).json()["items"]) == 3
    assert not [s for s in statements if "workspaces.devfile," in s or "workspaces.devfile " in s]


async def test_limits_that_take_long_hide_no_agent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While many workspaces are being stopped for their hours, agents go on being seen."""

    async def endless(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(limits, "enforce", endless)
    monkeypatch.setattr(presence, "LOOK_SECONDS", 0.05)
    async with serving(folder, Settings()) as server, server.agent():
        async with server.core.database.write() as session:
            await session.execute(update(Agent).values(last_seen=1.0))

        async def seen() -> bool:
            async with server.core.database.read() as session:
                return (await session.scalar(select(Agent.last_seen)) or 0) > 1.0

        await eventually(seen, 5)


async def test_who_was_blocked_meanwhile_starts_no_command(server: Server, repository: str) -> None:
    """A terminal that was opened before, and has said nothing yet, starts nothing afterwards."""
    ann = await server.user("ann")
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository}, ann)).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING)
        async with server.websocket(f"/api/v1/workspaces/{name}/exec", ann) as terminal:
            await server.post("/users/ann/block")
            await terminal.send('{"argv": ["sh"]}')
            said = json.loads(await asyncio.wait_for(terminal.recv(), 30))
            assert said == {"error": "You may no longer see this."}
        with pytest.raises(TimeoutError):
            await agent.expect(contract.OpenExec, 0.5)


async def test_signing_out_is_not_taken_for_a_deletion(server: Server, repository: str) -> None:
    """A workspace's page that is open in another tab says that nobody is signed in any more."""
    headers = {
        "Cookie": f"moorage={await server.session('admin')}",
        "Origin": "http://moorage.localhost:8080",
    }
    name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
    async with (
        server.client(None, headers=headers) as client,
        client.stream("GET", f"/workspaces/{name}/live") as page,
    ):
        lines = page.aiter_lines()
        while not (await anext(lines)).startswith("data:"):
            pass
        assert (await client.post("/sign-out")).status_code in (200, 303)
        async with asyncio.timeout(5):
            rest = "".join([line async for line in lines])
    assert "You are signed out." in rest
    assert "deleted" not in rest


async def test_a_stream_ends_when_its_token_has_expired(
    server: Server, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An expiry makes no noise: it is looked for now and then."""
    monkeypatch.setattr(revocation, "LOOK_SECONDS", 0.3)
    token = (await server.post("/users/admin/tokens", {"days": 0.5})).json()["token"]
    name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
    async with server.client(token) as client:
        for path in ("events?all=true", f"{name}/events"):
            server.clock.ahead = 0
            stream = events(client, f"/api/v1/workspaces/{path}")
            await anext(stream)
            server.clock.ahead = 86400
            async with asyncio.timeout(5):
                assert not [item async for item in stream if not item[1]]
