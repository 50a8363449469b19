"""A server on each database, PostgreSQL, and a Git host."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from integration.server.git_host import DEVFILE, GitHost
from integration.server.harness import Server, serving
from integration.server.postgres import Postgres
from moorage.kernel import log
from moorage.server.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def _plain_log() -> None:
    """As the server's own: structlog's default draws tracebacks, which takes seconds."""
    log.configure("server")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """The setting `database`: SQLite's, then PostgreSQL's."""
    if request.param == "sqlite":
        return ""
    return str(request.getfixturevalue("postgres").new_database())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as Unix sockets need it."""
    path = Path(tempfile.mkdtemp(prefix="moorage-srv-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
async def server(folder: Path, database: str) -> AsyncIterator[Server]:
    async with serving(folder, Settings(database=database)) as running:
        yield running


@pytest.fixture
async def sqlite_server(folder: Path) -> AsyncIterator[Server]:
    """For what has nothing to do with the database."""
    async with serving(folder, Settings()) as running:
        yield running


@pytest.fixture(scope="session")
def git_host() -> Iterator[GitHost]:
    host = GitHost()
    host.make("example", {".devfile.yaml": DEVFILE, "README.md": "x"})
    yield host
    host.stop()


@pytest.fixture
def repository(git_host: GitHost) -> str:
    """The URL of a repository with a devfile."""
    return git_host.url("example")
