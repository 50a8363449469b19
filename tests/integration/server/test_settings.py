"""Agents' settings: set, versioned, sent, answered to; and what the server itself does by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from integration.server.harness import AGENT, Agent, Server, eventually, serving
from integration.server.postgres import Postgres
from moorage.contract import ActualState
from moorage.contract import agent as contract
from moorage.server.agents import settings as settings_of_agents
from moorage.server.settings import Settings
from moorage.server.workspaces import limits

TEXT = """\
# Only three of them.
remote_development:
  workspaces_quota: 3   # more would not fit
"""
HOUR, DAY = 3600.0, 86400.0


async def put(
    server: Server, text: str, version: int | None = None, name: str = "local"
) -> httpx.Response:
    body = {"text": text} | ({} if version is None else {"version": version})
    return await server.call("PUT", f"/api/v1/agents/{name}/settings", json=body)


async def settings(server: Server, query: str = "") -> dict[str, Any]:
    answer = await server.get(f"/agents/local/settings{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@asynccontextmanager
async def connected(server: Server, **hello: Any) -> AsyncIterator[Agent]:
    """An agent that has said hello and nothing else, and has been told nothing yet."""
    async with server.websocket(contract.PATH, AGENT) as connection:
        agent = Agent(connection)
        await agent.send(contract.Hello(version="0", runtime="docker", **hello))
        await agent.expect(contract.Welcome)
        yield agent


async def test_the_agent_of_one_machine_ends_nothing(server: Server) -> None:
    """Its first version says so: no workspace of `moor up` stops or disappears by the clock."""
    found = await settings(server)
    assert (found["version"], found["source"], found["author"], found["file"]) == (
        1,
        "api",
        "",
        False,
    )
    effective = yaml.safe_load(found["effective"])["remote_development"]
    assert (
        effective["max_active_hours_before_stop"],
        effective["max_stopped_hours_before_termination"],
    ) == (
        0,
        0,
    )
    assert effective["workspaces_quota"] == -1
    assert found["warnings"] == []
    own = (await put(server, "remote_development: {workspaces_quota: 3}")).json()
    words = "\n".join(own["warnings"])
    assert "stopped after 36 hours (before: never)" in words
    assert "deleted, with their files, after 744 hours (31 days) (before: never)" in words
    assert (await settings(server))["warnings"] == own["warnings"]


async def test_what_is_too_long_or_no_version(sqlite_server: Server) -> None:
    """Settings have a length that forms and the API keep to; a version that cannot be is one that
    is not there."""
    form = {"text": "#" + "a" * settings_of_agents.LONGEST, "version": "1"}
    page = await sqlite_server.call("POST", "/agents/local/settings", data=form)
    assert (page.status_code, "are allowed" in page.text) == (422, True)
    assert (await settings(sqlite_server))["version"] == 1
    for version in (2, -1, 2**31, 10**30):
        answer = await sqlite_server.get(f"/agents/local/settings?version={version}")
        assert (answer.status_code, answer.json()["code"]) == (404, "settings-version-not-found")


async def test_settings_are_versioned(server: Server) -> None:
    """Each change is a version with its author and time; text and comments stay; what was before
    can be read."""
    first = await put(server, TEXT, 1)
    assert first.status_code == 200
    assert (first.json()["version"], first.json()["author"], first.json()["text"]) == (
        2,
        "admin",
        TEXT,
    )
    assert (await put(server, TEXT)).json()["version"] == 2, "the same text is no change"
    assert (await put(server, TEXT + "# and a comment\n", 2)).json()["version"] == 3
    versions = (await server.get("/agents/local/settings/versions")).json()["items"]
    assert [(v["version"], v["author"]) for v in versions] == [(3, "admin"), (2, "admin"), (1, "")]
    assert all(v["created_at"] > 0 for v in versions)
    old = await settings(server, "?version=2")
    assert (old["version"], old["newest"], old["text"]) == (2, 3, TEXT)
    assert (await settings(server, "?version=0"))["text"] == ""
    missing = await server.get("/agents/local/settings?version=9")
    assert (missing.status_code, missing.json()["code"]) == (404, "settings-version-not-found")


async def test_versions_do_not_pile_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are kept, so many of them, and numbers are not given twice."""
    monkeypatch.setattr(settings_of_agents, "KEPT", 3)
    for version in range(1, 6):
        assert (await put(server, f"{TEXT}# {version}\n", version)).status_code == 200
    versions = (await server.get("/agents/local/settings/versions")).json()["items"]
    assert [v["version"] for v in versions] == [6, 5, 4]
    gone = await server.get("/agents/local/settings?version=2")
    assert (gone.status_code, gone.json()["code"]) == (404, "settings-version-not-found")


async def test_two_who_edit_the_same_version(server: Server) -> None:
    """The second is told, and changes nothing; whoever names no version means whatever there is."""
    assert (await put(server, TEXT, 1)).status_code == 200
    late = await put(server, "remote_development: {}", 1)
    assert (late.status_code, late.json()["code"], late.json()["newest"]) == (
        409,
        "settings-changed",
        2,
    )
    assert (await settings(server))["text"] == TEXT
    assert (await put(server, "remote_development: {}")).json()["version"] == 3


async def test_two_at_the_same_moment(server: Server) -> None:
    """Of many who edit one version at once, one wins, and the others are told."""
    answers = await asyncio.gather(*(put(server, f"# {number}\n", 1) for number in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert (await settings(server))["version"] == 2


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        (
            "remote_development:\n  workspaces_quota: many\n",
            2,
            "remote_development.workspaces_quota",
        ),
        ("remote_development:\n  node_selektor: {}\n", 2, "remote_development.node_selektor"),
        ("a: [\n", 2, ""),
        ("remote_development:\n  storage:\n    size: big\n", 3, "remote_development.storage.size"),
    ],
)
async def test_settings_that_are_none(
    sqlite_server: Server, text: str, line: int, field: str
) -> None:
    """Refused with the line and the setting at fault; nothing is stored."""
    answer = await put(sqlite_server, text)
    assert (answer.status_code, answer.json()["code"], answer.json()["line"]) == (
        422,
        "settings-invalid",
        line,
    )
    assert answer.json().get("field", "") == field
    assert (await settings(sqlite_server))["version"] == 1


async def test_what_docker_leaves_aside_is_said(sqlite_server: Server) -> None:
    """Once it is known that the agent is one of Docker."""
    never = "max_active_hours_before_stop: 0, max_stopped_hours_before_termination: 0"
    text = f"remote_development: {{node_selector: {{disk: ssd}}, labels: {{a: b}}, {never}}}"
    assert (await put(sqlite_server, text)).json()["warnings"] == []
    async with connected(sqlite_server):
        assert (await settings(sqlite_server))["warnings"] == [
            "has no effect on Docker: node_selector"
        ]


async def test_the_agent_is_told_and_answers(server: Server) -> None:
    """Before its first snapshot and at each change; its answer, or why it cannot, is shown."""
    async with connected(server) as agent:
        sent = await agent.receive()
        assert isinstance(sent, contract.Settings)
        assert sent.version == 1
        assert isinstance(await agent.receive(), contract.Snapshot)
        await agent.send(contract.SettingsTaken(version=1))
        assert (await put(server, TEXT)).json()["taken"]["version"] in (0, 1)
        sent = await agent.expect(contract.Settings)
        assert (sent.version, sent.text) == (2, TEXT)
        await agent.send(
            contract.SettingsTaken(version=2, problem="This agent does not accept that.")
        )

        async def told() -> bool:
            taken = (await settings(server))["taken"]
            return bool(taken == {"version": 2, "problem": "This agent does not accept that."})

        await eventually(told)
        shown = (await server.get("/agents/local")).json()["settings"]
        assert shown == {"version": 2, "problem": "This agent does not accept that."}


async def test_an_agent_with_a_file_of_its_own(server: Server) -> None:
    """The file becomes a version, once; nothing can be set beside it; without the file, that is
    over."""
    async with connected(server, settings_file=TEXT) as agent:
        sent = await agent.expect(contract.Settings)
        assert (sent.version, sent.text) == (2, TEXT)
        found = await settings(server)
        assert (found["source"], found["author"], found["file"]) == ("file", "", True)
        refused = await put(server, "remote_development: {}")
        assert (refused.status_code, refused.json()["code"]) == (409, "settings-file")
        assert "file" in refused.json()["hint"]
    async with connected(server, settings_file=TEXT) as agent:
        assert (await agent.expect(contract.Settings)).version == 2
    async with connected(server) as agent:
        assert (await agent.expect(contract.Settings)).version == 2
        assert (await put(server, "remote_development: {}")).status_code == 200


async def test_a_file_that_the_server_does_not_understand(server: Server) -> None:
    """It is stored as no version, and why is shown; the agent stays connected."""
    async with connected(server, settings_file="remote_development: {of_tomorrow: 1}") as agent:
        assert (await agent.expect(contract.Settings)).version == 1
        assert "of_tomorrow" in (await settings(server))["taken"]["problem"]
        assert (await settings(server))["version"] == 1


async def test_settings_reach_an_agent_at_another_replica(folder: Path, postgres: Postgres) -> None:
    """Set at one replica, sent by the other."""
    url = postgres.new_database()
    async with (
        serving(folder / "a", Settings(database=url)) as one,
        serving(folder / "b", Settings(database=url)) as two,
        two.agent() as agent,
    ):
        await put(one, TEXT)
        assert (await agent.expect(contract.Settings)).text == TEXT


async def test_only_administrators_see_and_set_them(sqlite_server: Server) -> None:
    """They may hold what is not for everybody, a proxy's password for instance."""
    ann = await sqlite_server.user("ann")
    for method, path in (("GET", ""), ("GET", "/versions"), ("PUT", "")):
        answer = await sqlite_server.call(
            method,
            f"/api/v1/agents/local/settings{path}",
            ann,
            json={"text": ""} if method == "PUT" else None,
        )
        assert answer.status_code == 403


# ------------------------------------------------------------------------------ where workspaces go
async def test_where_a_new_workspace_goes(server: Server, repository: str) -> None:
    """To the agent that was asked for; else to the connected one with the fewest. It says where it
    is."""
    made = (
        await server.post("/agents", {"name": "far", "zone_url": "https://dev.example.com"})
    ).json()
    async with server.agent(), server.agent(made["tokens"]["agent"]):

        async def create(**body: str) -> dict[str, Any]:
            answer = await server.post("/workspaces", {"repository": repository, **body})
            assert answer.status_code == 201, answer.text
            return dict(answer.json())

        assert [(await create())["agent"] for _ in range(3)] == ["local", "far", "local"]
        there = await create(agent="far")
        assert there["name"].startswith("workspace-2-1-")
        assert ".dev.example.com" in there["url"]
        assert (await create())["agent"] == "local"


async def test_agents_that_take_none_say_so(server: Server, repository: str) -> None:
    """Disabled, by an administrator or by its settings; unknown; never connected; full: each in
    plain words."""
    made = (
        await server.post("/agents", {"name": "far", "zone_url": "https://dev.example.com"})
    ).json()

    async def refusal(agent: str = "far", token: str = "admin-secret") -> tuple[int, str, str]:
        answer = await server.post("/workspaces", {"repository": repository, "agent": agent}, token)
        body = answer.json()
        return answer.status_code, body.get("code", ""), body.get("hint", "")

    assert (await refusal("further"))[:2] == (422, "agent-unknown")
    server.clock.ahead = 61
    status, code, hint = await refusal()
    assert (status, code) == (503, "agent-disconnected")
    assert hint
    async with server.agent(made["tokens"]["agent"]):
        await server.call("PATCH", "/api/v1/agents/far", json={"enabled": False})
        assert (await refusal())[:2] == (422, "agent-disabled")
        await server.call("PATCH", "/api/v1/agents/far", json={"enabled": True})
        await put(server, "remote_development: {enabled: false}", name="far")
        assert (await refusal())[:2] == (422, "agent-disabled")
        await put(
            server,
            "remote_development: {workspaces_quota: 2, workspaces_per_user_quota: 1}",
            name="far",
        )
        assert (await refusal())[0] == 201
        assert (await refusal())[:2] == (429, "agent-workspaces-per-user")
        ann, bob = await server.user("ann"), await server.user("bob")
        assert (await refusal(token=ann))[0] == 201
        assert (await refusal(token=bob))[:2] == (429, "agent-full")


async def test_a_quota_holds_against_many_at_once(server: Server, repository: str) -> None:
    """Of ten that are asked for at the same moment, as many are made as there is room for."""
    await put(server, "remote_development: {workspaces_quota: 3}")
    async with server.agent():
        answers = await asyncio.gather(
            *(server.post("/workspaces", {"repository": repository}) for _ in range(10))
        )
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 7


# ------------------------------------------------------------------------------------------ hours
async def test_what_has_run_for_too_long_is_stopped(server: Server, repository: str) -> None:
    """The agent is told, the workspace says why; a start takes the note away and begins the time
    anew."""
    await put(server, "remote_development: {max_active_hours_before_stop: 36}")
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING)
        await limits.enforce(server.core)
        assert (await server.get(f"/workspaces/{name}")).json()["desired"] == "Running"
        server.clock.ahead = 36 * HOUR + 1
        await limits.enforce(server.core)
        while (await agent.expect(contract.Change)).workspace.desired != "Stopped":
            pass
        shown = (await server.get(f"/workspaces/{name}")).json()
        assert shown["desired"] == "Stopped"
        assert shown["notice"]["code"] == "stopped-by-limit"
        assert (
            shown["notice"]["message"]
            == "Stopped after 36 hours of running (settings of the agent local)."
        )
        assert shown["notice"]["hint"] == "Start it again: its files are there."
        started = (await server.post(f"/workspaces/{name}/start")).json()
        assert (started["desired"], started["notice"]) == ("Running", None)
        await limits.enforce(server.core)
        server.clock.ahead += 20 * HOUR
        assert (await server.post(f"/workspaces/{name}/restart")).status_code == 202
        server.clock.ahead += 20 * HOUR
        await limits.enforce(server.core)
        assert (await server.get(f"/workspaces/{name}")).json()["desired"] == "Running"


async def test_what_was_stopped_for_too_long_is_deleted(server: Server, repository: str) -> None:
    """Its owner reads of it from a week before; a start takes it back, and a later stop begins
    anew."""
    await put(server, "remote_development: {max_stopped_hours_before_termination: 744}")
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await server.post(f"/workspaces/{name}/stop")

        async def after(days: float) -> Any:
            server.clock.ahead = days * DAY
            await limits.enforce(server.core)
            return (await server.get(f"/workspaces/{name}")).json()

        assert (await after(23.9))["notice"] is None
        notice = (await after(24.1))["notice"]
        assert (notice["code"], notice["at"] - server.clock.now()) == (
            "deletion-ahead",
            pytest.approx(6.9 * DAY, abs=DAY / 4),
        )
        assert "31 days (settings of the agent local)" in notice["message"]
        started = (await server.post(f"/workspaces/{name}/start")).json()
        assert started["notice"] is None
        await server.post(f"/workspaces/{name}/stop")
        assert (await after(32))["desired"] == "Stopped"
        assert (await after(24.1 + 24.1))["notice"]["code"] == "deletion-ahead"
        assert (await after(24.1 + 30.9))["desired"] == "Stopped"
        assert (await after(24.1 + 31.11))["desired"] == "Terminated"
        while (await agent.expect(contract.Change)).workspace.desired != "Terminated":
            pass


async def test_a_person_who_stops_gets_no_note(server: Server, repository: str) -> None:
    """Neither does anything happen by the clock where the settings say 0."""
    async with server.agent():
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await server.post(f"/workspaces/{name}/stop")
        server.clock.ahead = 300 * DAY
        await limits.enforce(server.core)
        shown = (await server.get(f"/workspaces/{name}")).json()
        assert (shown["desired"], shown["notice"]) == ("Stopped", None)
