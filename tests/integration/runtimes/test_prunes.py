"""What an engine's prunes would take of a workspace that does not run.

They would do so on the whole engine; what they would take is what the engine itself calls unused.
"""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from integration.runtimes.worlds import DockerWorld, desired_of, docker, remove_volume, simple_spec
from moorage.agent.runtimes.docker import keeper
from moorage.contract import Volume, VolumeMount

pytestmark = pytest.mark.docker


def ours(world: DockerWorld) -> tuple[str, str]:
    return "--filter", f"label=moorage.dev/installation={world.identity.installation}"


WORKSPACES = ("--filter", "label=moorage.dev/workspace")


def taken_by_prunes(world: DockerWorld) -> set[str]:
    """Of this installation: containers that `docker container prune` takes, and volumes that
    `docker volume prune --all` and `docker system prune --volumes` take, but for the records and
    for what workspaces share, which are made again."""
    ended = [
        flag for state in ("created", "exited", "dead") for flag in ("--filter", f"status={state}")
    ]
    containers = docker("ps", "-a", *ended, *ours(world), "--format", "{{.Names}}").split()
    volumes = docker(
        "volume", "ls", "--filter", "dangling=true", *ours(world), *WORKSPACES, "-q"
    ).split()
    return {*containers, *(volume for volume in volumes if ".record_" not in volume)}


def keepers(world: DockerWorld) -> list[str]:
    return docker("ps", "-q", "--filter", f"label={keeper.KEEPER}", *ours(world)).split()


async def test_a_stopped_workspace_is_in_use(docker_world: DockerWorld) -> None:
    """No prune takes the volumes of a workspace that is stopped, not even one that removes stopped
    containers first: reported by people who lost their work to `docker system prune`."""
    agent = await docker_world.agent()
    spec = simple_spec(docker_world)
    main = msgspec.structs.replace(spec.containers[0], volume_mounts=(VolumeMount("pg", "/pg"),))
    spec = msgspec.structs.replace(spec, containers=(main,), volumes=(Volume(name="pg"),))
    desired, other = desired_of(docker_world, spec=spec), desired_of(docker_world)
    await agent.start(desired)
    await agent.runtime.stop(desired.name)
    assert taken_by_prunes(docker_world) == set()
    assert len(keepers(docker_world)) == 1
    await agent.start(other)
    await agent.runtime.stop(other.name)
    assert taken_by_prunes(docker_world) == set()
    assert len(keepers(docker_world)) == 1, "one container holds all of them"
    await agent.runtime.remove(other.name)
    names = docker("volume", "ls", "-q", *ours(docker_world)).split()
    assert not [name for name in names if name.startswith(other.name)], (
        "it lets go of what is deleted"
    )
    assert taken_by_prunes(docker_world) == set()
    await agent.runtime.remove(desired.name)
    assert not keepers(docker_world), "nothing is left to be held"


async def test_what_holds_the_volumes_comes_back(docker_world: DockerWorld) -> None:
    """The container that holds the volumes is made again when somebody removes it, and found by
    another agent process."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    await agent.start(desired)
    await agent.runtime.stop(desired.name)
    (before,) = keepers(docker_world)
    await agent.close()
    second = await docker_world.agent()
    await second.runtime.stop(desired.name)
    assert keepers(docker_world) == [before]
    docker("rm", "-f", before)

    async with asyncio.timeout(60):
        while not keepers(docker_world):  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.2)
    assert taken_by_prunes(docker_world) == set()
    assert (await second.start(desired)).ready


async def test_a_removed_volume_is_heard_of(docker_world: DockerWorld) -> None:
    """That a volume is gone is told when it goes, and not only at the next start."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    await agent.start(desired)
    await agent.runtime.stop(desired.name)
    await agent.runtime.observe(desired.name, desired)
    agent.hearing.changes.clear()
    remove_volume(desired.name)
    await agent.hearing.until(lambda: desired.name in agent.hearing.changes)
    assert not (await agent.runtime.observe(desired.name, desired)).volumes
