"""A devfile that changes after a workspace was made from it: it is told, shown, and taken when
somebody agrees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from integration.server.git_host import DEVFILE, GitHost
from integration.server.harness import ORIGIN, Server, counted, eventually, serving
from moorage.contract import ActualState, DesiredState
from moorage.contract import agent as contract
from moorage.server.audit.models import AuditEntry
from moorage.server.settings import Settings
from moorage.server.sharing.models import Grant
from moorage.server.workspaces.looks import OFTEN, SELDOM
from moorage.server.workspaces.models import Workspace

OTHER = DEVFILE.replace("python-workspace:latest", "python-workspace:2") + (
    "        - name: metrics\n          targetPort: 9090\n"
)
BROKEN = DEVFILE.replace("components:", "components:\n  - nam: x")
_counter: Iterator[int] = iter(range(1000))


class Made:
    """A repository, and a workspace of it."""

    def __init__(self, server: Server, host: GitHost) -> None:
        self.server, self.host = server, host
        self.repository = f"rebuilt-{next(_counter)}"
        self.url = ""
        self.made: dict[str, Any] = {}

    async def create(self, files: dict[str, str | bytes] | None = None, **body: Any) -> Made:
        self.url = self.host.make(self.repository, files or {".devfile.yaml": DEVFILE})
        answer = await self.server.post("/workspaces", {"repository": self.url, **body})
        assert answer.status_code == 201, answer.text
        self.made = answer.json()
        return self

    @property
    def path(self) -> str:
        return f"/workspaces/{self.made['name']}"

    def push(self, files: dict[str, str | bytes], branch: str = "main") -> str:
        return self.host.commit(self.repository, files, branch)

    async def look(self) -> dict[str, Any]:
        """As `moor show` sees it."""
        self.server.clock.ahead += OFTEN
        found: dict[str, Any] = (await self.server.get(f"{self.path}?look=true")).json()
        return found

    async def proposed(self, query: str = "") -> dict[str, Any]:
        answer = await self.server.get(f"{self.path}/rebuild{query}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def rebuild(self, digest: str, **body: Any) -> Any:
        return await self.server.post(f"{self.path}/rebuild", {"digest": digest, **body})


@pytest.fixture
async def made(sqlite_server: Server, git_host: GitHost) -> Made:
    return Made(sqlite_server, git_host)


async def test_a_pushed_devfile_is_told_and_taken(server: Server, git_host: GitHost) -> None:
    """Whoever looks at it is told that it has changed; a rebuild shows what changes, restarts it
    with just that, and keeps what its owner has set."""
    made = await Made(server, git_host).create(env={"TOKEN": "hidden-value"})
    assert (await made.look())["devfile_changed"] is False
    commit = made.push({".devfile.yaml": OTHER})
    seen = await made.look()
    assert seen["devfile_changed"] is True
    assert seen["devfile_look"]["commit"] == commit
    assert seen["devfile_look"]["error"] is None

    shown = await made.proposed()
    said = [change["message"] for change in shown["changes"]]
    assert said == [
        "Container py has the image registry.example.com/python-workspace:2 instead of"
        " registry.example.com/python-workspace:latest.",
        "Port 9090 (metrics) is new.",
    ]
    assert "+      image: registry.example.com/python-workspace:2" in shown["diff"]
    assert shown["restarts"] is True
    assert "hidden-value" not in json.dumps(shown)

    async with server.agent() as agent:
        answer = await made.rebuild(shown["digest"])
        assert answer.status_code == 202, answer.text
        [told] = (await agent.expect(contract.Change),)
        spec = told.workspace.spec
        assert told.workspace.restarts == 1
        assert spec.container("py").image.endswith(":2")
        assert spec.container("py").env["TOKEN"] == "hidden-value"
    after = answer.json()
    assert (after["devfile_changed"], after["commit"]) == (False, commit)
    assert [port["port"] for port in after["ports"]] == [60001, 8080, 9090]
    assert after["folder"] == made.made["folder"]
    assert (await made.look())["devfile_changed"] is False
    async with server.core.database.read() as session:
        entry = await session.scalar(
            select(AuditEntry).where(AuditEntry.action == "rebuild-workspace")
        )
    assert entry is not None
    assert entry.detail == f".devfile.yaml of main at {commit[:12]}"


async def test_starting_takes_nothing_by_itself(made: Made) -> None:
    """Restart, stop and start keep the devfile that it has, and have looked whether there is
    another."""
    await made.create()
    made.push({".devfile.yaml": OTHER})
    for request in ("restart", "stop", "start"):
        made.server.clock.ahead += OFTEN
        assert (await made.server.post(f"{made.path}/{request}")).status_code == 202

        async def told() -> bool:
            found = (await made.server.get("/workspaces")).json()["items"][0]
            return bool(found["devfile_changed"])

        await eventually(told)
    found = (await made.server.get(made.path)).json()
    assert [port["port"] for port in found["ports"]] == [60001, 8080]
    assert found["commit"] == made.made["commit"]


async def test_a_stopped_one_stays_stopped(made: Made) -> None:
    """It is made anew at its next start, and how long it has been stopped goes on being counted."""
    await made.create()
    await made.server.post(f"{made.path}/stop")
    made.push({".devfile.yaml": OTHER})
    async with made.server.core.database.read() as session:
        [stopped_at] = await session.scalars(select(Workspace.stopped_at))
    shown = await made.proposed()
    assert shown["restarts"] is False
    after = (await made.rebuild(shown["digest"])).json()
    assert (after["desired"], after["generation"]) == ("Stopped", 3)
    async with made.server.core.database.read() as session:
        [row] = await session.scalars(select(Workspace))
    assert (row.stopped_at, row.restarts) == (stopped_at, 0)
    async with made.server.agent() as agent:
        [known] = agent.snapshot.workspaces
        assert known.desired is DesiredState.STOPPED
        assert known.spec.container("py").image.endswith(":2")


async def test_one_that_is_being_repaired(made: Made) -> None:
    """What is repaired in the place of its own environment is tried by the new devfile."""
    await made.create()
    await made.server.post(f"{made.path}/start?rescue=true")
    made.push({".devfile.yaml": OTHER})
    shown = await made.proposed()
    await made.rebuild(shown["digest"])
    async with made.server.agent() as agent:
        [known] = agent.snapshot.workspaces
        assert (known.rescue, known.restarts) == (False, 2)


async def test_what_was_not_shown_is_not_taken(made: Made) -> None:
    """A devfile that changes between looking and agreeing is asked for again; a commit that changes
    something else is no reason to."""
    await made.create()
    made.push({".devfile.yaml": OTHER})
    shown = await made.proposed()
    made.push({"README.md": "y"})
    assert (await made.proposed())["digest"] == shown["digest"]
    made.push({".devfile.yaml": OTHER.replace(":2", ":3")})
    refused = await made.rebuild(shown["digest"])
    assert (refused.status_code, refused.json()["code"]) == (409, "devfile-changed")
    assert (await made.server.get(made.path)).json()["generation"] == 1
    again = await made.proposed()
    assert (await made.rebuild(again["digest"])).status_code == 202
    # Agreed to once: another one that was shown the same has to look again.
    twice = await made.rebuild(again["digest"])
    assert (twice.status_code, twice.json()["code"]) == (409, "devfile-changed")
    assert (await made.server.post(f"{made.path}/rebuild", {})).status_code == 422


async def test_nothing_new_changes_nothing(made: Made) -> None:
    """Where nothing differs, agreeing restarts nothing."""
    await made.create()
    made.push({"README.md": "y"})
    shown = await made.proposed()
    assert (shown["changed"], shown["changes"], shown["diff"]) == (False, [], "")
    assert (await made.rebuild(shown["digest"])).json()["generation"] == 1


async def test_a_devfile_that_cannot_be_used(made: Made) -> None:
    """It is told with line and column, and the workspace stays as it is."""
    await made.create()
    before = (await made.server.get(made.path)).json()
    made.push({".devfile.yaml": BROKEN})
    refused = await made.server.get(f"{made.path}/rebuild")
    assert (refused.status_code, refused.json()["code"]) == (422, "devfile-invalid")
    assert {problem["line"] for problem in refused.json()["problems"]} == {3}
    assert (await made.rebuild("x")).status_code == 422
    seen = await made.look()
    assert seen["devfile_look"]["error"]["code"] == "devfile-invalid"
    assert "line 3, column 5" in seen["devfile_look"]["error"]["message"]
    assert (seen["generation"], seen["ports"]) == (before["generation"], before["ports"])
    made.push({".devfile.yaml": DEVFILE})
    seen = await made.look()
    assert (seen["devfile_changed"], seen["devfile_look"]["error"]) == (False, None)


async def test_a_repository_that_cannot_be_read(made: Made) -> None:
    """Why is told; what was known before still is, and the workspace starts and stops."""
    await made.create()
    made.push({".devfile.yaml": OTHER})
    assert (await made.look())["devfile_changed"] is True
    bare = made.host.folder / f"{made.repository}.git"
    bare.rename(bare.with_suffix(".away"))
    seen = await made.look()
    assert seen["devfile_look"]["error"]["code"] == "repository-not-found"
    assert seen["devfile_changed"] is True
    assert (await made.server.get(f"{made.path}/rebuild")).status_code in {404, 422}
    for request in ("restart", "stop", "start"):
        assert (await made.server.post(f"{made.path}/{request}")).status_code == 202


async def test_another_ref(made: Made) -> None:
    """The devfile of that ref is taken and followed from then on; that the clone stays where it is
    is told, with what to do."""
    await made.create()
    commit = made.push({".devfile.yaml": OTHER}, branch="other")
    assert (await made.look())["devfile_changed"] is False
    shown = await made.proposed("?ref=other")
    assert (shown["ref"], shown["commit"]) == ("other", commit)
    [stays] = [warning for warning in shown["warnings"] if warning["code"] == "clone-stays"]
    assert "made from main" in stays["message"]
    assert "git fetch origin && git switch other" in stays["hint"]
    missing = await made.server.get(f"{made.path}/rebuild?ref=none")
    assert (missing.status_code, missing.json()["field"]) == (422, "ref")

    wrong = await made.rebuild(shown["digest"])  # of the branch that it had
    assert wrong.json()["code"] == "devfile-changed"
    after = (await made.rebuild(shown["digest"], ref="other")).json()
    assert (after["ref"], after["folder"]) == ("other", made.made["folder"])
    assert after["warnings"][0]["code"] == "clone-stays"
    made.push({".devfile.yaml": DEVFILE}, branch="other")
    assert (await made.look())["devfile_changed"] is True
    # Where its files are lost, it is cloned anew, and from there.
    await made.server.post(f"{made.path}/stop")
    fresh = (await made.server.post(f"{made.path}/start?fresh_files=true")).json()
    assert "clone-stays" not in [warning["code"] for warning in fresh["warnings"]]
    same = await made.proposed()
    assert "clone-stays" not in [warning["code"] for warning in same["warnings"]]
    back = await made.proposed("?ref=")
    assert back["ref"] == "main"
    assert "made from other" in back["warnings"][0]["message"]


async def test_another_path(made: Made) -> None:
    """A devfile at another path of the repository is taken when it is named."""
    await made.create()
    made.push({"backend/devfile.yaml": OTHER})
    shown = await made.proposed("?devfile=backend/devfile.yaml")
    after = await made.rebuild(shown["digest"], devfile="backend/devfile.yaml")
    assert after.json()["devfile_path"] == "backend/devfile.yaml"
    assert (await made.look())["devfile_changed"] is False


async def test_a_folder_of_the_address_stays(made: Made) -> None:
    """What the address of a page named is looked at again, at another ref too."""
    made.repository = f"team/folder-{next(_counter)}"
    url = made.host.make(
        made.repository, {".devfile.yaml": DEVFILE, "web/.devfile.yaml": OTHER}
    ).removesuffix(".git")
    answer = await made.server.post("/workspaces", {"repository": f"{url}/tree/main/web"})
    made.made = answer.json()
    assert made.made["devfile_path"] == "web/.devfile.yaml"
    assert (await made.look())["devfile_changed"] is False
    made.push({"web/.devfile.yaml": DEVFILE}, branch="other")
    shown = await made.proposed("?ref=other")
    assert (shown["ref"], shown["devfile_path"]) == ("other", "web/.devfile.yaml")


async def test_a_parent_that_changes(folder: Path, tmp_path: Path, git_host: GitHost) -> None:
    """What a devfile inherits counts, too."""
    base = tmp_path / "registry/base/1.0.0/devfile.yaml"
    base.parent.mkdir(parents=True)
    base.write_text(DEVFILE)
    child = "schemaVersion: 2.2.0\nparent: {id: base, version: 1.0.0}\n"
    async with serving(folder, Settings(devfile_registry=str(tmp_path / "registry"))) as server:
        made = await Made(server, git_host).create({".devfile.yaml": child})
        assert (await made.look())["devfile_changed"] is False
        base.write_text(OTHER)
        assert (await made.look())["devfile_changed"] is True
        shown = await made.proposed()
        assert "Port 9090 (metrics) is new." in [c["message"] for c in shown["changes"]]


async def test_an_administrators_default_that_changes(folder: Path, git_host: GitHost) -> None:
    """A repository without a devfile follows the default; one that gets its own has changed."""
    first = await _default_made(folder, git_host, DEVFILE)
    async with serving(folder, Settings(default_devfile=OTHER)) as server:
        first.server, server.clock.ahead = server, SELDOM
        assert (await first.look())["devfile_changed"] is True
        shown = await first.proposed()
        assert shown["devfile_path"] == ""
        await first.rebuild(shown["digest"])
        first.push({"devfile.yaml": DEVFILE})
        assert (await first.look())["devfile_changed"] is True
        assert (await first.proposed())["devfile_path"] == "devfile.yaml"


async def _default_made(folder: Path, git_host: GitHost, default: str) -> Made:
    async with serving(folder, Settings(default_devfile=default)) as server:
        made = await Made(server, git_host).create({"README.md": "x"})
        assert (await made.look())["devfile_changed"] is False
        return made


async def test_a_devcontainer_that_changes(made: Made) -> None:
    """A devcontainer.json counts as a devfile does; what means the same is no change."""
    await made.create({".devcontainer.json": '{"image": "example.com/a:1"}'})
    made.push({".devcontainer.json": '{\n  // as before\n  "image": "example.com/a:1"}'})
    assert (await made.look())["devfile_changed"] is False
    made.push({".devcontainer.json": '{"image": "example.com/a:2"}'})
    assert (await made.look())["devfile_changed"] is True


async def test_looks_are_few(made: Made) -> None:
    """However often it is asked for, the repository is read once in a while; and never while the
    database waits."""
    await made.create()
    made.push({".devfile.yaml": OTHER})
    requests = len(made.host.headers)
    with counted(made.server) as statements:
        for _ in range(20):
            await made.server.get(made.path)
    assert len(made.host.headers) == requests
    assert not [s for s in statements if s.startswith("UPDATE")]
    made.server.clock.ahead += SELDOM
    for _ in range(20):
        await made.server.get(made.path)

    async def told() -> bool:
        return bool((await made.server.get(made.path)).json()["devfile_changed"])

    await eventually(told)
    once = len(made.host.headers) - requests
    made.server.clock.ahead += OFTEN
    await made.server.get(f"{made.path}?look=true")
    assert len(made.host.headers) - requests == 2 * once


@pytest.mark.parametrize("kept", ["its devfile", "nothing"])
async def test_a_workspace_of_an_earlier_version(made: Made, kept: str) -> None:
    """What nobody kept is told from what was: its devfile has not changed until it does, and the
    variables that its owner set stay. Of one that was adopted, not even the devfile is there."""
    await made.create(env={"TOKEN": "hidden-value"})
    async with made.server.core.database.write() as session:
        lost = {"asked": "", "flat": "", "looked_at": None}
        lost |= {"devfile": ""} if kept == "nothing" else {}
        await session.execute(update(Workspace).values(lost))
    assert (await made.look())["devfile_changed"] is False
    assert (await made.proposed())["changed"] is False
    made.push({".devfile.yaml": OTHER})
    assert (await made.look())["devfile_changed"] is True
    shown = await made.proposed()
    assert {change["what"] for change in shown["changes"]} == {"container", "port"}
    await made.rebuild(shown["digest"])
    async with made.server.agent() as agent:
        [known] = agent.snapshot.workspaces
        assert known.spec.container("py").env["TOKEN"] == "hidden-value"


async def test_who_may(made: Made) -> None:
    """Its owner alone; others are told nothing of the devfile but whether it has changed, and have
    nothing read."""
    await made.create()
    made.push({".devfile.yaml": BROKEN})
    await made.look()
    ann = await made.server.user("ann")
    boss = await made.server.user("boss", "administrator")
    body = {"digest": "x"}
    for token, status in ((ann, 404), (boss, 403)):
        assert (await made.server.get(f"{made.path}/rebuild", token)).status_code == status
        answer = await made.server.post(f"{made.path}/rebuild", body, token)
        assert answer.status_code == status
    assert (await made.server.get(made.path, boss)).json()["devfile_look"] is None
    requests = len(made.host.headers)
    made.server.clock.ahead += SELDOM
    await made.server.get(f"{made.path}?look=true", boss)
    assert len(made.host.headers) == requests


async def test_routes_and_grants_follow_the_ports(made: Made) -> None:
    """A grant of a port that is no longer named ends with it; others stay. Gateways hear of both,
    and of a port that speaks TLS from now on."""
    await made.create()
    await made.server.user("ann")
    async with made.server.core.database.write() as session:
        [row] = await session.scalars(select(Workspace))
        for port in (0, 8080, 5005):
            session.add(Grant(user_id=2, workspace_id=row.id, port=port, created_at=0.0))
    other = DEVFILE.replace("targetPort: 8080", "targetPort: 8443\n          protocol: https")
    made.push({".devfile.yaml": other})
    async with made.server.gateway() as gateway, made.server.agent() as agent:
        name = made.made["name"]
        await agent.report(name, 1, ActualState.RUNNING, address="10.1.2.3")
        shown = await made.proposed()
        assert (await made.rebuild(shown["digest"])).status_code == 202
        await gateway.until(
            lambda table: (
                [route.tls_ports for route in table.routes] == [(8443,)]
                and {grant.port for grant in table.grants} == {0, 5005}
            )
        )


async def test_the_page(made: Made) -> None:
    """It shows the difference and takes it by a form; what is wrong stands beside the devfile's
    lines, and one that has changed again is shown again."""
    await made.create()
    cookie = {"moorage": await made.server.session("admin")}
    page = f"/workspaces/{made.made['name']}/rebuild"
    async with made.server.client(None, cookies=cookie, headers={"Origin": ORIGIN}) as client:
        assert "Nothing has changed" in (await client.get(page)).text
        made.push({".devfile.yaml": OTHER})
        shown = (await client.get(page)).text
        assert "Port 9090 (metrics) is new." in shown
        assert "diff-added" in shown
        digest = re.findall(r'name="digest" value="([0-9a-f]+)"', shown)[0]
        made.push({".devfile.yaml": OTHER.replace(":2", ":3")})
        again = await client.post(page, data={"digest": digest, "ref": "", "devfile": ""})
        assert again.status_code == 409
        assert "no longer what was shown" in again.text
        assert "python-workspace:3" in again.text
        made.push({".devfile.yaml": BROKEN})
        wrong = await client.get(page)
        assert wrong.status_code == 422
        assert "line-wrong" in wrong.text
        missing = await client.get(f"{page}?ref=none")
        assert missing.status_code == 422
        assert 'id="ref-error"' in missing.text
        made.push({".devfile.yaml": OTHER})
        shown = (await client.get(page)).text
        digest = re.findall(r'name="digest" value="([0-9a-f]+)"', shown)[0]
        done = await client.post(page, data={"digest": digest})
        assert done.headers["location"].endswith("?done=rebuilt")
        assert (await client.get(done.headers["location"])).status_code == 200


async def test_one_that_is_being_deleted(made: Made) -> None:
    """Nothing is made anew of it."""
    await made.create()
    await made.server.call("DELETE", f"/api/v1{made.path}")
    refused = await made.server.get(f"{made.path}/rebuild")
    assert (refused.status_code, refused.json()["code"]) == (409, "workspace-terminating")
