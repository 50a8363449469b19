"""An agent process between a server that speaks the contract and an engine."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.agent.fake_server import FakeServer
from integration.agent.process import AgentProcess
from integration.runtimes.git_server import GitServer
from integration.runtimes.worlds import remove_everything_of, tools_image
from moorage.agent.runtimes.port import Identity
from moorage.kernel.ids import short_id

StartAgent = Callable[..., Awaitable[AgentProcess]]


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitServer]:
    server = GitServer(tmp_path_factory.mktemp("git"))
    server.add("app", commits=2)
    yield server
    server.close()


@pytest.fixture(scope="session")
def image() -> str:
    return tools_image()


@pytest.fixture
def home() -> Iterator[Path]:
    """Short: a Unix socket's path has few bytes."""
    with tempfile.TemporaryDirectory(prefix="mr-agent-") as folder:
        yield Path(folder)


@pytest.fixture
async def server(home: Path) -> AsyncIterator[FakeServer]:
    server = FakeServer(home / "run" / "server.sock", f"mrtest-{short_id()}")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def start_agent(
    home: Path, server: FakeServer, request: pytest.FixtureRequest
) -> AsyncIterator[StartAgent]:
    """Starts an agent on Docker; what it made is removed at the end. Its log is shown when the test
    fails."""
    started: list[AgentProcess] = []

    async def start(folder: Path = home, **settings: Any) -> AgentProcess:
        defaults = {
            "tools_image": request.getfixturevalue("image"),
            "network_pool": "10.214.0.0/16",
            "image_networks": "127.0.0.0/8",
            "stop_timeout": 2,
        }
        agent = AgentProcess(folder, **{**defaults, **settings})
        await agent.start()
        started.append(agent)
        return agent

    yield start
    for agent in started:
        await agent.stop()
        print(agent.log.read_text())  # noqa: T201 - pytest shows it with a failure
    remove_everything_of(Identity(server.installation, server.agent_id))
