"""A real cluster, and what runs on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cluster import clusters
from cluster.clusters import ROOT, Cluster, OwnCluster, run
from cluster.figures import FIGURES
from cluster.mending import mend
from cluster.worlds import KubernetesWorld
from integration.runtimes.git_server import GitServer
from integration.runtimes.registry import EmptyRegistry
from integration.runtimes.worlds import docker, tools_image
from integration.server.postgres import Postgres
from moorage.kernel.ids import short_id

CRASH = '["sh", "-c", "echo about to fail; exit 3"]'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here needs a cluster, and the time that it takes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of this run."""
    if lines := FIGURES.table():
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    server = GitServer(tmp_path_factory.mktemp("git"))
    server.add("app", commits=2)
    server.add("private-app")
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
    folder = tmp_path_factory.mktemp("crashing")
    (folder / "Dockerfile").write_text(f"FROM {image}\nENTRYPOINT []\nCMD {CRASH}\n")
    name = f"mrtest-crashing:{short_id()}"
    docker("build", "-q", "-t", name, str(folder))
    yield name
    docker("rmi", name)


@pytest.fixture(scope="session")
def cluster(image: str, crashing_image: str) -> Iterator[Cluster]:
    cluster = clusters.chosen()
    cluster.up()
    try:
        cluster.load(image, crashing_image)
        yield cluster
    finally:
        cluster.down()


@pytest.fixture(autouse=True)
def mended(cluster: Cluster) -> None:
    """The cluster's own processes run when a test begins, whatever the one before did to them."""
    if isinstance(cluster, OwnCluster):
        mend(cluster)


@pytest.fixture(scope="session")
def own_images(cluster: Cluster, image: str) -> dict[str, str]:
    """Moorage's own images, on the nodes as everything that its chart installs: part → name."""
    tags = run(ROOT / "scripts/moorage-images").split()
    cluster.load(*tags, "moorage/python-workspace:latest")
    return {"tools": image} | {tag.removeprefix("moorage/").partition(":")[0]: tag for tag in tags}


@pytest.fixture(scope="module")
def postgres(cluster: Cluster) -> Iterator[Postgres]:
    """A database server beside the cluster."""
    server = Postgres(listen=cluster.address())
    yield server
    server.stop()


@pytest.fixture
async def world(
    cluster: Cluster, image: str, crashing_image: str, git: GitServer, registry: EmptyRegistry
) -> AsyncIterator[KubernetesWorld]:
    world = KubernetesWorld(cluster, image, crashing_image, git, registry)
    async with world.client:
        yield world
    await world.close()
