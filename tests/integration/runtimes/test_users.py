"""The name, home and shell of the user that programs of a workspace run as, on Docker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from integration.runtimes.test_contract import said
from integration.runtimes.worlds import Agent, DockerWorld, desired_of, docker, simple_spec
from moorage.agent.runtimes.port import ExecRequest
from moorage.contract import Container, DesiredWorkspace
from moorage.kernel.ids import short_id

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def nameless(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image as most are: Debian's, in which nobody is 5001."""
    folder: Path = tmp_path_factory.mktemp("nameless")
    line = "sed -i /5001/d /etc/passwd && chmod 644 /etc/passwd /etc/group"
    (folder / "Dockerfile").write_text(f"FROM {image}\nUSER 0\nRUN {line}\n")
    name = f"mrtest-nameless:{short_id()}"
    docker("build", "-q", "-t", name, str(folder))
    yield name
    docker("rmi", name)


@pytest.fixture(scope="module")
def linked(nameless: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image whose file is a symbolic link, as those of Nix are."""
    folder: Path = tmp_path_factory.mktemp("linked")
    line = "mv /etc/passwd /opt/users && ln -s ../opt/users /etc/passwd"
    (folder / "Dockerfile").write_text(f"FROM {nameless}\nRUN {line}\n")
    name = f"mrtest-linked:{short_id()}"
    docker("build", "-q", "-t", name, str(folder))
    yield name
    docker("rmi", name)


async def sh(agent: Agent, desired: DesiredWorkspace, line: str, container: str = "") -> str:
    request = ExecRequest(argv=("sh", "-c", f"{line} 2>&1"), container=container)
    async with agent.runtime.execute(desired.name, request) as session:
        return said([chunk async for chunk in session.output()], "stdout").decode().rstrip()


async def test_programs_know_their_user(
    docker_world: DockerWorld, nameless: str, linked: str, bare_image: str
) -> None:
    """ssh ("No user exists for uid 5001"), id and git find a name, a home and a shell in any image,
    with glibc or without, and with no such files at all; and in every container."""
    agent = await docker_world.agent()
    sides = (
        Container(name="linked", image=linked, override_command=True),
        Container(name="db", image=nameless, command=("sleep", "infinity"), mount_sources=False),
        Container(name="bare", image=bare_image, override_command=True),
    )
    main = Container(name="py", image=nameless, override_command=True)
    spec = simple_spec(docker_world, containers=(main, *sides))
    desired = desired_of(docker_world, spec=spec)
    assert (await agent.start(desired)).ready
    assert await sh(agent, desired, "id -un; id -gn") == "moorage\nroot"
    assert (await sh(agent, desired, "ssh -G example.org | head -n 1")).startswith("host ")
    row = "moorage:*:5001:0:Moorage:{}:{}"
    for container, home, shell in (
        ("py", "/projects/.home", "/bin/bash"),
        ("linked", "/projects/.home", "/bin/bash"),
        ("db", "/", "/bin/bash"),
        ("bare", "/projects/.home", "/bin/sh"),
    ):
        found = await sh(agent, desired, "tail -n 1 /etc/passwd; id -un", container)
        assert found == f"{row.format(home, shell)}\nmoorage", container
    assert await sh(agent, desired, "stat -c '%a %U' /etc/passwd; wc -l < /etc/group") == (
        await sh(agent, desired, "echo 644 root; wc -l < /etc/group")
    )
    # The file is the container's own: a package that adds a user puts another in its place.
    change = "cp /etc/passwd /etc/passwd+ && echo db:x:7:7::/: >>/etc/passwd+ && mv /etc/passwd+ /etc/passwd"
    docker("exec", "-u", "0", f"{desired.name}.py", "sh", "-c", change)
    assert "db:x:7" in await sh(agent, desired, "getent passwd db")


async def test_an_image_keeps_its_own_user(docker_world: DockerWorld) -> None:
    """Where the image has an entry already, that is the one; and a container that is started again
    keeps what was added meanwhile."""
    agent = await docker_world.agent()
    side = Container(name="side", image=docker_world.image, override_command=True)
    spec = simple_spec(docker_world)
    desired = desired_of(
        docker_world, spec=msgspec.structs.replace(spec, containers=(*spec.containers, side))
    )
    assert (await agent.start(desired)).ready
    before = docker("run", "--rm", "--entrypoint", "cat", docker_world.image, "/etc/passwd")
    assert await sh(agent, desired, "cat /etc/passwd") == before
    await sh(agent, desired, "echo other:x:7:7::/: >>/etc/passwd", "side")
    docker("stop", f"{desired.name}.side")
    await agent.start(desired)
    assert await sh(agent, desired, "tail -n 1 /etc/passwd", "side") == "other:x:7:7::/:"
