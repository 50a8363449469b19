"""Agents that are registered: their tokens, what ends them, and what becomes of those that are
removed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from websockets.exceptions import ConnectionClosed

from integration.server.harness import ConnectionRefused, Server, eventually, serving
from integration.server.postgres import Postgres
from moorage.contract import ActualState, FoundWorkspace
from moorage.contract import agent as contract
from moorage.contract import gateway as gateway_contract
from moorage.server.agents import services
from moorage.server.agents.models import Agent
from moorage.server.settings import Settings

ZONE = "https://dev.example.com"


async def add(server: Server, name: str = "far", zone: str = ZONE) -> dict[str, Any]:
    made = await server.post("/agents", {"name": name, "zone_url": zone})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def ended(connection: Any) -> int:
    """The close code, whatever is said before."""
    async with asyncio.timeout(10):
        while True:
            try:
                await connection.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 0


async def test_a_newer_connection_stays_noted(server: Server) -> None:
    """An old connection that ends late takes nothing from a newer one, be that here or at another
    replica."""
    async with server.agent() as agent:
        number = agent.welcome.agent_id
        await services.disconnected(server.core, number)
        assert (await server.get("/agents/local")).json()["connected"]

    async def away() -> bool:
        return not (await server.get("/agents/local")).json()["connected"]

    await eventually(away)
    async with server.core.database.write() as session:
        row = await session.get_one(Agent, number)
        row.connected, row.replica, row.last_seen = True, "http://another:8000", server.clock.now()
    await services.disconnected(server.core, number)
    assert (await server.get("/agents/local")).json()["connected"]


async def test_the_form_for_a_new_agent_takes_anything(sqlite_server: Server) -> None:
    """A name or address that is far too long is said beside its field."""
    for form in (
        {"name": "a" * 101, "zone_url": ZONE},
        {"name": "far", "zone_url": f"https://{'a' * 300}.dev"},
    ):
        page = await sqlite_server.call("POST", "/agents", data=form)
        assert (page.status_code, "field-error" in page.text) == (422, True), page.text


async def refused(server: Server, token: str, path: str = contract.PATH) -> bool:
    try:
        async with server.websocket(path, token):
            return False
    except ConnectionRefused as error:
        return error.response.status_code == 401


async def test_a_new_agent_and_its_gateway_connect(server: Server) -> None:
    """Both tokens work at once, are shown in this one answer, and are stored nowhere as they
    are."""
    made = await add(server)
    assert (made["agent"]["name"], made["agent"]["enabled"], made["agent"]["local"]) == (
        "far",
        True,
        False,
    )
    async with (
        server.agent(made["tokens"]["agent"]) as agent,
        server.gateway(made["tokens"]["gateway"]),
    ):
        assert agent.welcome.agent_name == "far"
        shown = (await server.get("/agents/far")).json()
        assert (shown["connected"], shown["zone_url"], shown["dns_zone"]) == (
            True,
            ZONE,
            "dev.example.com",
        )
    everything = (await server.get("/agents")).text + (await server.get("/agents/far")).text
    for token in made["tokens"].values():
        assert token.startswith("moor_")
        assert token not in everything
    for secret, path in (("agent", gateway_contract.PATH), ("gateway", contract.PATH)):
        assert await refused(server, made["tokens"][secret], path), (
            "one's token opens the other's door"
        )


async def test_what_is_to_be_pasted(server: Server) -> None:
    """The Helm command has its values, tokens among them, on standard input, and names them as the
    chart does."""
    made = await add(server)
    command, text = made["helm"].split("<<'EOF'\n")
    assert "moor_" not in command
    assert command.startswith("helm upgrade --install")
    values = yaml.safe_load(text.removesuffix("EOF\n"))
    assert values == {
        "image": {"registry": "<registry>"},
        "server": {"enabled": False},
        "config": {"token": made["tokens"]["agent"], "kasAddress": "ws://moorage.localhost:8080"},
        "auth": {"host": "http://moorage.localhost:8080", "token": made["tokens"]["gateway"]},
        "ingress": {
            "host": {"workspaceDomain": "dev.example.com", "wildcardDomain": "*.dev.example.com"},
            "tls": {"workspaceDomainSecret": "moorage-tls", "wildcardDomainSecret": "moorage-tls"},
        },
    }
    other = await add(server, "near", "http://near.example.com:8443")
    values = yaml.safe_load(other["helm"].split("<<'EOF'\n")[1].removesuffix("EOF\n"))
    assert values["ingress"]["publicPort"] == 8443
    assert "tls" not in values["ingress"]
    assert 'zone = "dev.example.com"' in made["settings"]
    assert "moor_" not in made["settings"]


async def test_what_is_known_of_images_is_pasted(tmp_path: Path) -> None:
    """Nobody has to write a registry into the command of a server that was told it."""
    file = tmp_path / "values.yaml"
    file.write_text("image: {registry: registry.test/x, tag: '7'}\n")
    async with serving(tmp_path / "home", Settings(helm_values=str(file))) as server:
        text = (await add(server))["helm"]
    assert "<registry>" not in text
    values = yaml.safe_load(text.split("<<'EOF'\n")[1].removesuffix("EOF\n"))
    assert values["image"] == {"registry": "registry.test/x", "tag": "7"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "Far", "zone_url": ZONE}, 422, "name-invalid"),
        ({"name": "far.away", "zone_url": ZONE}, 422, "name-invalid"),
        ({"name": "-far", "zone_url": ZONE}, 422, "name-invalid"),
        ({"name": "local", "zone_url": ZONE}, 422, "name-reserved"),
        ({"name": "far", "zone_url": "dev.example.com"}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "ftp://dev.example.com"}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "https://dev.example.com/path"}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "https://me@dev.example.com"}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "https://dev.example.com:port"}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "https://dev.example.com:0"}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "https://dev_1.example.com"}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "http://[x"}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "//["}, 422, "zone-invalid"),
        ({"name": "far", "zone_url": "http://moorage.localhost:9999"}, 409, "zone-taken"),
        ({"name": "far", "zone_url": ZONE, "token": "mine"}, 422, "invalid-input"),
        ({"name": "far"}, 422, "invalid-input"),
    ],
)
async def test_agents_that_cannot_be(
    sqlite_server: Server, body: dict[str, str], status: int, code: str
) -> None:
    """A name that is no DNS label, a zone that is no origin or another agent's: said plainly, with
    what to do."""
    answer = await sqlite_server.post("/agents", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if code != "invalid-input":
        assert answer.json()["hint"]
    assert len((await sqlite_server.get("/agents")).json()["items"]) == 1


async def test_names_and_zones_are_given_once(server: Server) -> None:
    """A zone is the same whatever its port and however it is written."""
    await add(server, zone="https://dev.example.com:443/")
    assert (await server.get("/agents/far")).json()["zone_url"] == ZONE
    taken = await server.post("/agents", {"name": "far", "zone_url": "https://other.example.com"})
    assert (taken.status_code, taken.json()["code"]) == (409, "agent-exists")
    taken = await server.post(
        "/agents", {"name": "near", "zone_url": "https://DEV.example.com:8443"}
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "zone-taken")


async def test_one_zone_for_many_at_once(server: Server) -> None:
    """Of those who want the same zone at the same moment, one gets it."""
    answers = await asyncio.gather(
        *(server.post("/agents", {"name": f"far-{n}", "zone_url": ZONE}) for n in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


async def test_a_rotated_token_cuts_what_came_with_the_old_one(server: Server) -> None:
    """Agent and gateway are closed at once with the code of a bad token, and only the new tokens
    are let in."""
    made = await add(server)
    old = made["tokens"]
    async with (
        server.websocket(contract.PATH, old["agent"]) as agent,
        server.websocket(gateway_contract.PATH, old["gateway"]) as gateway,
        server.agent() as local,
    ):
        await agent.send(contract.encode(contract.Hello(version="0")))
        await agent.recv()
        await gateway.recv()
        rotated = await server.post("/agents/far/token")
        assert rotated.status_code == 201
        assert await ended(agent) == contract.CLOSE_BAD_TOKEN
        assert await ended(gateway) == 4401
        await local.send(contract.Report(workspaces=()))
    new = rotated.json()["tokens"]
    assert await refused(server, old["agent"])
    assert await refused(server, old["gateway"], gateway_contract.PATH)
    async with server.agent(new["agent"]), server.gateway(new["gateway"]):
        pass


async def test_one_token_alone_is_rotated(server: Server) -> None:
    """The other goes on; the command that is to be pasted changes that one value and keeps the
    rest."""
    made = await add(server)
    rotated = (await server.post("/agents/far/token", {"only": "gateway"})).json()
    assert rotated["tokens"]["agent"] is None
    assert "--reuse-values" in rotated["helm"]
    values = yaml.safe_load(rotated["helm"].split("<<'EOF'\n")[1].removesuffix("EOF\n"))
    assert values == {"auth": {"token": rotated["tokens"]["gateway"]}}
    async with server.agent(made["tokens"]["agent"]), server.gateway(rotated["tokens"]["gateway"]):
        assert await refused(server, made["tokens"]["gateway"], gateway_contract.PATH)


async def test_nobody_is_led_to_a_revoked_gateway(server: Server) -> None:
    """Whoever has that machine now gets no browser by a link to this server, nor a code; another
    token lets it have them again."""
    made = await add(server)
    asked = {"redirect_uri": f"{made['agent']['zone_url']}/auth/callback", "state": "x"}
    for way, path, status in [
        ("GET", "/api/v1/agents/far", 302),
        ("DELETE", "/api/v1/agents/far/token", 422),
        ("POST", "/api/v1/agents/far/token", 302),
    ]:
        assert (await server.call(way, path)).is_success
        answer = await server.call("GET", gateway_contract.AUTHORIZE_PATH, None, params=asked)
        assert answer.status_code == status, (way, path)


async def test_a_revoked_agent_stays_out_until_it_gets_a_token(
    server: Server, repository: str
) -> None:
    """Its connection is cut, and nobody connects any more; another token lets it in again."""
    made = await add(server)
    async with server.agent(made["tokens"]["agent"]) as agent:
        name = (
            await server.post("/workspaces", {"repository": repository, "agent": "far"})
        ).json()["name"]
        revoked = await server.call("DELETE", "/api/v1/agents/far/token")
        assert (revoked.status_code, revoked.json()["revoked"]) == (200, True)
        assert await ended(agent.connection) == contract.CLOSE_BAD_TOKEN
    assert await refused(server, made["tokens"]["agent"])
    cause = (await server.get(f"/workspaces/{name}")).json()["cause"]
    assert cause["message"] == "The agent far is not connected: its token was taken back."
    new = (await server.post("/agents/far/token")).json()
    assert new["agent"]["revoked"] is False
    async with server.agent(new["tokens"]["agent"]):
        pass


async def test_the_agent_of_moor_up_keeps_its_token(server: Server) -> None:
    """It cannot be rotated, revoked or removed from here; the answer says where its token lies."""
    async with server.agent() as agent:
        for method, path in (("POST", "/token"), ("DELETE", "/token"), ("DELETE", "")):
            answer = await server.call(method, f"/api/v1/agents/local{path}")
            assert (answer.status_code, answer.json()["code"]) == (409, "agent-local")
            assert "secrets/agent-token" in answer.json()["hint"]
        await agent.send(contract.Report(workspaces=()))
        assert (await server.get("/agents/local")).json()["connected"]


async def test_an_agent_is_removed_when_nothing_is_left_on_it(
    server: Server, repository: str
) -> None:
    """While it has workspaces, the refusal counts them; then it goes with its gateway, and its
    connections are cut."""
    made = await add(server)
    async with (
        server.agent(made["tokens"]["agent"]) as agent,
        server.gateway(made["tokens"]["gateway"]) as gateway,
    ):
        name = (
            await server.post("/workspaces", {"repository": repository, "agent": "far"})
        ).json()["name"]
        answer = await server.call("DELETE", "/api/v1/agents/far")
        assert (answer.status_code, answer.json()["code"], answer.json()["workspaces"]) == (
            409,
            "agent-in-use",
            1,
        )
        await server.call("DELETE", f"/api/v1/workspaces/{name}")
        await agent.report(name, 2, ActualState.TERMINATED)

        async def removed() -> bool:
            return (await server.call("DELETE", "/api/v1/agents/far")).status_code == 204

        await eventually(removed)
        assert await ended(agent.connection) == contract.CLOSE_BAD_TOKEN
        assert await ended(gateway.connection) == 4401
    assert await refused(server, made["tokens"]["agent"])
    assert await refused(server, made["tokens"]["gateway"], gateway_contract.PATH)
    assert (await server.get("/agents/far")).status_code == 404
    await add(server)


async def test_an_agent_is_not_removed_with_what_it_has_found(sqlite_server: Server) -> None:
    """Nobody would be shown it any more. One whose tokens were taken away is removed all the same:
    nobody hears of it again."""
    server = sqlite_server
    made = await add(server)
    name = f"workspace-{made['agent']['id']}-1-abc123"
    async with server.agent(made["tokens"]["agent"]) as agent:
        await agent.send(contract.Found(workspaces=(FoundWorkspace(name=name, mark="m"),)))

        async def told() -> bool:
            return bool((await server.get("/agents/far")).json()["found"])

        await eventually(told)
        answer = await server.call("DELETE", "/api/v1/agents/far")
        assert (answer.status_code, answer.json()["code"]) == (409, "agent-has-found")
        assert "moor agents found far" in answer.json()["hint"]
    assert (await server.call("DELETE", "/api/v1/agents/far/token")).status_code == 200
    assert (await server.call("DELETE", "/api/v1/agents/far")).status_code == 204


async def test_only_administrators_manage_agents(sqlite_server: Server) -> None:
    """Developers see which agents there are, and change nothing about them."""
    server = sqlite_server
    ann = await server.user("ann")
    await add(server)
    assert [item["name"] for item in (await server.get("/agents", ann)).json()["items"]] == [
        "local",
        "far",
    ]
    assert (await server.get("/agents/far", ann)).status_code == 200
    for method, path, body in (
        ("POST", "", {"name": "x", "zone_url": "https://x.example.com"}),
        ("POST", "/far/token", None),
        ("DELETE", "/far/token", None),
        ("PATCH", "/far", {"enabled": False}),
        ("DELETE", "/far", None),
    ):
        answer = await server.call(method, f"/api/v1/agents{path}", ann, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)


async def test_rotation_reaches_every_replica(folder: Path, postgres: Postgres) -> None:
    """The agent is connected to one replica, the token is rotated at the other: the connection ends
    all the same."""
    url = postgres.new_database()
    async with (
        serving(folder / "a", Settings(database=url)) as one,
        serving(folder / "b", Settings(database=url)) as two,
    ):
        made = await add(one)
        async with (
            two.agent(made["tokens"]["agent"]) as agent,
            two.gateway(made["tokens"]["gateway"]) as gateway,
        ):
            await one.post("/agents/far/token")
            assert await ended(agent.connection) == contract.CLOSE_BAD_TOKEN
            assert await ended(gateway.connection) == 4401


async def test_capacity_is_shown(server: Server) -> None:
    """As the agent says it at first, and whenever it has changed."""
    made = await add(server)
    async with server.agent(made["tokens"]["agent"]) as agent:
        assert (await server.get("/agents/far")).json()["capacity"] == {
            "cpu": 0,
            "memory": 0,
            "workspaces": 0,
        }
        await agent.send(
            contract.Capacity(capacity={"cpu": 4000, "memory": 1 << 33, "workspaces": 3, "new": 1})
        )

        async def told() -> bool:
            capacity = (await server.get("/agents/far")).json()["capacity"]
            return bool(capacity == {"cpu": 4000, "memory": 1 << 33, "workspaces": 3})

        await eventually(told)


async def test_a_second_process_with_the_same_token_is_shown(server: Server) -> None:
    """The server says when it told one to wait; the note goes when the waiting one takes over."""
    made = await add(server)
    async with server.agent(made["tokens"]["agent"]):
        assert (await server.get("/agents/far")).json()["second_seen"] is None
        async with server.websocket(contract.PATH, made["tokens"]["agent"]) as second:
            assert await ended(second) == contract.CLOSE_REPLACED
        assert (await server.get("/agents/far")).json()["second_seen"] is not None
    async with server.agent(made["tokens"]["agent"]):
        shown = (await server.get("/agents/far")).json()
        assert (shown["connected"], shown["second_seen"]) == (True, None)


async def test_a_server_that_starts_again_changes_nothing(folder: Path, database: str) -> None:
    """Agents, gateways, their tokens and what was set of them are as before."""
    tokens: dict[str, str] = {}
    for _ in range(2):
        async with serving(folder, Settings(database=database)) as server:
            if not tokens:
                tokens = (await add(server))["tokens"]
                await server.call("PATCH", "/api/v1/agents/far", json={"enabled": False})
            async with (
                server.agent(tokens["agent"]),
                server.agent(),
                server.gateway(tokens["gateway"]),
            ):
                shown = (await server.get("/agents/far")).json()
                assert (shown["enabled"], shown["revoked"], shown["connected"]) == (
                    False,
                    False,
                    True,
                )
