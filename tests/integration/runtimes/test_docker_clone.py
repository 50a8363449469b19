"""Cloning on a real engine, from a real Git server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from integration.runtimes.git_server import PASSWORD, USER, GitServer, commit, run
from integration.runtimes.worlds import Agent, DockerWorld, desired_of, docker, inspect, simple_spec
from moorage.agent.runtimes.port import ExecRequest
from moorage.contract import Cause, DesiredWorkspace, Project, StageName

pytestmark = pytest.mark.docker


async def sh(agent: Agent, desired: DesiredWorkspace, command: str) -> str:
    """What a command in the main container says."""
    request = ExecRequest(argv=("sh", "-c", command))
    async with agent.runtime.execute(desired.name, request, desired.spec) as session:
        text = b"".join([chunk.data async for chunk in session.output()]).decode()
        assert await session.exit_code() == 0, text
        return text.strip()


async def cloned(world: DockerWorld, *projects: Project) -> tuple[Agent, DesiredWorkspace]:
    agent = await world.agent()
    desired = desired_of(world, spec=simple_spec(world, projects=projects))
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    return agent, desired


async def refused(world: DockerWorld, **fields: object) -> Cause:
    agent = await world.agent()
    project = Project(**{"name": "app", "clone_path": "app", "url": world.repository(), **fields})  # type: ignore[arg-type]
    progress = await agent.start(desired_of(world, spec=simple_spec(world, projects=(project,))))
    assert progress.fault is not None
    return progress.fault


async def test_default_branch(docker_world: DockerWorld) -> None:
    """Without a ref, the remote's default branch is checked out, clean, tracking, and belongs to
    the workspace's user."""
    agent, desired = await cloned(
        docker_world, Project(name="app", clone_path="app", url=docker_world.repository())
    )
    status = await sh(agent, desired, "git status --porcelain --branch")
    assert status == "## main...origin/main"
    assert (
        await sh(agent, desired, "cat hello.txt; stat -c '%u:%g %A' hello.txt")
        == "hello 1\n5001:0 -rw-rw-r--"
    )
    assert (
        await sh(agent, desired, "git rev-list --count HEAD; ls .git/moorage* 2>/dev/null | wc -l")
        == "2\n0"
    )


@pytest.mark.parametrize(
    ("ref", "head"), [("side", "side"), ("v1", "HEAD"), ("commit", "HEAD"), ("short", "HEAD")]
)
async def test_refs(docker_world: DockerWorld, ref: str, head: str) -> None:
    """A branch is checked out as one; a tag or a commit, also an abbreviated one, as a detached
    head."""
    bare = docker_world.git.folder / "app.git"
    first = run("git", "-C", str(bare), "rev-list", "--max-parents=0", "main").strip()
    given = {"commit": first, "short": first[:8]}.get(ref, ref)
    agent, desired = await cloned(
        docker_world,
        Project(name="app", clone_path="app", url=docker_world.repository(), ref=given),
    )
    assert await sh(agent, desired, "git rev-parse --abbrev-ref HEAD") == head
    if ref in ("commit", "short"):
        assert await sh(agent, desired, "git rev-parse HEAD; cat hello.txt") == f"{first}\nhello 0"


@pytest.mark.parametrize(
    ("full_ref", "status"),
    [
        ("refs/heads/both", "## both...origin/both"),
        ("refs/tags/both", "## HEAD (no branch)"),
        ("refs/pull/7/head", "## pull-7"),
        ("refs/merge-requests/8/head", "## merge-request-8"),
        ("refs/notes/any", "## HEAD (no branch)"),
    ],
)
async def test_a_ref_that_the_server_has_looked_up(
    docker_world: DockerWorld, full_ref: str, status: str
) -> None:
    """A branch, a tag of the same name, a merge or pull request: what its full name says is checked
    out, at the commit that its devfile is of, also when the ref has gone on since."""
    bare = docker_world.git.folder / "refs.git"
    if not bare.exists():
        docker_world.git.add("refs", commits=3)
        for name, at in (
            ("refs/heads/both", "main"),
            ("refs/tags/both", "main~1"),
            ("refs/pull/7/head", "main~1"),
            ("refs/merge-requests/8/head", "main~1"),
            ("refs/notes/any", "main~1"),
        ):
            run("git", "-C", str(bare), "update-ref", name, at)
    then = run("git", "-C", str(bare), "rev-parse", f"{full_ref}^{{commit}}").strip()
    before = run("git", "-C", str(bare), "rev-parse", "main~2").strip()
    url = docker_world.url("refs")

    def project(folder: str, commit: str) -> Project:
        return Project(name=folder, clone_path=folder, url=url, full_ref=full_ref, commit=commit)

    gone = project("gone", "1" * 40)
    asked = Project(name="asked", clone_path="asked", url=url, ref=full_ref)
    agent, desired = await cloned(
        docker_world, project("now", then), project("before", before), gone, asked
    )
    said = "for p in now before gone asked; do git -C /projects/$p rev-parse HEAD; done"
    assert (await sh(agent, desired, said)).split() == [then, before, then, then]
    assert (await sh(agent, desired, "git -C /projects/now status -sb | head -1")) == status
    if "pull" in full_ref:
        await sh(agent, desired, "cd /projects/before && git pull -q --ff-only")
        assert await sh(agent, desired, "git -C /projects/before rev-parse HEAD") == then


async def test_several_projects_and_remotes(docker_world: DockerWorld) -> None:
    """Several projects are cloned, each into its folder, with the further remotes that it names."""
    url = docker_world.repository()
    agent, desired = await cloned(
        docker_world,
        Project(
            name="app",
            clone_path="app",
            url=url,
            remote="up",
            remotes={"fork": "https://example.org/f.git"},
        ),
        Project(name="two", clone_path="libs/two", url=url, ref="side"),
    )
    assert (
        await sh(agent, desired, "git remote | sort | tr '\\n' ' '; git status -sb | head -1")
        == "fork up ## main...up/main"
    )
    assert (
        await sh(agent, desired, "git -C /projects/libs/two rev-parse --abbrev-ref HEAD") == "side"
    )


async def test_empty_repository(docker_world: DockerWorld) -> None:
    """A repository without a commit becomes an empty folder with its remote, and the workspace
    runs."""
    agent, desired = await cloned(
        docker_world, Project(name="empty", clone_path="empty", url=docker_world.url("empty"))
    )
    assert await sh(agent, desired, "ls; git remote get-url origin") == docker_world.url("empty")


async def test_no_project(docker_world: DockerWorld) -> None:
    """A workspace without projects runs; its clone stage is skipped."""
    agent, desired = await cloned(docker_world)
    states = {s.name: s.state.value for s in agent.runtime.progress(desired.name).stages}
    assert states[StageName.CLONE] == "skipped"


async def test_private_repository_with_credential(docker_world: DockerWorld) -> None:
    """A credential opens its host's repository; it is in no argument, variable, label or file of
    the workspace."""
    agent, desired = await cloned(
        docker_world,
        Project(
            name="app",
            clone_path="app",
            url=docker_world.url("private-app"),
            credential=docker_world.credential(),
        ),
    )
    for container in ("py", "sandbox"):
        assert PASSWORD not in str(inspect(f"{desired.name}.{container}"))
        assert PASSWORD not in docker("logs", f"{desired.name}.{container}")
    find = f"grep -r -l {PASSWORD} /projects 2>/dev/null | wc -l"
    assert await sh(agent, desired, find) == "0"
    sandbox = f"{desired.name}.sandbox"
    assert (
        docker("exec", sandbox, "sh", "-c", "ls /tmp/moorage/credentials 2>&1 | grep -c 'No such'")
        == "1"
    )


async def test_a_private_repository_is_whole(docker_world: DockerWorld) -> None:
    """Its history, and its other branches, are all there when the credential is gone: nobody who
    works on it is asked for one. `git log -p`, `blame` and `checkout` failed with "could not read
    Username" where the rest was to be fetched on demand."""
    if not (docker_world.git.folder / "private-whole.git").exists():
        docker_world.git.add("private-whole", commits=3)
    agent, desired = await cloned(
        docker_world,
        Project(
            name="app",
            clone_path="app",
            url=docker_world.url("private-whole"),
            credential=docker_world.credential(),
        ),
    )
    assert await sh(agent, desired, "git log -p --all | grep -c '^+hello'") == "3"
    assert await sh(agent, desired, "git blame -s hello.txt | cut -c 10-") == "1) hello 2"
    assert await sh(agent, desired, "git checkout -q origin/side~1 && cat hello.txt") == "hello 1"
    lacking = "git rev-list --objects --all --missing=print | grep -c '^?' || true"
    assert await sh(agent, desired, lacking) == "0"


async def test_whose_commits_they_are(docker_world: DockerWorld) -> None:
    """The workspace's owner's, until they say something else, which then stays."""
    agent = await docker_world.agent()
    spec = simple_spec(docker_world)
    named = {"MOORAGE_GIT_NAME": "Ann Ö", "MOORAGE_GIT_EMAIL": "ann@users.noreply.example.com"}
    main = msgspec.structs.replace(spec.containers[0], env={**spec.containers[0].env, **named})
    spec = msgspec.structs.replace(spec, containers=(main, *spec.containers[1:]))
    desired = desired_of(docker_world, spec=spec)
    assert (await agent.start(desired)).ready
    look = "git config user.name; git config user.email"
    assert await sh(agent, desired, look) == "Ann Ö\nann@users.noreply.example.com"
    await sh(agent, desired, "git config --global user.email mine@example.com")
    docker("restart", "-t", "1", f"{desired.name}.py")
    said = "until git config user.name; do sleep 0.1; done; git config user.email"
    assert (await sh(agent, desired, said)).endswith("mine@example.com")


async def test_credential_is_for_its_host_only(docker_world: DockerWorld) -> None:
    """A credential for another host opens nothing."""
    credential = docker_world.credential()
    elsewhere = type(credential)(host="example.org", username=USER, password=PASSWORD)
    cause = await refused(docker_world, url=docker_world.url("private-app"), credential=elsewhere)
    assert cause.code == "clone-refused"


@pytest.mark.parametrize(
    ("case", "code", "words"),
    [
        ("wrong password", "clone-refused", "refuses to be cloned"),
        ("unknown ref", "ref-not-found", "no branch, tag or commit 'nope'"),
        ("unknown commit", "ref-not-found", "no branch, tag or commit"),
        ("unknown repository", "repository-not-found", "There is no repository at"),
        ("nobody answers", "clone-unreachable", "cannot be reached"),
        ("other scheme", "clone-scheme", "no http, https or ssh address"),
    ],
)
async def test_refusals(docker_world: DockerWorld, case: str, code: str, words: str) -> None:
    """Each kind of refusal has its own cause."""
    fields: dict[str, object] = {
        "wrong password": {
            "url": docker_world.url("private-app"),
            "credential": docker_world.credential("wrong"),
        },
        "unknown ref": {"ref": "nope"},
        "unknown commit": {"ref": "0123456789abcdef0123456789abcdef01234567"},
        "unknown repository": {"url": docker_world.url("nope")},
        "nobody answers": {"url": "http://127.0.0.1:9/app.git"},
        "other scheme": {"url": "ftp://example.org/app.git"},
    }[case]
    cause = await refused(docker_world, **fields)
    assert cause.code == code, cause
    assert words in cause.message


@pytest.mark.parametrize("path", ["../out", "/abs", ".home/x", "-x"])
async def test_folder_outside(docker_world: DockerWorld, path: str) -> None:
    """A project whose folder would lie elsewhere is refused before anything runs."""
    agent = await docker_world.agent()
    project = Project(name="app", clone_path=path, url=docker_world.repository())
    desired = desired_of(docker_world, spec=simple_spec(docker_world, projects=(project,)))
    with pytest.raises(Exception, match="cannot be cloned") as caught:
        await agent.start(desired)
    assert caught.value.cause.code == "project-invalid"  # type: ignore[attr-defined]


async def test_own_work_is_never_touched(docker_world: DockerWorld, git: GitServer) -> None:
    """After a stop and a start, local work and local state of the clone are as they were."""
    agent, desired = await cloned(
        docker_world, Project(name="app", clone_path="app", url=docker_world.repository())
    )
    await sh(
        agent,
        desired,
        "echo mine >>hello.txt; git checkout -q -b work; echo new >new.txt; echo x >~/note",
    )
    before = len(git.requests)
    await agent.runtime.stop(desired.name)
    assert (await agent.start(desired)).ready
    assert (
        await sh(agent, desired, "git status --porcelain -b; cat ~/note")
        == "## work\n M hello.txt\n?? new.txt\nx"
    )
    assert len(git.requests) == before


async def test_killed_clone_is_taken_up(docker_world: DockerWorld, git: GitServer) -> None:
    """A clone whose container is killed at any point is completed by the next start."""
    bare = git.add("large", commits=1)
    work = bare.parent / "large.more"
    run("git", "clone", "-q", str(bare), str(work))
    for number in range(300):
        (work / f"file{number}").write_text(f"{number}\n" * 500)
    commit(work, "many")
    run("git", "-C", str(work), "push", "-q", "origin", "HEAD:main")
    agent = await docker_world.agent()
    project = Project(name="large", clone_path="large", url=docker_world.url("large"))
    desired = desired_of(docker_world, spec=simple_spec(docker_world, projects=(project,)))
    for pause in (0.02, 0.1, 0.2, 0.35):
        await agent.runtime.start(desired, received=1.0)
        await asyncio.sleep(pause)
        docker("kill", f"{desired.name}.sandbox", check=False)
    await agent.hearing.until_true(lambda: _ended(agent, desired))
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    assert (
        await sh(
            agent,
            desired,
            "git status --porcelain | wc -l; ls | wc -l; git fsck 2>&1 | grep -c error || true",
        )
        == "0\n301\n0"
    )


async def _ended(agent: Agent, desired: DesiredWorkspace) -> bool:
    observed = await agent.runtime.observe(desired.name, desired)
    assert observed.run is not None
    return any(c.role == "sandbox" and c.exit_code is not None for c in observed.run.containers)


async def test_volume_without_space(docker_world: DockerWorld) -> None:
    """A volume that is full ends the clone with a cause that says so."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    identity = docker_world.identity
    labels = {
        "app.kubernetes.io/managed-by": "moorage",
        "moorage.dev/installation": identity.installation,
        "moorage.dev/agent": str(identity.agent),
        "moorage.dev/workspace": desired.name,
    }
    flags = [f"--label={name}={value}" for name, value in labels.items()]
    options = [
        "-o",
        "type=tmpfs",
        "-o",
        "device=tmpfs",
        "-o",
        "o=size=48k,uid=5001,gid=0,mode=2775",
    ]
    docker("volume", "create", *flags, *options, desired.name)
    progress = await agent.start(desired)
    assert progress.fault is not None
    assert progress.fault.code == "no-space", progress.fault
    assert "no space left" in progress.fault.message


def test_the_server_is_real(git: GitServer, tmp_path: Path) -> None:
    """The tests' Git server serves a plain clone, so that what they refuse is refused by Git."""
    run("git", "clone", "-q", f"http://127.0.0.1:{git.port}/app.git", str(tmp_path / "app"))
    assert (tmp_path / "app/hello.txt").read_text() == "hello 1\n"
