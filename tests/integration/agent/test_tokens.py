"""Agents as processes before a real server: two with one token, and a token that is rotated under
one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from integration.agent.process import AgentProcess
from integration.server.harness import AGENT, Server, eventually, serving
from moorage.kernel.home import write_private
from moorage.server.settings import Settings

StartAgent = Callable[[str], AgentProcess]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: a Unix socket's path has few bytes."""
    with tempfile.TemporaryDirectory(prefix="mr-tok-") as path:
        yield Path(path)


@pytest.fixture
async def live(folder: Path) -> AsyncIterator[Server]:
    async with serving(folder / "server", Settings()) as running:
        yield running


@pytest.fixture
async def agent(folder: Path, live: Server) -> AsyncIterator[StartAgent]:
    """Makes an agent with this token; started by the test, ended by the fixture."""
    made: list[AgentProcess] = []

    def make(token: str) -> AgentProcess:
        found = AgentProcess(
            folder / f"agent{len(made)}", runtime="memory", server=f"unix:{live.socket}"
        )
        write_private(found.home.secret_file("agent-token"), token)
        made.append(found)
        return found

    yield make
    for found in made:
        await found.stop()
        print(found.log.read_text())  # noqa: T201 - pytest shows it with a failure


async def health(agent: AgentProcess) -> dict[str, object]:
    try:
        return dict(json.loads((await agent.get("/healthz"))[1]))
    except OSError:
        return {}


async def is_connected(agent: AgentProcess) -> bool:
    return (await health(agent)).get("connected") is True


async def test_two_agents_with_the_same_token(live: Server, agent: StartAgent) -> None:
    """The second waits; its log, its `/healthz` and the server say so; when the first is killed, it
    takes over within seconds."""
    first, second = agent(AGENT), agent(AGENT)
    await first.start()
    await eventually(lambda: is_connected(first), 20)
    await second.start()

    async def waits() -> bool:
        return (await health(second)).get("server") == "another agent with this token is connected"

    await eventually(waits, 20)
    assert "another agent with this token is connected" in second.log.read_text()
    shown = (await live.get("/agents/local")).json()
    assert (shown["connected"], shown["second_seen"] is not None) == (True, True)
    assert await is_connected(first)
    await first.kill()
    await eventually(lambda: is_connected(second), 10)
    shown = (await live.get("/agents/local")).json()
    assert (shown["connected"], shown["second_seen"]) == (True, None)


async def test_a_token_that_is_rotated_under_an_agent(live: Server, agent: StartAgent) -> None:
    """It is cut, says that the server does not know its token, and comes back when it is started
    with the new one."""
    made = (
        await live.post("/agents", {"name": "far", "zone_url": "https://dev.example.com"})
    ).json()
    process = agent(made["tokens"]["agent"])
    await process.start()
    await eventually(lambda: is_connected(process), 20)
    new = (await live.post("/agents/far/token")).json()["tokens"]["agent"]

    async def shut_out() -> bool:
        return (await health(process)).get(
            "server"
        ) == "the server does not know this agent's token"

    await eventually(shut_out, 10)
    assert await process.stop() == 0
    write_private(process.home.secret_file("agent-token"), new)
    await process.start()
    await eventually(lambda: is_connected(process), 20)
    assert (await live.get("/agents/far")).json()["connected"]
    for token in (made["tokens"]["agent"], new):
        assert token not in process.log.read_text()
