"""Who has changed what is written down, in the transaction that changes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, select

from integration.server.git_host import DEVFILE, GitHost
from integration.server.harness import ADMIN, AGENT, ORIGIN, Agent, Server, eventually, serving
from moorage.contract import Container, DesiredState, FoundWorkspace, WorkspaceSpec
from moorage.contract import agent as contract
from moorage.kernel.ids import short_id
from moorage.server import audit, cleaning
from moorage.server.audit import Target
from moorage.server.audit.models import AuditEntry
from moorage.server.authorization import Action, Kind, Part, System
from moorage.server.authorization.table import CHANGING
from moorage.server.domains import DOMAINS
from moorage.server.settings import Settings
from moorage.server.workspaces import limits

DAY = 86400.0
SPEC = WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py")
FIRST, SECOND = "workspace-1-1-aaaaaa", "workspace-1-1-bbbbbb"


async def entries(server: Server) -> list[AuditEntry]:
    async with server.core.database.read() as session:
        return list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


async def recorded(server: Server, outcome: str = "done") -> list[tuple[str, ...]]:
    """Who, what, on what."""
    return [
        (f"{e.actor_kind} {e.actor_name}", e.action, f"{e.target_kind} {e.target_id}", e.detail)
        for e in await entries(server)
        if e.outcome == outcome
    ]


async def find(server: Server, agent: Agent, *names: str) -> None:
    """The agent tells of these, and the server has heard it."""
    told = tuple(
        FoundWorkspace(
            name=name,
            mark="m",
            generation=7,
            owner=1,
            since=4_000_000_000.0,
            desired=DesiredState.STOPPED,
            restarts=0,
            objects=(),
            spec=SPEC,
        )
        for name in names
    )
    await agent.send(contract.Found(workspaces=told))

    async def heard() -> bool:
        items = (await server.get("/agents/local/found")).json()["items"]
        return {item["name"] for item in items} == set(names)

    await eventually(heard)


async def test_every_action_that_changes_something_is_recorded(
    server: Server, git_host: GitHost
) -> None:
    """By its service, with who did it and what it was done to; each action of the table that
    changes something is among them, and no secret stands in any."""
    secrets = [ADMIN, AGENT, await server.user("ann")]
    ann = secrets[-1]
    audited = f"audited-{short_id()}"
    other = DEVFILE.replace(":latest", ":2")
    repository = git_host.make(audited, {".devfile.yaml": DEVFILE, "other.yaml": other})
    made = await server.post("/workspaces", {"repository": repository, "name": "app"}, ann)
    name = made.json()["name"]
    commit = made.json()["commit"][:12]
    shown = (await server.get("/workspaces/app/rebuild?devfile=other.yaml", ann)).json()
    agreed = {"digest": shown["digest"], "devfile": "other.yaml"}
    assert (await server.post("/workspaces/app/rebuild", agreed, ann)).status_code == 202
    for what in ("restart", "stop", "start", "stop", "start?fresh_files=true"):
        assert (await server.post(f"/workspaces/app/{what}", None, ann)).status_code == 202
    renamed = await server.call("PATCH", "/api/v1/workspaces/app", ann, json={"title": "other-app"})
    assert renamed.status_code == 200
    assert (await server.call("DELETE", f"/api/v1/workspaces/{name}")).status_code == 202
    link = (await server.post("/users/ann/sign-in-links")).json()["url"]
    token = (await server.post("/users/ann/tokens", {"label": "x"}, ann)).json()
    secrets += [link.rsplit("/", 1)[1], token["token"]]
    path = f"/api/v1/users/ann/tokens/{token['id']}"
    assert (await server.call("DELETE", path, ann)).status_code == 204
    for what in ("block", "unblock"):
        assert (await server.post(f"/users/ann/{what}")).status_code == 200
    changed = await server.call("PATCH", "/api/v1/users/ann", json={"role": "auditor"})
    assert changed.json()["role"] == "auditor"
    far = {"name": "far", "zone_url": "https://far.example.com"}
    for method, rest, body in (
        ("POST", "", far),
        ("PATCH", "/far", {"enabled": False}),
        ("POST", "/far/token", {"only": "agent"}),
        ("DELETE", "/far/token", None),
        ("DELETE", "/far", None),
        ("PUT", "/local/settings", {"text": "# nothing\n"}),
    ):
        answer = await server.call(method, f"/api/v1/agents{rest}", json=body)
        assert answer.status_code < 300, answer.text
        if "tokens" in answer.text and answer.status_code == 201:
            secrets += [value for value in answer.json()["tokens"].values() if value]
    async with server.agent() as agent:
        await find(server, agent, FIRST, SECOND)
        assert (
            await server.post(f"/agents/local/found/{FIRST}/adopt", {"mark": "m"})
        ).status_code == 201
        gone = await server.call("DELETE", f"/api/v1/agents/local/found/{SECOND}?mark=m")
        assert gone.status_code == 202
    admin, developer, workspace = "person admin", "person ann", f"workspace {name}"
    assert await recorded(server) == [
        (admin, "add-user", "user ann", "developer"),
        (admin, "manage-tokens", "token 2", "made for ann"),
        (developer, "create-workspace", workspace, "on local"),
        (developer, "rebuild-workspace", workspace, f"other.yaml of main at {commit}"),
        (developer, "restart-workspace", workspace, ""),
        (developer, "stop-workspace", workspace, ""),
        (developer, "start-workspace", workspace, ""),
        (developer, "stop-workspace", workspace, ""),
        (developer, "start-workspace", workspace, "with empty files"),
        (developer, "rename-workspace", workspace, ""),
        (admin, "delete-workspace", workspace, ""),
        (admin, "create-sign-in-link", "user ann", ""),
        (developer, "manage-tokens", f"token {token['id']}", "made for ann"),
        (developer, "manage-tokens", f"token {token['id']}", "of ann is removed"),
        (admin, "block-user", "user ann", "blocked"),
        (admin, "block-user", "user ann", "unblocked"),
        (admin, "change-role", "user ann", "from developer to auditor"),
        (admin, "manage-agents", "agent far", "added"),
        (admin, "manage-agents", "agent far", "disabled"),
        (admin, "manage-agents", "agent far", "new tokens of agent"),
        (admin, "manage-agents", "agent far", "tokens revoked"),
        (admin, "manage-agents", "agent far", "removed"),
        (admin, "change-agent-settings", "agent local", "version 2"),
        (admin, "adopt-found", f"found {FIRST}", "on local, for admin"),
        (admin, "remove-found", f"found {SECOND}", "on local: asked for by admin"),
    ]
    found = await entries(server)
    assert {entry.action for entry in found} == {action.value for action in CHANGING}
    assert {entry.actor_id for entry in found} == {1, 2}
    for entry in found:
        assert not any(secret in str(vars(entry)) for secret in secrets)


async def test_what_changes_nothing_is_not_recorded(server: Server, repository: str) -> None:
    """What is refused, what fails, and what is so already."""
    ann = await server.user("ann")
    made = await server.post("/workspaces", {"repository": repository, "name": "app"}, ann)
    assert (await server.post("/workspaces/app/stop", None, ann)).status_code == 202
    before = await recorded(server)
    assert (await server.post("/workspaces/app/stop", None, ann)).status_code == 202
    assert (await server.post(f"/workspaces/{made.json()['name']}/start")).status_code == 403
    assert (await server.post("/users", {"name": "ann"})).status_code == 409
    assert (await server.post("/users", {"name": "bob"}, ann)).status_code == 403
    assert (
        await server.post("/workspaces", {"repository": repository, "name": "app"}, ann)
    ).status_code == 409
    assert await recorded(server) == before


async def test_what_moorage_does_by_itself_is_recorded_as_its_own(
    server: Server, repository: str
) -> None:
    """A limit that stops a workspace is the server's; an agent's settings from its own file are the
    agent's."""
    name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
    text = "remote_development:\n  max_active_hours_before_stop: 1\n"
    hello = contract.Hello(version="0", runtime="memory", runtime_version="1", settings_file=text)
    async with server.websocket(contract.PATH, AGENT) as connection:
        agent = Agent(connection)
        await agent.send(hello)
        await agent.expect(contract.Snapshot)
    server.clock.ahead = 2 * 3600.0
    await limits.enforce(server.core)
    settings, stopped = (await recorded(server))[-2:]
    assert settings == ("agent local", "change-agent-settings", "agent local", "version 2")
    assert stopped[:3] == (
        "server limits of the agents' settings",
        "stop-workspace",
        f"workspace {name}",
    )
    assert "1 hour" in stopped[3]


@pytest.mark.parametrize(("days", "left"), [(365.0, 1), (0.0, 2)])
async def test_entries_are_kept_for_as_many_days_as_is_set(
    folder: Path, database: str, days: float, left: int
) -> None:
    """And for ever by 0."""
    settings = msgspec.structs.replace(Settings(database=database), audit_days=days)
    async with serving(folder, settings) as server:
        await server.post("/users", {"name": "ann"})
        server.clock.ahead = 364 * DAY
        await cleaning.clean(server.core, DOMAINS)
        await server.post("/users", {"name": "bob"})
        assert len(await entries(server)) == 2
        server.clock.ahead = 366 * DAY
        await cleaning.clean(server.core, DOMAINS)
        assert len(await entries(server)) == left


async def test_an_entry_is_bounded_and_goes_with_its_transaction(server: Server) -> None:
    """However long what it tells is; and where the change is taken back, nothing is told."""
    actor = System(Part.AGENT, "a" * 1000, 7)
    target = Target(Kind.AGENT, "t" * 1000)
    async with server.core.database.write() as session:
        audit.record(session, actor, Action.MANAGE_AGENTS, target, detail="d" * 1000)

    async def taken_back() -> None:
        async with server.core.database.write() as session:
            audit.record(session, actor, Action.MANAGE_AGENTS, target)
            await session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await taken_back()
    (entry,) = await entries(server)
    assert (len(entry.actor_name), len(entry.target_id), len(entry.detail)) == (200, 200, 500)
    assert (entry.actor_kind, entry.actor_id) == ("agent", 7)
    assert abs(entry.at - server.clock.now()) < 60


async def test_sign_ins_are_recorded_and_what_was_refused(server: Server) -> None:
    """Who came in and went, by what and from where; who was not let in; what the table refused to
    whom. What is asked for again and again is written once."""
    ann = await server.user("ann")
    cookie = await server.session("ann")
    page = {"Origin": ORIGIN}
    async with server.client(None, cookies={"moorage": cookie}, headers=page) as client:
        assert (await client.post("/sign-out")).status_code == 303
    for _ in range(3):
        answer = await server.call("POST", "/sign-in/link/wrong", None, headers=page)
        assert answer.status_code == 404
    for _ in range(3):
        assert (await server.get("/users", ann)).status_code == 403
    forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"}
    assert (
        await server.call("GET", "/api/v1/agents/local/settings", ann, headers=forwarded)
    ).status_code == 403
    found = [e for e in await entries(server) if e.action in {"sign-in", "sign-out"}]
    assert [(e.actor_kind, e.actor_name, e.action, e.outcome) for e in found] == [
        ("person", "ann", "sign-in", "done"),
        ("person", "ann", "sign-out", "done"),
        ("nobody", "", "sign-in", "denied"),
    ]
    assert found[0].by == found[1].by != ""
    assert found[0].by.startswith("session ")
    assert cookie not in str([vars(entry) for entry in found])
    assert await recorded(server, "denied") == [
        ("nobody ", "sign-in", "installation ", "sign-in-link-wrong"),
        ("person ann", "list-users", "installation ", ""),
        (
            "person ann",
            "see-agent-settings",
            "installation local",
            "and 2 more before that were not written down",
        ),
    ]
    last = (await entries(server))[-1]
    assert (last.address, last.by) == ("203.0.113.9", "token 2")


async def test_an_auditor_reads_it_all_and_can_do_nothing(server: Server) -> None:
    eva = await server.user("eva", "auditor")
    ann = await server.user("ann")
    assert (await server.get("/audit", ann)).status_code == 403
    assert (await server.get("/audit/export", ann)).status_code == 403
    assert (await server.get("/audit/check", ann)).status_code == 403
    assert (await server.post("/users", {"name": "bob"}, eva)).status_code == 403
    assert (
        await server.post("/workspaces", {"repository": "https://example.com/x"}, eva)
    ).status_code == 403
    seen = (await server.get("/audit?limit=2", eva)).json()
    assert [item["action"] for item in seen["items"]] == ["create-workspace", "add-user"]
    assert [item["outcome"] for item in seen["items"]] == ["denied", "denied"]
    older = (await server.get(f"/audit?limit=500&before={seen['next']}", eva)).json()
    assert older["next"] is None
    assert older["items"][-1]["action"] == "add-user"
    denied = (await server.get("/audit?outcome=denied&actor=ann", eva)).json()["items"]
    assert {(item["actor"], item["action"]) for item in denied} == {("ann", "see-audit")}
    nothing = await server.get(f"/audit?until={seen['items'][0]['at'] - 1000}", eva)
    assert nothing.json() == {"items": [], "next": None}
    lines = (await server.get("/audit/export", eva)).text.splitlines()
    everything = (await server.get("/audit?limit=500", eva)).json()["items"]
    assert [msgspec.json.decode(line) for line in lines] == everything


async def test_a_role_that_is_taken_away_holds_at_once(server: Server) -> None:
    """Of what they ask from then on, and of what they have open; nobody changes their own."""
    bob = await server.user("bob", "administrator")
    own = await server.call("PATCH", "/api/v1/users/bob", bob, json={"role": "developer"})
    assert own.status_code == 403
    assert "another administrator" in own.json()["detail"]
    assert (await server.get("/users", bob)).status_code == 200
    async with (
        server.client(bob) as client,
        client.stream("GET", "/api/v1/workspaces/events?all=true") as stream,
    ):
        assert stream.status_code == 200
        changed = await server.call("PATCH", "/api/v1/users/bob", json={"role": "developer"})
        assert changed.status_code == 200
        async for _ in stream.aiter_raw():
            pass
    assert (await server.get("/users", bob)).status_code == 403


async def test_whatever_is_done_to_the_chain_shows(server: Server) -> None:
    """An entry that is changed, taken out, or put in by hand; and that all of it was made anew, to
    whoever noted a hash before. What its age removes leaves a chain that holds."""
    for name in ("ann", "bob", "carl", "dora"):
        await server.user(name)
    good = (await server.get("/audit/check")).json()
    assert (good["entries"], good["breaks"], good["unchained"]) == (8, [], 0)
    noted = f"number={good['last']}&hash={good['hash']}"
    assert (await server.get(f"/audit/check?{noted}")).json()["breaks"] == []
    wrong = (await server.get(f"/audit/check?number={good['last']}&hash=0")).json()["breaks"]
    assert [each["number"] for each in wrong] == [good["last"]]
    assert (await server.get("/audit/check?number=3")).status_code == 422
    async with server.core.database.write() as session:
        entry = await session.scalar(select(AuditEntry).where(AuditEntry.number == 3))
        assert entry is not None
        entry.actor_name = "somebody"
    async with server.core.database.write() as session:
        await session.execute(delete(AuditEntry).where(AuditEntry.number.in_((5, 8))))
    broken = (await server.get("/audit/check")).json()["breaks"]
    assert [each["number"] for each in broken] == [3, 5, 8]


async def test_many_at_once_make_one_chain(server: Server) -> None:
    """On both databases, without one waiting for another for ever."""
    names = [f"user-{number}" for number in range(20)]
    answers = await asyncio.gather(*(server.post("/users", {"name": name}) for name in names))
    assert {answer.status_code for answer in answers} == {201}
    found = (await server.get("/audit/check")).json()
    assert (found["entries"], found["last"], found["breaks"]) == (20, 20, [])


async def test_age_leaves_a_chain(server: Server) -> None:
    for name in ("ann", "bob"):
        await server.post("/users", {"name": name})
    server.clock.ahead = 400 * DAY
    await server.post("/users", {"name": "carl"})
    await cleaning.clean(server.core, DOMAINS)
    found = (await server.get("/audit/check")).json()
    assert (found["entries"], found["first"], found["last"], found["breaks"]) == (1, 3, 3, [])
    server.clock.ahead = 800 * DAY
    await cleaning.clean(server.core, DOMAINS)
    await server.post("/users", {"name": "dora"})
    found = (await server.get("/audit/check")).json()
    assert (found["entries"], found["first"], found["last"], found["breaks"]) == (1, 4, 4, [])
