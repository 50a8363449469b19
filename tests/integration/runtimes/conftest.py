"""Engines and what runs on them, for the runtimes' contract tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from integration.runtimes.git_server import GitServer
from integration.runtimes.registry import EmptyRegistry
from integration.runtimes.worlds import (
    DockerWorld,
    MemoryWorld,
    World,
    docker,
    load_image,
    tools_image,
)
from moorage.kernel.ids import short_id


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    server = GitServer(tmp_path_factory.mktemp("git"))
    server.add("app", commits=2)
    server.add("private-app")
    server.add("empty", commits=0)
    yield server
    server.close()


@pytest.fixture(scope="session")
def registry() -> Iterator[EmptyRegistry]:
    registry = EmptyRegistry()
    yield registry
    registry.close()


@pytest.fixture(scope="session")
def image() -> str:
    """The tools image serves as a developer's image, too: it has a shell and Git."""
    return tools_image()


@pytest.fixture(scope="session")
def crashing_image(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("crashing")
    command = '["sh", "-c", "echo about to fail; exit 3"]'
    (folder / "Dockerfile").write_text(f"FROM {image}\nENTRYPOINT []\nCMD {command}\n")
    name = f"mrtest-crashing:{short_id()}"
    docker("build", "-q", "-t", name, str(folder))
    yield name
    docker("rmi", name)


@pytest.fixture(scope="session")
def bare_image(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Nothing but a static program: an image without glibc."""
    program = tmp_path_factory.mktemp("bare") / "busybox"
    source = docker("create", image, "true")
    docker("cp", f"{source}:/opt/moorage/bin/busybox", str(program))
    docker("rm", source)
    name = f"mrtest-bare:{short_id()}"
    load_image(name, program.read_bytes())
    yield name
    docker("rmi", name)


@pytest.fixture
async def docker_world(
    image: str, crashing_image: str, git: GitServer, registry: EmptyRegistry
) -> AsyncIterator[DockerWorld]:
    world = DockerWorld(image, crashing_image, git, registry)
    yield world
    await world.close()


@pytest.fixture(params=["memory", pytest.param("docker", marks=pytest.mark.docker)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "docker":
        world: World = DockerWorld(
            request.getfixturevalue("image"),
            request.getfixturevalue("crashing_image"),
            request.getfixturevalue("git"),
            request.getfixturevalue("registry"),
        )
    else:
        world = MemoryWorld()
    yield world
    await world.close()
