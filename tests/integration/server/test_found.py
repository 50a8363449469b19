"""What an agent has and the server does not know: told, shown, adopted, removed, and followed where
the server was set back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import delete, select, update

from integration.server.harness import ADMIN, Agent, Server, eventually, serving
from moorage.contract import ActualState, Container, DesiredState, FoundWorkspace, WorkspaceSpec
from moorage.contract import agent as contract
from moorage.server import cleaning
from moorage.server.domains import DOMAINS
from moorage.server.found import removal
from moorage.server.found import services as found_services
from moorage.server.settings import Settings
from moorage.server.workspaces.models import Workspace

NAME = "workspace-1-1-abc123"
SPEC = WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py")
DAY = 86400.0
PATH = "/agents/local/found"


def found(name: str = NAME, **fields: Any) -> FoundWorkspace:
    given: dict[str, Any] = {
        "mark": "as-it-is",
        "generation": 7,
        "owner": 1,
        "since": 4_000_000_000.0,
        "desired": DesiredState.RUNNING,
        "restarts": 2,
        "objects": (f"volume {name}",),
        "spec": SPEC,
        "memo": {"title": "app", "owner": "admin", "repository": "https://git.example.com/app.git"},
        **fields,
    }
    return FoundWorkspace(name=name, **given)


async def tell(server: Server, agent: Agent, *things: FoundWorkspace) -> list[dict[str, Any]]:
    """The agent's word, and what the API shows of it once it is stored."""
    await agent.send(contract.Found(workspaces=things))
    names = {thing.name for thing in things}

    async def stored() -> Any:
        async with server.core.database.read() as session:
            from moorage.server.found.models import Found

            rows = (await session.scalars(select(Found))).all()
        return {(r.name, r.mark) for r in rows} == {
            (t.name, t.mark) for t in things if t.name in names
        }

    await eventually(stored)
    return list((await server.get(PATH)).json()["items"])


async def test_it_is_shown_to_administrators_alone(server: Server) -> None:
    """What it is, whose it was, and what there is of it; nobody else is told, not even how many
    there are."""
    ana = await server.user("ana")
    async with server.agent() as agent:
        assert agent.welcome.takes_found
        (item,) = await tell(server, agent, found())
        assert (item["name"], item["title"], item["generation"]) == (NAME, "app", 7)
        assert (item["owner_name"], item["owner_now"], item["complete"]) == ("admin", "admin", True)
        assert item["objects"] == [f"volume {NAME}"]
        assert item["repository"] == "https://git.example.com/app.git"
        assert (await server.get("/agents")).json()["items"][0]["found"] == 1
        assert (await server.get("/agents/local")).json()["set_back_at"]
        assert (await server.get("/agents", ana)).json()["items"][0]["found"] == 0
        assert (await server.get(PATH, ana)).status_code == 403
        assert (
            await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-is"}, ana)
        ).status_code == 403
        removal = await server.call("DELETE", f"/api/v1{PATH}/{NAME}?mark=as-it-is", ana)
        assert removal.status_code == 403
        assert await tell(server, agent) == []
        assert (await server.get("/agents")).json()["items"][0]["found"] == 0


async def test_adopting_it(server: Server) -> None:
    """It is a workspace again, of the same name and title, above any generation that the agent
    knows, and stopped: its owner starts it."""
    async with server.agent() as agent:
        await tell(server, agent, found())
        wrong = await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-was"})
        assert (wrong.status_code, wrong.json()["code"]) == (409, "found-changed")
        made = await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-is"})
        assert made.status_code == 201, made.text
        body = made.json()
        assert (body["name"], body["title"], body["owner_name"]) == (NAME, "app", "admin")
        assert (body["generation"], body["desired"], body["state"]) == (8, "Stopped", "Stopped")
        change = await agent.expect(contract.Change)
        assert (change.workspace.generation, change.workspace.desired) == (8, DesiredState.STOPPED)
        (main,) = change.workspace.spec.containers
        page = f"http://moorage.localhost:8080/workspaces/{NAME}"
        assert main.env["MOORAGE_WORKSPACE_PAGE"] == page
        told = replace(change.workspace.spec, containers=(replace(main, env={}),))
        assert (change.workspace.restarts, told) == (2, SPEC), "but for this server's addresses"
        assert (await server.get(PATH)).json()["items"] == []
        assert (await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-is"})).status_code == 404
        assert (await server.post(f"/workspaces/{NAME}/start")).status_code == 202
        change = await agent.expect(contract.Change)
        assert (change.workspace.generation, change.workspace.desired) == (9, DesiredState.RUNNING)


async def test_the_owner_may_be_another_by_now(server: Server) -> None:
    """A user who is younger than the workspace is not taken for its owner, though the id is the
    same, nor one of another name, as a volume seems younger on some engines: the administrator says
    whose it is, and it is on that person's list."""
    ana = await server.user("ana")
    async with server.agent() as agent:
        (item,) = await tell(server, agent, found(mark="eve", owner=2, memo={"owner": "eve"}))
        assert (item["owner_name"], item["owner_now"]) == ("eve", "")
        (item,) = await tell(server, agent, found(owner=2, since=1000.0, memo={"owner": "ana"}))
        assert (item["owner_name"], item["owner_now"]) == ("ana", "")
        refused = await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-is"})
        assert (refused.status_code, refused.json()["code"]) == (422, "owner-unknown")
        made = await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-is", "owner": "ana"})
        assert made.json()["owner_name"] == "ana"
        mine = (await server.get("/workspaces", ana)).json()["items"]
        assert [item["name"] for item in mine] == [NAME]


async def test_adopting_what_has_no_record(server: Server, repository: str) -> None:
    """Of what an agent of an earlier version made, only files are known: it is made anew from a
    repository, on these."""
    async with server.agent() as agent:
        (item,) = await tell(server, agent, found(spec=None, memo={}, desired=None))
        assert item["complete"] is False
        refused = await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-is"})
        assert (refused.status_code, refused.json()["code"]) == (422, "spec-unknown")
        made = await server.post(
            f"{PATH}/{NAME}/adopt", {"mark": "as-it-is", "repository": repository}
        )
        assert (made.status_code, made.json()["title"]) == (201, "example")
        change = await agent.expect(contract.Change)
        assert change.workspace.name == NAME
        assert change.workspace.spec.projects[0].url == repository


async def test_removing_it(server: Server) -> None:
    """The agent is told to, by what it was shown as; again whenever it says that it is still there;
    not once it is something else."""
    async with server.agent() as agent:
        await tell(server, agent, found())
        path = f"/api/v1{PATH}/{NAME}"
        assert (await server.call("DELETE", path)).status_code == 422
        assert (await server.call("DELETE", f"{path}?mark=another")).status_code == 409
        assert (await server.call("DELETE", f"{path}?mark=as-it-is")).json()["removing"] is True
        order = contract.RemoveFound(name=NAME, mark="as-it-is")
        assert await agent.expect(contract.RemoveFound) == order
        adopted = await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-is"})
        assert (adopted.status_code, adopted.json()["code"]) == (409, "found-removing")
    async with server.agent() as agent:
        await tell(server, agent, found())
        assert await agent.expect(contract.RemoveFound) == order
        (item,) = await tell(server, agent, found(mark="it-has-changed"))
        assert item["removing"] is False
        await tell(server, agent)
    async with server.agent() as agent:
        await tell(server, agent, found(mark="it-has-changed"))
        with pytest.raises(TimeoutError):
            await agent.expect(contract.RemoveFound, 0.5)


async def test_it_is_removed_by_itself_only_after_it_was_shown(server: Server) -> None:
    """However long nobody looks, it is kept; so many days after an administrator saw it first it is
    removed, and not before. Not what another agent works on. A count of found ones shows
    nothing."""
    async with server.agent() as agent:
        other = found("workspace-1-1-zzzzzz", elsewhere="the state folder /b", running=True)
        await agent.send(contract.Found(workspaces=(found(), other)))

        async def counted() -> bool:
            return bool((await server.get("/agents")).json()["items"][0]["found"] == 2)

        await eventually(counted)
        server.clock.ahead = 400 * DAY
        await found_services.remove_due(server.core)
        for item in (await server.get(PATH)).json()["items"]:
            assert item["removing"] is False
            expected = None if item["elsewhere"] else pytest.approx(item["shown_at"] + 14 * DAY)
            assert item["remove_at"] == expected
        server.clock.ahead += 13.9 * DAY
        await found_services.remove_due(server.core)
        assert not any(item["removing"] for item in (await server.get(PATH)).json()["items"])
        server.clock.ahead += 0.2 * DAY
        await found_services.remove_due(server.core)
        removing = {
            item["name"] for item in (await server.get(PATH)).json()["items"] if item["removing"]
        }
        assert removing == {NAME}
        assert (await agent.expect(contract.RemoveFound)).name == NAME


async def test_a_clock_that_jumps_removes_nothing(sqlite_server: Server) -> None:
    """It was shown a minute ago, and the clock is set forward by a month: the days have not passed,
    and there is another one to look."""
    server = sqlite_server
    async with server.agent() as agent:
        await tell(server, agent, found())
        looked = server.clock.now()
        server.clock.ahead = 30 * DAY
        looked = removal.note_time_away(server.core, looked)
        await found_services.remove_due(server.core)
        (item,) = (await server.get(PATH)).json()["items"]
        assert item["removing"] is False
        assert item["remove_at"] == pytest.approx(looked + DAY, abs=60)
        for _ in range(25 * 60):
            server.clock.ahead += 60
            looked = removal.note_time_away(server.core, looked)
        await found_services.remove_due(server.core)
        assert (await agent.expect(contract.RemoveFound)).name == NAME


async def test_what_another_agent_works_on(server: Server) -> None:
    """It is told, and removed by nobody; adopted, it goes on running, as this one's."""
    async with server.agent() as agent:
        await tell(server, agent, found(elsewhere="the state folder /b", running=True))
        refused = await server.call("DELETE", f"/api/v1{PATH}/{NAME}?mark=as-it-is")
        assert (refused.status_code, refused.json()["code"]) == (409, "found-elsewhere")
        assert "/b" in refused.json()["detail"]
        assert (await server.get("/agents/local")).json()["set_back_at"] is None
        made = (await server.post(f"{PATH}/{NAME}/adopt", {"mark": "as-it-is"})).json()
        assert (made["desired"], made["generation"]) == ("Running", 8)


async def test_what_the_server_ended_is_removed(server: Server, repository: str) -> None:
    """Of a workspace that was deleted here, something comes up again: nobody has to do anything.
    What the agent knows in a newer generation than the one that was deleted is kept, and what was
    made since, as a namespace that somebody restored."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await server.call("DELETE", f"/api/v1/workspaces/{name}")
        await agent.report(name, 2, ActualState.TERMINATED)

        async def ended() -> bool:
            return bool((await server.get(f"/workspaces/{name}")).status_code == 404)

        await eventually(ended)
        began = server.clock.now() - 60
        assert await tell(server, agent, found(name, generation=1, since=began)) == []
        change = await agent.expect(contract.Change)
        while (
            change.workspace.desired is not DesiredState.TERMINATED
            or change.workspace.generation != 2
        ):
            change = await agent.expect(contract.Change)
        assert await tell(server, agent) == []
        for generation in (2, 3):  # 2: counted again, by a server that was set back
            (item,) = await tell(server, agent, found(name, generation=generation, since=began))
            assert item["removing"] is False
        (item,) = await tell(
            server, agent, found(name, generation=1, since=server.clock.now() + 60)
        )
        assert item["removing"] is False
        made = await server.post(f"{PATH}/{name}/adopt", {"mark": "as-it-is"})
        assert (made.status_code, made.json()["generation"]) == (201, 3)


async def test_a_month_without_the_agent(server: Server, repository: str) -> None:
    """A workspace that is deleted while its agent is away is told as such until the agent says that
    nothing is left, however long that takes; housekeeping forgets only what is gone."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING)
    await server.call("DELETE", f"/api/v1/workspaces/{name}")
    server.clock.ahead = 60 * DAY
    await cleaning.clean(server.core, DOMAINS)
    for _ in range(2):  # the answer to the first may have been lost
        async with server.agent() as agent:
            (listed,) = agent.snapshot.workspaces
            assert (listed.name, listed.desired) == (name, DesiredState.TERMINATED)
    async with server.agent() as agent:
        await agent.report(name, 2, ActualState.TERMINATED)

        async def gone() -> bool:
            return bool((await server.get(f"/workspaces/{name}")).status_code == 404)

        await eventually(gone)
    async with server.agent() as agent:
        assert agent.snapshot.workspaces == ()


@pytest.mark.parametrize("older", ["Terminated", "Stopped", "Running"])
async def test_a_database_that_was_set_back(server: Server, repository: str, older: str) -> None:
    """The last transactions are lost: whatever the older row wants, the workspace goes on as its
    agent has it, the server says that it was set back, and the next thing that a person asks for is
    done."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        for what in ("stop", "start", "restart"):
            await server.post(f"/workspaces/{name}/{what}")
        await agent.report(name, 4, ActualState.RUNNING)
    async with server.core.database.write() as session:
        await session.execute(
            update(Workspace)
            .where(Workspace.name == name)
            .values(desired=older, generation=2, restarts=0, actual_generation=0)
        )
    async with server.agent() as agent:
        assert agent.snapshot.workspaces[0].generation == 2
        ahead = found(name, generation=4, restarts=1, running=True)
        for _ in range(2):
            await agent.send(contract.Found(workspaces=(ahead,)))
        change = await agent.expect(contract.Change)
        assert (change.workspace.generation, change.workspace.desired) == (5, DesiredState.RUNNING)
        assert change.workspace.restarts == 1
        await agent.report(name, 5, ActualState.RUNNING)
        shown = (await server.get(f"/workspaces/{name}")).json()
        assert shown["generation"] == 5
        assert shown["notice"]["code"] == "server-set-back"
        assert (await server.get("/agents/local")).json()["set_back_at"]
        assert (await server.get(PATH)).json()["items"] == []
        await server.post(f"/workspaces/{name}/stop")
        change = await agent.expect(contract.Change)
        assert (change.workspace.generation, change.workspace.desired) == (6, DesiredState.STOPPED)
        assert (await server.get(f"/workspaces/{name}")).json()["notice"] is None


async def test_a_deletion_that_a_set_back_server_counted_again(
    server: Server, repository: str
) -> None:
    """The older row falls to a limit before its agent is back: the deletion has the number of a
    start that the server has lost. The workspace goes on; who wants it deleted says so again."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        for what in ("stop", "start"):
            await server.post(f"/workspaces/{name}/{what}")
        await agent.report(name, 3, ActualState.RUNNING)
    async with server.core.database.write() as session:
        await session.execute(
            update(Workspace).where(Workspace.name == name).values(desired="Stopped", generation=2)
        )
    assert (await server.call("DELETE", f"/api/v1/workspaces/{name}")).json()["generation"] == 3
    async with server.agent() as agent:
        ahead = found(name, generation=3, restarts=0, running=True)
        await agent.send(contract.Found(workspaces=(ahead,)))
        change = await agent.expect(contract.Change)
        assert (change.workspace.generation, change.workspace.desired) == (4, DesiredState.RUNNING)
        await agent.report(name, 4, ActualState.RUNNING)
        assert (await server.get(f"/workspaces/{name}")).json()["notice"][
            "code"
        ] == "server-set-back"
        assert (await server.call("DELETE", f"/api/v1/workspaces/{name}")).json()["generation"] == 5
        change = await agent.expect(contract.Change)
        assert (change.workspace.generation, change.workspace.desired) == (
            5,
            DesiredState.TERMINATED,
        )


@pytest.mark.postgres
async def test_a_failover_that_lost_the_last_transactions(
    folder: Path, postgres: Any, repository: str
) -> None:
    """A workspace whose row is gone is listed no more: what the agent tells of it is enough to have
    it back."""
    async with serving(folder, Settings(database=str(postgres.new_database()))) as server:
        async with server.agent() as agent:
            name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
            wanted = (await agent.expect(contract.Change)).workspace
        async with server.core.database.write() as session:
            await session.execute(delete(Workspace).where(Workspace.name == name))
        async with server.agent() as agent:
            assert agent.snapshot.workspaces == ()
            told = found(
                name,
                generation=1,
                restarts=0,
                since=server.clock.now(),
                spec=wanted.spec,
                memo=wanted.memo,
            )
            (item,) = await tell(server, agent, told)
            assert (item["title"], item["owner_name"]) == ("example", "admin")
            made = (await server.post(f"{PATH}/{name}/adopt", {"mark": "as-it-is"})).json()
            assert (made["name"], made["repository"], made["generation"]) == (name, repository, 2)
            assert made["commit"] == wanted.memo["commit"]


async def test_an_odd_word_of_an_agent(sqlite_server: Server) -> None:
    """Names of others' and numbers that no database holds are passed over; what else it tells is
    stored."""
    async with sqlite_server.agent() as agent:
        odd = (
            found("workspace-2-1-abc123"),
            found("../x"),
            found("workspace-1-1-aaaaaa", generation=10**30),
        )
        await agent.send(contract.Found(workspaces=(*odd, found())))

        async def one() -> Any:
            items = (await sqlite_server.get(PATH)).json()["items"]
            return [item["name"] for item in items] == [NAME]

        await eventually(one)


async def test_an_agent_of_an_earlier_version(sqlite_server: Server) -> None:
    """A server that tells what it understands is understood by one that does not know that word,
    and the other way round."""
    text = contract.encode(
        contract.Welcome(installation="i", agent_id=1, agent_name="a", version="0")
    )
    assert not msgspec.json.decode(text, type=contract.Welcome).takes_found
    async with sqlite_server.agent() as agent:
        await agent.report(NAME, 1, ActualState.RUNNING)
        assert (await sqlite_server.get(PATH, ADMIN)).json()["items"] == []
