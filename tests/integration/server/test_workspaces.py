"""Workspaces through the API, with an agent that speaks the contract."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from integration.server.git_host import DEVFILE, GitHost
from integration.server.harness import Server, events, eventually, serving
from moorage.contract import (
    ActualState,
    Cause,
    ContainerState,
    ContainerStatus,
    DesiredState,
    DesiredWorkspace,
    Stage,
    StageName,
    StageState,
)
from moorage.contract import agent as contract
from moorage.server.settings import Settings
from moorage.server.workspaces.models import Workspace


async def test_creates_a_workspace_from_a_repository(server: Server, repository: str) -> None:
    """A POST reads the devfile and answers with the whole workspace, its links and its stages."""
    answer = await server.post("/workspaces", {"repository": repository, "env": {"LANG": "de"}})
    assert answer.status_code == 201
    workspace = answer.json()
    assert workspace["name"].startswith("workspace-1-1-")
    assert workspace["title"] == "example"
    assert workspace["state"] == "CreationRequested"
    assert workspace["desired"] == "Running"
    assert len(workspace["commit"]) == 40
    assert workspace["devfile_path"] == ".devfile.yaml"
    assert workspace["folder"] == "/projects/example"
    host = f"{workspace['name']}.moorage.localhost:8080"
    assert workspace["url"] == f"http://60001-{host}/?folder=/projects/example"
    assert [(p["port"], p["name"], p["url"]) for p in workspace["ports"]] == [
        (60001, "editor", workspace["url"]),
        (8080, "http-python", f"http://8080-{host}/"),
    ]
    assert [stage["name"] for stage in workspace["stages"]] == [name.value for name in StageName]
    assert workspace["cause"]["code"] == "agent-disconnected"
    assert (await server.get("/workspaces")).json()["items"] == [workspace]
    for name in (workspace["name"], "example"):
        assert (await server.get(f"/workspaces/{name}")).json() == workspace


async def test_a_workspace_is_renamed(server: Server, repository: str) -> None:
    """It has another title at once, for whoever watches too; name, addresses and generation stay.
    What is no title, or is taken, is refused with the field named, and changes nothing."""
    made = (await server.post("/workspaces", {"repository": repository})).json()
    await server.post("/workspaces", {"repository": repository, "name": "taken"})
    path = f"/api/v1/workspaces/{made['name']}"
    async with server.client() as client:
        told = events(client, f"{path}/events")
        assert (await anext(told))[1]["title"] == "example"
        answer = await client.patch(path, json={"title": "shop"})
        assert (answer.status_code, answer.json()["title"]) == (200, "shop")
        assert (await anext(told))[1]["title"] == "shop"
        await told.aclose()
        same = ("name", "url", "folder", "generation", "desired")
        found = (await client.get("/api/v1/workspaces/shop")).json()
        assert {key: found[key] for key in same} == {key: made[key] for key in same}
        for title, status, code in (
            ("taken", 409, "name-taken"),
            ("No Label", 422, "name-invalid"),
            ("workspace-1-2-abc123", 422, "name-reserved"),
        ):
            refused = await client.patch(path, json={"title": title})
            problem = refused.json()
            assert (refused.status_code, problem["code"], problem["field"]) == (
                status,
                code,
                "title",
            )
        assert (await client.patch(path, json={"title": "shop"})).status_code == 200
        assert (await client.get("/api/v1/workspaces/example")).status_code == 404


async def test_requests_that_are_refused(sqlite_server: Server, repository: str) -> None:
    """Each names the field at fault and what would do; nothing is stored."""
    server = sqlite_server
    cases = [
        ({"name": "No Label"}, 422, "name-invalid", "name"),
        ({"name": "events"}, 422, "name-reserved", "name"),
        ({"agent": "nowhere"}, 422, "agent-unknown", "agent"),
        ({"editor": "ed"}, 422, "editor-unknown", "editor"),
        ({"env": {"1": "x"}}, 422, "env-invalid", "env"),
        ({"ref": "-x"}, 422, "ref-invalid", "ref"),
        ({"ref": "nope"}, 422, "ref-not-found", "ref"),
        ({"devfile": "../x"}, 422, "devfile-path-invalid", "devfile"),
        ({"devfile": "x.yaml"}, 422, "devfile-not-found", "devfile"),
        ({"repository": "ext::sh -c id"}, 422, "repository-invalid", "repository"),
        ({"repository": "https://u:p@h/x"}, 422, "repository-password", "repository"),
        ({"repository": "http://169.254.169.254/x"}, 403, "repository-host-denied", "repository"),
    ]
    for body, status, code, field in cases:
        answer = await server.post("/workspaces", {"repository": repository, **body})
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["field"]) == (status, code, field), (
            problem
        )
        assert problem["detail"]
    assert (await server.get("/workspaces")).json() == {"items": []}


async def test_what_a_workspace_will_not_have(sqlite_server: Server, git_host: GitHost) -> None:
    """Files of Git LFS are told of when it is made, with what fetches them; and its main container
    knows whose commits are made in it."""
    lfs = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    files = {".devfile.yaml": DEVFILE, ".gitmodules": "", ".gitattributes": lfs}
    url = git_host.make("left-out", dict(files))
    workspace = (await sqlite_server.post("/workspaces", {"repository": url})).json()
    async with sqlite_server.agent() as agent:
        told = {warning["code"]: warning["hint"] for warning in workspace["warnings"]}
        assert list(told) == ["lfs-not-fetched"]
        assert "git lfs pull" in told["lfs-not-fetched"]
        (desired,) = agent.snapshot.workspaces
        env = desired.spec.containers[0].env
        assert env["MOORAGE_GIT_NAME"] == workspace["owner_name"]
        assert env["MOORAGE_GIT_EMAIL"].endswith("@users.noreply.moorage.localhost")


@pytest.mark.parametrize("files", [None, {"go.mod": "module x\n"}], ids=["empty", "go"])
async def test_a_repository_without_a_devfile(
    sqlite_server: Server, git_host: GitHost, files: dict[str, str | bytes] | None
) -> None:
    """It gets a workspace, whose warning says what it is made from and why."""
    url = git_host.make("bare-empty" if files is None else "bare-go", files)
    answer = await sqlite_server.post("/workspaces", {"repository": url})
    workspace = answer.json()
    assert answer.status_code == 201, workspace
    (warning,) = workspace["warnings"]
    assert warning["code"] == "devfile-default"
    assert ("empty" if files is None else "go.mod says that it is Go") in warning["message"]
    assert (workspace["devfile_path"], bool(workspace["commit"])) == ("", files is not None)
    assert (workspace["ref"], workspace["full_ref"]) == (
        ("", "") if files is None else ("main", "refs/heads/main")
    )


async def test_limits_on_workspaces(folder: Path, repository: str) -> None:
    """One's own and all together; a deleted one counts no longer once it is gone."""
    async with serving(folder, Settings(workspaces_per_user=2, workspaces_total=3)) as server:
        ann, body = await server.user("ann"), {"repository": repository}
        codes = [(await server.post("/workspaces", body)).status_code for _ in range(3)]
        assert codes == [201, 201, 429]
        assert (await server.post("/workspaces", body, ann)).status_code == 201
        refused = await server.post("/workspaces", body, ann)
        assert (refused.json()["code"], refused.json()["limit"]) == ("workspaces-total", 3)
        async with server.agent() as agent:
            name = agent.snapshot.workspaces[0].name
            await server.call("DELETE", f"/api/v1/workspaces/{name}")
            await agent.report(name, 2, ActualState.TERMINATED)

            async def again() -> bool:
                return (await server.post("/workspaces", body)).status_code == 201

            await eventually(again)


async def test_the_agent_is_told_at_once(server: Server, repository: str) -> None:
    """A connected agent has the spec before the answer, or within 50 ms after it; environment and
    proxy address are in it."""
    async with server.agent() as agent:
        assert agent.welcome.agent_id == 1
        assert agent.welcome.agent_name == "local"
        assert agent.snapshot.workspaces == ()
        body = {"repository": repository, "env": {"LANG": "de"}}
        created, change = await asyncio.gather(
            server.post("/workspaces", body), agent.expect(contract.Change)
        )
        workspace = change.workspace
        assert workspace.name == created.json()["name"]
        assert (workspace.generation, workspace.desired) == (1, DesiredState.RUNNING)
        main = workspace.spec.container(workspace.spec.main_container)
        assert main.env["LANG"] == "de"
        assert (
            main.env["VSCODE_PROXY_URI"]
            == f"http://{{{{port}}}}-{workspace.name}.moorage.localhost:8080/"
        )
        assert main.env["MOORAGE_WORKSPACE_PAGE"] == (
            f"http://moorage.localhost:8080/workspaces/{workspace.name}"
        )
        assert workspace.spec.projects[0].url == repository
        delays = []
        for request, desired in (
            ("stop", DesiredState.STOPPED),
            ("start", DesiredState.RUNNING),
        ) * 3:
            told = asyncio.create_task(agent.expect(contract.Change))
            answered = await server.post(f"/workspaces/{workspace.name}/{request}")
            started = time.perf_counter()
            change = await told
            delays.append(time.perf_counter() - started)
            assert answered.status_code == 202
            assert change.workspace.desired is desired
        assert min(delays) < 0.05


async def test_reports_become_state_stages_and_durations(server: Server, repository: str) -> None:
    """What the agent reports is what a person sees, with the server's own two stages in front."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.expect(contract.Change)
        stages = (
            Stage(name=StageName.IMAGE, state=StageState.DONE, started_at=1.0, finished_at=1.5),
            Stage(name=StageName.READY, state=StageState.DONE, started_at=2.0, finished_at=2.0),
        )
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7", stages=stages)

        async def running() -> object:
            found = (await server.get(f"/workspaces/{name}")).json()
            return found if found["state"] == "Running" else None

        found = await eventually(running)
        by_name = {stage["name"]: stage for stage in found["stages"]}
        assert by_name["queued"]["state"] == by_name["received"]["state"] == "done"
        assert by_name["queued"]["duration"] >= 0
        assert by_name["image"]["duration"] == 0.5
        assert by_name["clone"]["state"] == "waiting"
        assert found["cause"] is None
        metrics = (await server.call("GET", "/metrics", None)).text
        assert 'moorage_server_stage_seconds_count{stage="image"} 1.0' in metrics


async def test_an_older_report_changes_nothing(server: Server, repository: str) -> None:
    """A report of an older generation than one already stored is ignored; the same one again does
    no harm."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await server.post(f"/workspaces/{name}/stop")
        await agent.report(name, 2, ActualState.STOPPED)
        await eventually(lambda: _has_state(server, name, "Stopped"))
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")
        await agent.report(name, 2, ActualState.STOPPED)
        await server.post(f"/workspaces/{name}/start")
        await agent.report(name, 3, ActualState.STARTING)
        await eventually(lambda: _has_state(server, name, "Starting"))


async def test_volumes_are_counted_on_until_their_owner_agrees(
    server: Server, repository: str
) -> None:
    """An agent is told of the volumes that it told of, also when they are there no more, until the
    owner starts the workspace with fresh files; a plain start does not mean that."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7", volumes=("",))

        async def told(generation: int, volumes: tuple[str, ...]) -> None:
            while True:
                wanted = (await agent.expect(contract.Change)).workspace
                if (wanted.generation, wanted.volumes) == (generation, volumes):
                    return

        await told(1, ("",))
        await server.post(f"/workspaces/{name}/stop")
        await told(2, ("",))
        await agent.report(name, 2, ActualState.STOPPED)
        await server.post(f"/workspaces/{name}/start")
        await told(3, ("",))
        await agent.report(name, 3, ActualState.FAILED)
        await eventually(lambda: _has_state(server, name, "Failed"))
        await server.post(f"/workspaces/{name}/start?fresh_files=true")
        await told(4, ())
        await agent.report(name, 4, ActualState.RUNNING, address="10.0.0.7", volumes=("",))
        await told(4, ("",))


async def test_a_start_for_repair(server: Server, repository: str) -> None:
    """The agent is told of it, with the image, until the next start or restart of any kind; what it
    says of its run is the workspace's. It ends what runs, as a restart does, and is recorded."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.report(name, 1, ActualState.FAILED)
        await eventually(lambda: _has_state(server, name, "Failed"))

        async def told(generation: int) -> tuple[int, bool, str]:
            while True:
                wanted = (await agent.expect(contract.Change)).workspace
                if wanted.generation == generation:
                    return wanted.restarts, wanted.rescue, wanted.rescue_image

        assert (await server.post(f"/workspaces/{name}/start?rescue=true")).status_code == 202
        assert await told(2) == (1, True, "")
        why = Cause(code="rescue-asked", message="As asked.", hint="Restart it.")
        await agent.report(
            name, 2, ActualState.RUNNING, address="10.0.0.7", rescue=True, trouble=(why,)
        )

        async def runs_for_repair() -> bool:
            found = (await server.get(f"/workspaces/{name}")).json()
            return bool(found["rescue"]) and found["trouble"][0]["code"] == "rescue-asked"

        await eventually(runs_for_repair)
        await server.post(f"/workspaces/{name}/restart")
        assert await told(3) == (2, False, "")
        await server.post(f"/workspaces/{name}/start?rescue=true")
        assert await told(4) == (3, True, "")
        for generation, what in enumerate(("stop", "start"), 5):
            await server.post(f"/workspaces/{name}/{what}")
            assert (await told(generation))[1] is False


async def test_deleted_means_gone_once_the_agent_says_so(server: Server, repository: str) -> None:
    """A deleted workspace is shown until nothing is left of it; then its name is free and the agent
    hears no more of it."""
    async with server.agent() as agent:
        name = (
            await server.post("/workspaces", {"repository": repository, "name": "mine"})
        ).json()["name"]
        deleted = await server.call("DELETE", f"/api/v1/workspaces/{name}")
        assert (deleted.status_code, deleted.json()["desired"]) == (202, "Terminated")
        again = await server.post(f"/workspaces/{name}/start")
        assert (again.status_code, again.json()["code"]) == (409, "workspace-terminating")
        await agent.report(name, 1, ActualState.TERMINATED)
        await agent.report(name, 2, ActualState.TERMINATING)
        await eventually(lambda: _has_state(server, name, "Terminating"))
        await agent.report(name, 2, ActualState.TERMINATED)

        async def gone() -> bool:
            return (await server.get(f"/workspaces/{name}")).status_code == 404

        await eventually(gone)
        assert (await server.get("/workspaces")).json() == {"items": []}
        assert (
            await server.post("/workspaces", {"repository": repository, "name": "mine"})
        ).status_code == 201
    async with server.agent() as agent:
        assert [w.name for w in agent.snapshot.workspaces if w.name == name] == []
        assert len(agent.snapshot.workspaces) == 1


async def test_a_silent_agent_makes_states_unknown(server: Server, repository: str) -> None:
    """A minute after the agent was last heard of, its workspaces are Unknown, and the cause says
    why."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")
        await eventually(lambda: _has_state(server, name, "Running"))
    server.clock.ahead = 45
    assert await _has_state(server, name, "Running")
    server.clock.ahead = 61
    found = (await server.get(f"/workspaces/{name}")).json()
    assert found["state"] == "Unknown"
    assert found["cause"]["message"] == "The agent local is not connected."


async def test_the_same_name_created_twice_at_once(server: Server, repository: str) -> None:
    """Of several requests for the same name, exactly one gets it; without a name, each gets one of
    its own."""
    body = {"repository": repository, "name": "same"}
    answers = await asyncio.gather(*(server.post("/workspaces", body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["code"], refused["field"]) == ("name-taken", "name")
    answers = await asyncio.gather(
        *(server.post("/workspaces", {"repository": repository}) for _ in range(3))
    )
    assert sorted(answer.json()["title"] for answer in answers) == [
        "example",
        "example-2",
        "example-3",
    ]


async def test_events_follow_a_workspace_to_its_end(server: Server, repository: str) -> None:
    """The stream begins with what is, tells each change, and ends when the workspace is gone."""
    async with server.agent() as agent, server.client() as client:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        await agent.expect(contract.Change)
        states = []
        async for event, data in events(client, f"/api/v1/workspaces/{name}/events"):
            assert event == "workspace"
            states.append((data["desired"], data["state"]))
            if len(states) == 1:
                await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")
            elif data["state"] == "Running" and data["desired"] == "Running":
                await server.call("DELETE", f"/api/v1/workspaces/{name}")
            elif data["desired"] == "Terminated":
                await agent.report(name, 2, ActualState.TERMINATED)
        assert states[0] == ("Running", "CreationRequested")
        assert ("Running", "Running") in states
        assert ("Terminated", "Running") in states


async def test_events_of_the_list(server: Server, repository: str) -> None:
    """The list's stream tells what comes, to its owner and nobody else."""
    ann = await server.user("ann")
    async with server.client(ann) as client:
        lists = events(client, "/api/v1/workspaces/events")
        assert await anext(lists) == ("workspaces", {"items": []})
        await server.post("/workspaces", {"repository": repository})
        await server.post("/workspaces", {"repository": repository, "name": "hers"}, ann)
        _, data = await asyncio.wait_for(anext(lists), 5)
        assert [item["title"] for item in data["items"]] == ["hers"]
        await lists.aclose()


async def test_restart_and_retry(server: Server, repository: str) -> None:
    """Restart raises `restarts`; start does so for a failed one, and changes nothing for one that
    runs."""
    async with server.agent() as agent:
        name = (await server.post("/workspaces", {"repository": repository})).json()["name"]
        assert (await server.post(f"/workspaces/{name}/start")).json()["generation"] == 1
        assert (await server.post(f"/workspaces/{name}/restart")).json()["generation"] == 2
        await agent.report(name, 2, ActualState.FAILED)
        await eventually(lambda: _has_state(server, name, "Failed"))
        assert (await server.post(f"/workspaces/{name}/start")).json()["generation"] == 3
        last = None
        while last is None or last.workspace.generation < 3:
            last = await agent.expect(contract.Change)
        assert last.workspace.restarts == 2


async def _has_state(server: Server, name: str, state: str) -> bool:
    return bool((await server.get(f"/workspaces/{name}")).json()["state"] == state)


async def test_a_project_whose_address_is_none(server: Server, git_host: GitHost) -> None:
    """It is refused; and one that was stored all the same keeps nobody's agent from its
    workspaces."""
    text = DEVFILE + "projects: [{name: odd, git: {remotes: {origin: 'https://[x/y'}}}]\n"
    if not (git_host.folder / "odd-project.git").exists():
        git_host.make("odd-project", {".devfile.yaml": text})
    refused = await server.post("/workspaces", {"repository": git_host.url("odd-project")})
    assert refused.status_code == 422, refused.text
    assert refused.json()["problems"][0]["code"] == "bad-project-url"
    name = (await server.post("/workspaces", {"repository": git_host.url("example")})).json()[
        "name"
    ]
    async with server.core.database.write() as session:
        row = await session.scalar(select(Workspace).where(Workspace.name == name))
        assert row is not None
        row.spec = row.spec.replace(f'"url":"{git_host.url("example")}"', '"url":"https://[x/y"')
        assert "https://[x" in row.spec
    async with server.agent() as agent:
        assert [workspace.name for workspace in agent.snapshot.workspaces] == [name]


async def test_a_zone_that_changed(folder: Path, repository: str) -> None:
    """What runs goes on by the spec that it has; a restart, or a start after a stop, takes the zone
    as it is then. An address that the owner set stays, but for that of the workspace's page, which
    the editor opens without asking."""
    own = {
        "VSCODE_PROXY_URI": "https://{{port}}.mine.example.com/",
        "MOORAGE_WORKSPACE_PAGE": "https://elsewhere.example.com/workspaces/x",
    }

    def addresses(*workspaces: DesiredWorkspace) -> dict[str, str]:
        mains = {w.name: w.spec.container(w.spec.main_container) for w in workspaces}
        return {name: main.env["VSCODE_PROXY_URI"] for name, main in mains.items()}

    def pages(*workspaces: DesiredWorkspace) -> dict[str, str]:
        mains = {w.name: w.spec.container(w.spec.main_container) for w in workspaces}
        return {name: main.env["MOORAGE_WORKSPACE_PAGE"] for name, main in mains.items()}

    async with serving(folder, Settings()) as server:
        bodies = ({"repository": repository}, {"repository": repository, "env": own})
        names = [(await server.post("/workspaces", body)).json()["name"] for body in bodies]
        before = {
            names[0]: f"http://{{{{port}}}}-{names[0]}.moorage.localhost:8080/",
            names[1]: own["VSCODE_PROXY_URI"],
        }
        async with server.agent() as agent:
            old = agent.snapshot.workspaces
            assert addresses(*old) == before
            assert pages(*old) == {
                name: f"http://moorage.localhost:8080/workspaces/{name}" for name in names
            }
    async with (
        serving(folder, Settings(zone="dev.example.com", port=80)) as server,
        server.agent() as agent,
    ):
        assert agent.snapshot.workspaces == old
        after = before | {names[0]: f"http://{{{{port}}}}-{names[0]}.dev.example.com/"}
        for request in ("stop", "start"):
            assert (await server.post(f"/workspaces/{names[0]}/{request}")).status_code == 202
            change = await agent.expect(contract.Change)
            assert (
                addresses(change.workspace)[names[0]]
                == (before if request == "stop" else after)[names[0]]
            )
        assert (await server.post(f"/workspaces/{names[1]}/restart")).status_code == 202
        restarted = (await agent.expect(contract.Change)).workspace
        assert addresses(restarted) == {names[1]: after[names[1]]}
        assert pages(restarted) == {names[1]: f"http://dev.example.com/workspaces/{names[1]}"}


async def test_what_its_containers_use(sqlite_server: Server, repository: str) -> None:
    """Each running container is asked, by a command of Moorage's own, when somebody asks; nobody
    else than its owner may; while the agent is away there is nothing to tell."""
    server = sqlite_server
    made = (await server.post("/workspaces", {"repository": repository})).json()
    path = f"/workspaces/{made['name']}/usage"
    async with server.agent() as agent:
        assert (await server.get(path)).json()["containers"] == []
        spec = agent.snapshot.workspaces[0].spec
        container = spec.main_container
        status = ContainerStatus(name=container, image="image", state=ContainerState.RUNNING)
        await agent.report(
            made["name"], 1, ActualState.RUNNING, address="10.0.0.7", containers=(status,)
        )

        async def runs() -> bool:
            now = (await server.get(f"/workspaces/{made['name']}")).json()
            return bool(now["state"] == "Running")

        await eventually(runs)
        asking = asyncio.create_task(server.get(path))
        opened = await agent.expect(contract.OpenExec)
        assert (opened.container, opened.argv[0]) == (container, "/opt/moorage/bin/busybox")
        said = b"memory 300 100 1000\nquota 50000 100000\nkilled 0\ncpu 0 1.00\ncpu 100000 1.50\n"
        await agent.send(contract.ChannelOutput(channel=opened.channel, data=said))
        await agent.send(contract.ChannelExit(channel=opened.channel, code=0))
        (found,) = (await asking).json()["containers"]
        assert (found["memory"], found["memory_limit"]) == (200, 1000)
        assert (found["cpu"], found["cpu_limit"]) == (200, 500)
        ann = await server.user("ann")
        assert (await server.get(path, ann)).status_code == 404
    assert (await server.get(path)).json() == {
        "containers": [],
        "disk_used": None,
        "disk_total": None,
    }
