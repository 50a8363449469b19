"""Submodules on a real engine, from a real Git server: those that can be had are cloned, the others
are told, and no .gitmodules of anybody's makes more of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from integration.runtimes import attacks
from integration.runtimes.git_server import GitServer, run
from integration.runtimes.test_clone_attacks import assert_kept, evil, sh
from integration.runtimes.worlds import (
    Agent,
    DockerWorld,
    bridge_address,
    desired_of,
    docker,
    simple_spec,
)
from moorage.agent.runtimes.port import Progress
from moorage.contract import DesiredWorkspace, Project
from moorage.contract.spec import SubmoduleScope
from moorage.kernel.ids import short_id

__all__ = ["evil"]
pytestmark = pytest.mark.docker


def linked(git: GitServer, name: str, modules: str, *links: str) -> None:
    """A repository with that .gitmodules, and a link at each path to `hello 0` of any repository
    that `GitServer.add` has made. In `modules`, HOST is this machine's address for containers."""
    work = git.add(name).with_suffix(".work")
    text = modules.replace("HOST", f"http://{bridge_address()}:{git.port}")
    (work / ".gitmodules").write_text(text)
    head = run("git", "-C", str(work), "rev-parse", "HEAD").strip()
    push(work, *(f"160000,{head},{link}" for link in links))


def push(work: Path, *links: str) -> None:
    by = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    run("git", "-C", str(work), "add", "--ignore-removal", ".")
    for link in links:
        run("git", "-C", str(work), "update-index", "--add", "--cacheinfo", link)
    run("git", "-C", str(work), *by, "commit", "-q", "-m", "links")
    run("git", "-C", str(work), "push", "-q", "origin", "HEAD:main")


def module(path: str, url: str, name: str = "") -> str:
    return f'[submodule "{name or path}"]\n\tpath = {path}\n\turl = {url}\n'


def point(git: GitServer, name: str, **links: str) -> None:
    """The links of a repository to the newest commits of others, by path."""
    work = (git.folder / f"{name}.git").with_suffix(".work")
    heads = {
        path: run("git", "-C", str(git.folder / f"{other}.git"), "rev-parse", "main").strip()
        for path, other in links.items()
    }
    push(work, *(f"160000,{head},{path}" for path, head in heads.items()))


async def started(
    world: DockerWorld, name: str, scope: SubmoduleScope | None = None
) -> tuple[Agent, DesiredWorkspace, Progress]:
    """`scope`: of the credential; None: there is none."""
    credential = None
    if scope is not None:
        credential = msgspec.structs.replace(world.credential(), submodules=scope)
    project = Project(name="app", clone_path="app", url=world.url(name), credential=credential)
    agent = await world.agent()
    desired = desired_of(world, spec=simple_spec(world, projects=(project,)))
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    return agent, desired, progress


async def test_submodules_are_cloned(docker_world: DockerWorld, git: GitServer) -> None:
    """Also theirs, and by relative URLs; Git sees nothing changed, and works on with them as if it
    had cloned them itself."""
    inner, outer, name = (f"{kind}-{short_id()}" for kind in ("inner", "outer", "super"))
    git.add(inner)
    linked(git, outer, module("deep er/x", f"../{inner}.git", "x"))
    point(git, outer, **{"deep er/x": inner})
    linked(
        git, name, module("libs/o", f"./../{outer}.git") + module("i", f"HOST/{inner}.git", "in/i")
    )
    point(git, name, **{"libs/o": outer, "i": inner})
    agent, desired, progress = await started(docker_world, name)
    assert progress.troubles == ()
    assert (
        await sh(agent, desired, "cat i/hello.txt libs/o/hello.txt 'libs/o/deep er/x/hello.txt'")
        == "hello 0\nhello 0\nhello 0"
    )
    unchanged = "git status --porcelain; git diff-index --quiet HEAD && git diff-files --quiet"
    each = f"git submodule foreach -q --recursive '{unchanged} && git log --oneline -1 | wc -l'"
    assert await sh(agent, desired, f"{unchanged} && {each}") == "1\n1\n1"
    update = "git submodule update --init --recursive && git submodule status --recursive | wc -l"
    assert await sh(agent, desired, update) == "3"
    assert (
        await sh(agent, desired, "cat libs/o/.git; git config submodule.in/i.url")
        == f"gitdir: ../../.git/modules/libs/o\n{docker_world.url(inner)}"
    )


async def test_what_cannot_be_had_is_told(docker_world: DockerWorld, git: GitServer) -> None:
    """A private one, one that is gone and a commit that nobody has take neither the start down nor
    the others away; each is told with its reason, and what to do."""
    name = f"partly-{short_id()}"
    modules = ("private-app", "gone", "app", "empty")
    text = "".join(module(each, f"../{each}.git") for each in modules)
    linked(git, name, text, "private-app", "gone", "empty")
    point(git, name, app="app")
    agent, desired, progress = await started(docker_world, name)
    told = {cause.message.split()[2]: cause for cause in progress.troubles}
    assert sorted(told) == ["empty", "gone", "private-app"]
    assert "private" in told["private-app"].message
    assert "no repository" in told["gone"].message
    assert "has no branch, tag or commit" in told["empty"].message
    assert "submodule update" in told["gone"].hint
    assert {cause.code for cause in progress.troubles} == {"submodule-not-cloned"}
    assert await sh(agent, desired, "cat app/hello.txt; ls -A gone private-app empty") == (
        "hello 1\nempty:\n\ngone:\n\nprivate-app:"
    )


@pytest.mark.parametrize(
    ("scope", "cloned"),
    [("", []), ("folder", ["beside", "below"]), ("host", ["beside", "below", "other"])],
)
async def test_whose_submodules_the_credential_opens(
    docker_world: DockerWorld, git: GitServer, scope: SubmoduleScope, cloned: list[str]
) -> None:
    """By default those that lie beside the repository on its host; another owner's only where the
    operator says so, however the URL is written. It stays in the sandbox, as ever."""
    team, other = f"private-{short_id()}", f"private-{short_id()}"
    for path in (f"{team}/lib", f"{team}/sub/lib", f"{other}/lib"):
        git.add(path)
    urls = {
        "beside": "../lib.git",
        "below": f"HOST/{team}/sub/lib.git",
        "other": f"HOST/{other}/lib.git",
        "up": f"HOST/{team}/../{other}/lib.git",
        "coded": f"HOST/{team}/%2e%2e/{other}/lib.git",
        "twice": f"HOST/{team}/%252e%252e/{other}/lib.git",
        "double": f"HOST/{team}//../{other}/lib.git",
    }
    text = "".join(module(path, url) for path, url in urls.items())
    linked(git, f"{team}/app", text)
    paths = {"beside": f"{team}/lib", "below": f"{team}/sub/lib"}
    point(git, f"{team}/app", **{path: paths.get(path, f"{other}/lib") for path in urls})
    git.told.clear()
    agent, desired, progress = await started(docker_world, f"{team}/app", scope)
    told = {cause.message.split()[2] for cause in progress.troubles}
    assert told == set(urls) - set(cloned)
    assert any(other in path for path in git.told) == (scope == "host")
    found = "for m in */; do [ ! -e $m/hello.txt ] || echo ${m%/}; done"
    assert (await sh(agent, desired, found)).split() == sorted(cloned)
    assert_kept(desired)


HOSTILE = {
    "up": module("up", "../app.git", "../../../up"),
    "named": module("named", "../app.git", "x/../../hooks"),
    "dotgit": module("dotgit", "../app.git", "x/.GIT/y"),
    "option": module("option", "--upload-pack=/projects/evil", "o"),
    "named-option": module("named-option", "../app.git", "-u/projects/evil"),
    "file": module("file", "file:///projects"),
    "plain": module("plain", "/projects/app"),
    "ext": module("ext", "ext::sh -c /projects/evil"),
    "fd": module("fd", "fd::17"),
    "helper": module("helper", "http::ext::sh"),
    "gitp": module("gitp", "git://127.0.0.1/x"),
    "sshopt": module("sshopt", "ssh://-oProxyCommand=/projects/evil/x"),
    "scpopt": module("scpopt", "-oProxyCommand=x:y"),
    "users": module("users", "http://alice:s3cret@HOSTNAME/app.git"),
    "above": module("above", "../../../../../../etc"),
    "inside": module("inside", "../app.git", "good/hooks"),
}


async def test_a_hostile_gitmodules(
    docker_world: DockerWorld, git: GitServer, evil: GitServer
) -> None:
    """Names and paths that lead elsewhere, options and commands in place of URLs, other protocols,
    repositories inside of repositories: none is cloned or run, each is told. A command to update by
    is passed over, and what a submodule itself brings (hooks, attributes) does nothing."""
    name, brings = f"hostile-{short_id()}", f"brings-{short_id()}"
    work = git.add(brings).with_suffix(".work")
    (work / ".gitattributes").write_text("* filter=evil\n")
    (work / "hooks").mkdir()
    (work / "hooks/post-checkout").write_text(f"#!/bin/sh\n{attacks.LEAK}\n")
    (work / "hooks/post-checkout").chmod(0o755)
    push(work)
    commanded = module("good", f"../{brings}.git") + f"\tupdate = !{attacks.LEAK}\n\tignore = all\n"
    rest = "[core]\n\thooksPath = hooks\n\tfsmonitor = /projects/evil\n[include]\n\tpath = /projects/x\n"
    linked(git, name, commanded + "".join(HOSTILE.values()) + rest, *HOSTILE)
    point(git, name, good=brings)
    agent, desired, progress = await started(docker_world, name, "host")
    told = {cause.message.split()[2] for cause in progress.troubles}
    assert told == set(HOSTILE)
    assert await sh(agent, desired, "cat good/hello.txt; ls -A /projects | tr '\\n' ' '") == (
        "hello 0\n.home .moorage app"
    )
    assert (
        await sh(
            agent,
            desired,
            "git config --get-regexp '[.]update|fsmon|include|hooks'; ls .git/modules",
        )
        == "good"
    )
    found = docker(
        "exec", f"{desired.name}.sandbox", "sh", "-c", "ls -A /clone / | grep -c up; true"
    )
    assert found == "0"
    assert_kept(desired, evil)


async def test_other_hosts_learn_no_credential(
    docker_world: DockerWorld, git: GitServer, evil: GitServer
) -> None:
    """A submodule on another host is cloned with nothing, and one whose host sends Git elsewhere
    leads the credential nowhere, whatever the operator allows."""
    name = f"private-{short_id()}"
    evil.add("app")
    away = f"http://{bridge_address()}:{evil.port}"
    git.redirects["/private-moved"] = f"{away}/app"
    text = module("open", f"{away}/app.git") + module("moved", "../private-moved.git")
    linked(git, name, text + module("asks", f"{away}/private-app.git"))
    head = run("git", "-C", str(evil.folder / "app.git"), "rev-parse", "main").strip()
    work = (git.folder / f"{name}.git").with_suffix(".work")
    push(work, *(f"160000,{head},{path}" for path in ("open", "moved", "asks")))
    agent, desired, progress = await started(docker_world, name, "host")
    git.redirects.clear()
    told = {cause.message.split()[2] for cause in progress.troubles}
    assert told == {"moved", "asks"}
    assert await sh(agent, desired, "cat open/hello.txt") == "hello 0"
    assert_kept(desired, evil)
