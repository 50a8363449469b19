"""The history of a private repository comes behind the start, on a real engine, from a real Git
server."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import msgspec
import pytest

from integration.runtimes import attacks
from integration.runtimes.git_server import PASSWORD, GitServer, run
from integration.runtimes.test_clone_attacks import assert_kept, restarted, sh
from integration.runtimes.worlds import Agent, DockerWorld, desired_of, docker, simple_spec
from moorage.contract import DesiredWorkspace, Project, StageName
from moorage.kernel.ids import short_id

pytestmark = pytest.mark.docker

WHOLE = "git rev-parse --is-shallow-repository; git rev-list --count --all; git fsck --no-progress 2>&1 | grep -v dangling; git status --porcelain"


@pytest.fixture
def name(git: GitServer) -> Iterator[str]:
    """A private repository of three commits with a branch and a tag, whose host hands out its
    newest commit at once, and the rest when it is let go."""
    name = f"private-long-{short_id()}"
    bare = git.add(name, commits=3)
    run("git", "-C", str(bare), "update-ref", "refs/heads/old", "main~2")
    run("git", "-C", str(bare), "update-ref", "refs/tags/first", "main~2")
    git.held[f"/{name}"] = Event()
    yield name
    git.held.pop(f"/{name}").set()


async def started(world: DockerWorld, name: str, **fields: str) -> tuple[Agent, DesiredWorkspace]:
    head = run("git", "-C", str(world.git.folder / f"{name}.git"), "rev-parse", "main").strip()
    project = Project(
        name="app",
        clone_path="app",
        url=world.url(name),
        credential=world.credential(),
        **{"full_ref": "refs/heads/main", "commit": head, **fields},
    )
    agent = await world.agent()
    desired = desired_of(world, spec=simple_spec(world, projects=(project,)))
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    return agent, desired


def told(agent: Agent, desired: DesiredWorkspace) -> str:
    stages = agent.runtime.progress(desired.name).stages
    return next(stage.detail for stage in stages if stage.name is StageName.CLONE)


async def test_the_start_does_not_wait_for_the_history(
    docker_world: DockerWorld, git: GitServer, name: str
) -> None:
    """The workspace is ready while the host still holds the history back, and says that it comes;
    nothing in the clone names a credential or a promise. Then all of it is there, beside what was
    done meanwhile, as if it had been cloned whole; and the credential is gone."""
    agent, desired = await started(docker_world, name)
    assert "history is still being fetched" in told(agent, desired)
    assert await sh(agent, desired, "cat hello.txt; git log --oneline | wc -l") == "hello 2\n1"
    work = "git config user.name T; git config user.email t@x; echo mine >mine; git add mine; git commit -qm mine"
    await sh(agent, desired, f"{work}; git tag v1; git branch old; git rev-parse old v1")
    assert_kept(desired)
    git.held[f"/{name}"].set()
    await agent.hearing.until(lambda: told(agent, desired) == "")
    assert await sh(agent, desired, WHOLE) == "false\n4"
    assert (
        await sh(
            agent, desired, "git log -p hello.txt | grep -c ^+hello; git blame -s hello.txt | wc -l"
        )
        == "3\n1"
    )
    assert await sh(agent, desired, "git log --format=%s -1 v1; git log --format=%s -1 first") == (
        "mine\ncommit 0"
    )
    assert await sh(agent, desired, "git checkout -q -B o origin/old; cat hello.txt") == "hello 0"
    ours = "git config --get-regexp 'promisor|partial|credential'; find .git -name '*.keep' -o -name '*.lock'; ls -A /projects/.moorage/history"
    assert await sh(agent, desired, f"{ours}; true") == ""
    assert_kept(desired)
    left = docker(
        "exec", f"{desired.name}.sandbox", "sh", "-c", "ls -A /clone /tmp/moorage/inbox*; true"
    )
    assert left == "/clone:"
    assert PASSWORD not in docker("logs", f"{desired.name}.sandbox")


async def test_a_short_history_is_there_at_once(docker_world: DockerWorld, git: GitServer) -> None:
    """What takes a moment only does not come later: whoever starts with a step that needs it has
    it."""
    name = f"private-short-{short_id()}"
    git.add(name, commits=3)
    agent, desired = await started(docker_world, name)
    assert told(agent, desired) == ""
    assert await sh(agent, desired, WHOLE) == "false\n3"
    assert_kept(desired)


async def test_a_history_that_does_not_come(
    docker_world: DockerWorld, git: GitServer, name: str
) -> None:
    """It is told as trouble, with the reason; a restart tries again, though the folder is
    somebody's by then, and leaves alone what is theirs."""
    git.refused.add(f"/{name}")
    git.held[f"/{name}"].set()
    agent, desired = await started(docker_world, name)

    def troubles() -> list[str]:
        return [cause.code for cause in agent.runtime.progress(desired.name).troubles]

    await agent.hearing.until(lambda: troubles() == ["history-not-fetched"])
    await sh(agent, desired, "echo mine >>hello.txt; git update-ref refs/heads/keep HEAD")
    git.refused.clear()
    desired = await restarted(agent, desired)
    await agent.hearing.until(lambda: told(agent, desired) == "" and not troubles())
    assert (
        await sh(agent, desired, f"{WHOLE}; tail -n1 hello.txt") == "false\n3\n M hello.txt\nmine"
    )
    assert_kept(desired)


async def test_a_branch_that_was_written_anew_meanwhile(
    docker_world: DockerWorld, git: GitServer, name: str
) -> None:
    """The commits that the clone begins with are fetched by themselves where no branch leads to
    them any more."""
    agent, desired = await started(docker_world, name)
    bare = str(git.folder / f"{name}.git")
    run("git", "-C", bare, "update-ref", "refs/heads/main", "refs/heads/old")
    run("git", "-C", bare, "update-ref", "-d", "refs/heads/side")
    run("git", "-C", bare, "update-ref", "-d", "refs/tags/v1")
    git.held[f"/{name}"].set()
    await agent.hearing.until(lambda: told(agent, desired) == "")
    assert await sh(agent, desired, f"{WHOLE}; git log --oneline | wc -l") == "false\n3\n3"


PLANTED = {
    "gone": "rm -rf /projects/app",
    "link": "mv .git /projects/g; ln -s /projects/g .git",
    "packs": "mv .git/objects/pack /projects/p; ln -s /clone .git/objects/pack",
    "refs": "rm -rf .git/packed-refs; ln -s /projects/.home/x .git/packed-refs; ln -s /clone/y .git/packed-refs.lock",
    "own": "git fetch -q --depth=1 /projects/other HEAD; printf '%040d\\n' 7 >>.git/shallow",
    "hooks": f"printf '#!/bin/sh\\n{attacks.LEAK}\\n' >/projects/evil; chmod 755 /projects/evil; {attacks.HOOKS}; git config core.fsmonitor /projects/evil",
}


@pytest.mark.parametrize("how", list(PLANTED))
async def test_what_the_owner_makes_of_the_clone_meanwhile(
    docker_world: DockerWorld, git: GitServer, name: str, how: str
) -> None:
    """A clone that is gone, links in the place of Git's folders and files, another's history, hooks
    and settings: nothing of it is followed, run or replaced, and nobody learns the credential."""
    agent, desired = await started(docker_world, name)
    await sh(
        agent, desired, f"{PLANTED[how]}; ls -la /projects/app/.git >/projects/before 2>&1; true"
    )
    before = len(git.told)
    git.held[f"/{name}"].set()

    def settled() -> bool:
        return told(agent, desired) == "" or bool(agent.runtime.progress(desired.name).troubles)

    await agent.hearing.until(settled)
    assert len(git.told) > before
    assert (
        await sh(agent, desired, "ls -d /projects/leak /projects/.home/x 2>/dev/null; true") == ""
    )
    found = docker("exec", f"{desired.name}.sandbox", "sh", "-c", "ls -A /clone; true")
    assert "pack-" not in found
    if how == "gone":
        assert await sh(agent, desired, "ls -d /projects/app 2>/dev/null; true") in (
            "",
            "/projects/app",
        )
    assert_kept(desired)


async def test_an_agent_of_before_gets_the_whole(docker_world: DockerWorld, git: GitServer) -> None:
    """Steps that come before all else find the history there: so does everybody whose agent does
    not say that it hands a credential over twice."""
    name = f"private-init-{short_id()}"
    git.add(name, commits=3)
    git.held[f"/{name}"] = Event()
    git.held[f"/{name}"].set()
    agent, desired = await started(docker_world, name)
    env = docker("exec", f"{desired.name}.sandbox", "env")
    assert "MOORAGE_HISTORY=behind" in env
    spec = msgspec.structs.replace(
        desired.spec,
        init_containers=(
            msgspec.structs.replace(desired.spec.containers[0], name="i", command=("true",)),
        ),
    )
    again = desired_of(docker_world, spec=spec)
    assert (await agent.start(again)).ready
    assert "MOORAGE_HISTORY" not in docker("exec", f"{again.name}.sandbox", "env")
    assert await sh(agent, again, WHOLE) == "false\n3"
