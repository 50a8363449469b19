"""What gateways are told, and what they ask."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, text, update

from integration.server.harness import ConnectionRefused, Server, serving
from moorage.contract import ActualState, ActualWorkspace, Cause, DesiredState
from moorage.contract import gateway as contract
from moorage.server.accounts import sessions
from moorage.server.accounts.models import Exchange, Session, User
from moorage.server.agents.models import Gateway
from moorage.server.settings import Settings
from moorage.server.sharing.changes import GrantChanged
from moorage.server.storage.database import announce
from moorage.server.workspaces.changes import ActualChanged
from moorage.server.workspaces.models import Workspace


async def start(server: Server, workspace: str, user: int) -> tuple[int, str]:
    answer = await server.call(
        "POST",
        contract.START_PATH.format(workspace=workspace),
        "gateway-secret",
        json={"user": user},
    )
    return answer.status_code, "" if answer.status_code == 204 else answer.json()["code"]


async def test_a_route_from_creation_to_end(server: Server, repository: str) -> None:
    """The table follows the workspace: an address only while it runs, the cause when it failed,
    nothing once it is gone."""
    async with server.gateway() as gateway, server.agent() as agent:
        assert gateway.table.routes == ()
        assert gateway.table.server_url == "http://moorage.localhost:8080"
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        table = await gateway.until(lambda table: len(table.routes) == 1)
        route = table.routes[0]
        assert (route.workspace, route.owner, route.title, route.address) == (
            name,
            1,
            "example",
            "",
        )
        assert route.open_path == "/?folder=/projects/example"
        await agent.report(name, 1, ActualState.STARTING, address="10.0.0.7")
        await gateway.until(
            lambda t: t.routes[0].state is ActualState.STARTING and not t.routes[0].address
        )
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")
        await gateway.until(lambda t: t.routes[0].address == "10.0.0.7")
        await server.post(f"/workspaces/{name}/stop")
        await gateway.until(lambda t: t.routes[0].desired is DesiredState.STOPPED)
        cause = Cause(code="container-crashed", message="It crashed.")
        await agent.report(name, 2, ActualState.FAILED, cause=cause)
        table = await gateway.until(lambda t: t.routes[0].state is ActualState.FAILED)
        assert (table.routes[0].cause, table.routes[0].address) == (cause, "")
        await server.call("DELETE", f"/api/v1/workspaces/{name}")
        await agent.report(name, 3, ActualState.TERMINATED)
        await gateway.until(lambda t: t.routes == ())


async def test_a_silent_agent_takes_no_route_away(server: Server, repository: str) -> None:
    """People go on working while the agent is down: the address stays."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")
        async with server.gateway() as gateway:
            await gateway.until(lambda t: t.routes and t.routes[0].address == "10.0.0.7")
    server.clock.ahead = 3600
    async with server.gateway() as gateway:
        assert gateway.table.routes[0].address == "10.0.0.7"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("::1%x;disable frontend web", ""),
        ("169.254.169.254", ""),
        ("127.0.0.1", ""),
        ("FD00::0:7", "fd00::7"),
    ],
)
async def test_an_address_that_no_workspace_has_goes_no_further(
    sqlite_server: Server, repository: str, address: str, told: str
) -> None:
    """Gateways are not told of it; the workspace shows what is the matter, also where it was stored
    before anybody looked."""
    server = sqlite_server
    async with server.gateway() as gateway, server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING, address=address)
        state = ActualState.RUNNING if told else ActualState.ERROR
        route = (await gateway.until(lambda t: t.routes and t.routes[0].state is state)).routes[0]
        assert (route.address, route.cause and route.cause.code) == (
            told,
            None if told else "address-refused",
        )
        assert (await server.get(f"/workspaces/{name}")).json()["state"] == state.value
        async with server.core.database.write() as session:
            row = (await session.scalars(select(Workspace).where(Workspace.name == name))).one()
            actual = ActualWorkspace(
                name=name, generation=1, state=ActualState.RUNNING, address=address
            )
            row.actual, row.state = msgspec.json.encode(actual).decode(), "Running"
            announce(session, ActualChanged(workspace=name))
        route = (await gateway.until(lambda t: t.routes[0].state is ActualState.RUNNING)).routes[0]
        assert route.address == told


async def test_a_wrong_token_is_refused_before_the_upgrade(sqlite_server: Server) -> None:
    """An agent's or a user's token opens no gateway's connection."""
    for token in ("agent-secret", "admin-secret", "nope"):
        with pytest.raises(ConnectionRefused) as refused:
            async with sqlite_server.gateway(token):
                pass
        assert refused.value.response.status_code == 401


async def test_a_sign_out_at_a_gateway_ends_the_session(sqlite_server: Server) -> None:
    """The gateway names the session; it ends here and at every gateway. One that has ended already
    is no error."""
    await sqlite_server.hand_over(await sqlite_server.session("admin"))
    async with sqlite_server.gateway() as gateway:
        table = await gateway.until(lambda t: len(t.sessions) == 1)
        path = contract.SESSION_PATH.format(session=table.sessions[0].id)
        assert (await sqlite_server.call("DELETE", path, "agent-secret")).status_code == 401
        for _ in range(2):
            assert (await sqlite_server.call("DELETE", path, "gateway-secret")).status_code == 204
        await gateway.until(lambda t: t.sessions == ())


async def test_a_gateway_knows_and_ends_what_it_took_over_alone(server: Server) -> None:
    """Another gateway is told of no session that it did not exchange, and does not end one that it
    names all the same; it is told of one once it has, also of one that somebody has at both.
    Signing out at the server, or at either, ends it everywhere."""
    _, far_token = await add_far_agent(server)
    await server.user("ann")
    admins, anns = await server.session("admin"), await server.session("ann")
    async with server.gateway() as near, server.gateway(far_token) as far:
        mine = await server.hand_over(admins)
        hers = await server.hand_over(anns, far_token, FAR)
        await near.until(lambda t: [s.id for s in t.sessions] == [mine])
        await far.until(lambda t: [s.id for s in t.sessions] == [hers])
        for session, token in (
            (mine, far_token),
            (hers, "gateway-secret"),
            ("nobodys-session", far_token),
        ):
            path = contract.SESSION_PATH.format(session=session)
            assert (await server.call("DELETE", path, token)).status_code == 204
        for cookie in (admins, anns):
            assert await sessions.actor_of_session(server.core, cookie) is not None
        assert await server.hand_over(admins, far_token, FAR) == mine
        assert await server.hand_over(admins, far_token, FAR) == mine
        await far.until(lambda t: {s.id for s in t.sessions} == {mine, hers})
        assert [s.id for s in near.table.sessions] == [mine]
        path = contract.SESSION_PATH.format(session=mine)
        assert (await server.call("DELETE", path, far_token)).status_code == 204
        await near.until(lambda t: t.sessions == ())
        await far.until(lambda t: [s.id for s in t.sessions] == [hers])
        actor = await sessions.actor_of_session(server.core, anns)
        assert actor is not None
        await sessions.sign_out(server.core, actor)
        await far.until(lambda t: t.sessions == ())
        assert await sessions.actor_of_session(server.core, admins) is None


async def use(server: Server, used: dict[str, float], token: str = "gateway-secret") -> int:
    answer = await server.call("POST", contract.USE_PATH, token, json={"used": used})
    return answer.status_code


def end_of(table: contract.RouteTable, session: str) -> float:
    return next((s.expires_at for s in table.sessions if s.id == session), 0.0)


async def block(server: Server, blocked: bool) -> None:
    """In the database alone, as before the sessions of somebody who is blocked are gone."""
    async with server.core.database.write() as session:
        await session.execute(update(User).where(User.name == "ann").values(blocked=blocked))


async def test_work_at_a_gateway_keeps_a_session_alive(server: Server) -> None:
    """For as long as its use says, counted from when that was; every gateway that knows it hears of
    it. It goes on past the time after which an unused one ends, to its longest life and no
    further."""
    cookie = await server.session("admin")
    _, far_token = await add_far_agent(server)
    mine = await server.hand_over(cookie)
    await server.hand_over(cookie, far_token, FAR)
    began = server.core.clock.now()
    async with server.gateway() as near, server.gateway(far_token) as far:
        for hours in range(6, 7 * 24, 6):
            server.clock.ahead = hours * 3600.0
            assert await use(server, {mine: 60.0}) == 204
        longest = began + 7 * 24 * 3600
        for gateway in (near, far):
            table = await gateway.until(lambda t: end_of(t, mine) > longest - 3600)
            assert end_of(table, mine) <= longest + 5
    server.clock.ahead = 7 * 24 * 3600.0 + 10
    assert await use(server, {mine: 0.0}) == 204
    assert await sessions.actor_of_session(server.core, cookie) is None


async def test_whose_session_no_use_keeps_alive(server: Server) -> None:
    """One that is over, or signed out, or another gateway's, or a blocked person's stays as it is;
    and nobody's is kept alive by another session of theirs."""
    _, far_token = await add_far_agent(server)
    await server.user("ann")
    anns, stolen = await server.session("ann"), await server.session("ann")
    hers, other = await server.hand_over(anns), await server.hand_over(stolen)

    async def ends() -> dict[str, float]:
        async with server.core.database.read() as session:
            rows = (await session.scalars(select(Session))).all()
        return {row.id: row.expires_at for row in rows}

    before = await ends()
    server.clock.ahead = 6 * 3600.0
    assert await use(server, {hers: 0.0, "nobodys-session": 0.0}, far_token) == 204
    assert await use(server, {hers: 0.0}, "agent-secret") == 401
    assert await use(server, {hers: 7 * 3600.0}) == 204
    assert await ends() == before
    assert await use(server, {hers: -1e9}) == 204
    after = await ends()
    assert after[hers] <= server.core.clock.now() + 12 * 3600
    assert after[hers] > before[hers]
    assert after[other] == before[other]
    await block(server, True)
    server.clock.ahead = 9 * 3600.0
    assert await use(server, {hers: 0.0, other: 0.0}) == 204
    assert await ends() == after
    await block(server, False)
    server.clock.ahead = 13 * 3600.0
    assert await use(server, {other: 0.0}) == 204
    assert (await ends())[other] == after[other]
    path = contract.SESSION_PATH.format(session=hers)
    assert (await server.call("DELETE", path, "gateway-secret")).status_code == 204
    assert await use(server, {hers: 0.0}) == 204
    assert hers not in await ends()


async def test_too_many_sessions_at_once_are_refused(sqlite_server: Server) -> None:
    """And what is no number of seconds."""
    many = {f"session-{number}": 0.0 for number in range(contract.USED_AT_MOST + 1)}
    assert await use(sqlite_server, many) == 422
    answer = await sqlite_server.call(
        "POST", contract.USE_PATH, "gateway-secret", json={"used": {"one": "soon"}}
    )
    assert answer.status_code == 422


async def test_codes_of_one_session_at_once(server: Server) -> None:
    """Two tabs that come through the same gateway together both arrive."""
    cookie = await server.session("admin")
    ids = await asyncio.gather(*(server.hand_over(cookie) for _ in range(4)))
    assert len(set(ids)) == 1
    async with server.gateway() as gateway:
        await gateway.until(lambda t: [s.id for s in t.sessions] == [ids[0]])


async def test_sessions_of_before_stay_at_the_own_gateway(folder: Path, database: str) -> None:
    """A database of before has nothing about who took a session over: this installation's own
    gateway keeps all, others none."""
    async with serving(folder, Settings(database=database)) as server:
        await add_far_agent(server)
        cookie = await server.session("admin")
        async with server.core.database.write() as session:
            for table in ("audit_entries", "audit_chain"):
                await session.execute(text(f"DROP TABLE {table}"))
            await session.execute(text("DROP TABLE exchanges"))
            await session.execute(text("DROP INDEX ix_gateways_agent_id"))
            await session.execute(text("ALTER TABLE gateways DROP COLUMN agent_id"))
            for column in ("volumes", "rescue", "asked", "flat", "looked_at", "look"):
                await session.execute(text(f"ALTER TABLE workspaces DROP COLUMN {column}"))
            await session.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    async with serving(folder, Settings(database=database)) as server, server.gateway() as gateway:
        actor = await sessions.actor_of_session(server.core, cookie)
        assert actor is not None
        await gateway.until(lambda t: [s.id for s in t.sessions] == [actor.session])
        async with server.core.database.read() as session:
            names = select(Gateway.name).join(Exchange, Exchange.gateway_id == Gateway.id)
            assert (await session.scalars(names)).all() == ["local"]


async def test_an_expired_session_leaves_the_table(sqlite_server: Server) -> None:
    """Nobody has to do anything for it."""
    from moorage.server.routing import services

    await sqlite_server.hand_over(await sqlite_server.session("admin"))
    async with sqlite_server.gateway() as gateway:
        await gateway.until(lambda t: len(t.sessions) == 1)
        sqlite_server.clock.ahead = 13 * 3600
        await services.forget_expired(sqlite_server.core)
        await gateway.until(lambda t: t.sessions == ())


async def test_only_the_owner_starts_from_the_stopped_page(server: Server, repository: str) -> None:
    """The gateway's start button: the server decides who may."""
    await server.user("ann")
    name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
    await server.post(f"/workspaces/{name}/stop")
    assert await start(server, name, 2) == (404, "workspace-not-found")
    assert await start(server, name, 99) == (404, "user-not-found")
    assert await start(server, name, 1) == (204, "")
    assert (await server.get(f"/workspaces/{name}")).json()["desired"] == "Running"
    await server.call("DELETE", f"/api/v1/workspaces/{name}")
    assert await start(server, name, 1) == (409, "workspace-terminating")
    refused = await server.call(
        "POST", contract.START_PATH.format(workspace=name), "nope", json={"user": 1}
    )
    assert refused.status_code == 401


FAR = "https://far.example.com"


async def add_far_agent(server: Server) -> tuple[str, str]:
    """Tokens of an agent `far`, with a zone of its own, and of its gateway."""
    tokens = (await server.post("/agents", {"name": "far", "zone_url": FAR})).json()["tokens"]
    return tokens["agent"], tokens["gateway"]


async def test_a_gateway_knows_its_own_zone_alone(server: Server, repository: str) -> None:
    """Agents and their gateways may be added at any time: a route, and a grant, appears at the
    gateway of its agent's zone at once, and at no other."""
    async with server.gateway() as near, server.agent() as near_agent:
        here = (
            await server.post("/workspaces", {"repository": repository, "agent": "local"})
        ).json()["name"]
        agent_token, gateway_token = await add_far_agent(server)
        async with server.gateway(gateway_token) as far, server.agent(agent_token) as far_agent:
            assert far.table.routes == ()
            body = {"repository": repository, "agent": "far", "name": "there"}
            there = (await server.post("/workspaces", body)).json()["name"]
            await far.until(lambda t: [r.workspace for r in t.routes] == [there])
            await far_agent.report(there, 1, ActualState.RUNNING, address="10.9.0.7")
            await far.until(lambda t: t.routes and t.routes[0].address == "10.9.0.7")
            await near_agent.report(here, 1, ActualState.RUNNING, address="10.0.0.7")
            await near.until(lambda t: t.routes and t.routes[0].address == "10.0.0.7")
            await server.user("ann")
            anns = await server.session("ann")
            await server.hand_over(anns)
            await server.hand_over(anns, gateway_token, FAR)
            for name in (here, there):
                await grant(server, 2, name)
            for gateway, own in ((near, here), (far, there)):
                table = await gateway.until(lambda t: len(t.sessions) == 1 and len(t.grants) == 1)
                assert [r.workspace for r in table.routes] == [own]
                assert [g.workspace for g in table.grants] == [own]
            await server.call("DELETE", f"/api/v1/workspaces/{there}")
            await far_agent.report(there, 2, ActualState.TERMINATED)
            table = await far.until(lambda t: t.routes == ())
            assert table.grants == ()
        async with server.gateway(gateway_token) as again:
            assert again.table.routes == again.table.grants == ()
            assert len(again.table.sessions) == 1


async def grant(server: Server, user: int, workspace: str) -> None:
    from moorage.server.sharing.models import Grant

    async with server.core.database.write() as session:
        row = (await session.scalars(select(Workspace).where(Workspace.name == workspace))).one()
        session.add(Grant(user_id=user, workspace_id=row.id, port=8080, created_at=0.0))
        announce(session, GrantChanged())


async def test_a_gateway_starts_workspaces_of_its_zone_alone(
    sqlite_server: Server, repository: str
) -> None:
    """Another zone's workspace does not exist for it, whoever asks."""
    _, gateway_token = await add_far_agent(sqlite_server)
    name = (
        await sqlite_server.post("/workspaces", {"repository": repository, "agent": "local"})
    ).json()["name"]
    await sqlite_server.post(f"/workspaces/{name}/stop")
    path = contract.START_PATH.format(workspace=name)
    refused = await sqlite_server.call("POST", path, gateway_token, json={"user": 1})
    assert (refused.status_code, refused.json()["code"]) == (404, "workspace-not-found")
    assert (await sqlite_server.get(f"/workspaces/{name}")).json()["desired"] == "Stopped"
    assert await start(sqlite_server, name, 1) == (204, "")


async def test_grants_of_the_table_are_told(server: Server, repository: str) -> None:
    """What stands in `grants` reaches gateways, until it is taken away or the user is blocked."""
    from sqlalchemy import delete

    from moorage.server.sharing.models import Grant

    await server.user("ann")
    name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
    async with server.gateway() as gateway:
        async with server.core.database.write() as session:
            workspace = (await session.scalars(select(Workspace))).one()
            session.add(Grant(user_id=2, workspace_id=workspace.id, port=8080, created_at=0.0))
            announce(session, GrantChanged())
        table = await gateway.until(lambda t: len(t.grants) == 1)
        assert table.grants[0] == contract.Grant(user=2, workspace=name, port=8080)
        await server.post("/users/ann/block")
        await gateway.until(lambda t: t.grants == ())
        await server.post("/users/ann/unblock")
        await gateway.until(lambda t: len(t.grants) == 1)
        async with server.core.database.write() as session:
            await session.execute(delete(Grant))
            announce(session, GrantChanged())
        await gateway.until(lambda t: t.grants == ())
