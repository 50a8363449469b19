"""A Docker runtime whose engine has not answered yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from moorage.agent.runtimes.docker.backend import DockerBackend
from moorage.agent.runtimes.docker.runtime import DockerRuntime
from moorage.agent.runtimes.port import Identity, Progress, RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause, Container, DesiredState, DesiredWorkspace, WorkspaceSpec
from moorage.kernel.clock import SystemClock
from moorage.kernel.errors import Misconfigured

NAME = "workspace-7-1-abc123"
SPEC = WorkspaceSpec(containers=(Container(name="dev", image="i:1"),), main_container="dev")
DESIRED = DesiredWorkspace(name=NAME, generation=1, desired=DesiredState.RUNNING, spec=SPEC)


class Deaf:
    """A `Listener` that does nothing."""

    def changed(self, workspace: str) -> None: ...
    def progressed(self, workspace: str) -> None: ...
    def lost(self, cause: Cause) -> None: ...
    def recovered(self) -> None: ...


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[DockerRuntime]:
    backend = DockerBackend(AgentSettings(docker_host=f"unix://{tmp_path / 'none'}"), SystemClock())
    runtime = backend.runtime_for(Identity("inst", 7), Deaf())
    yield runtime
    await runtime.close()
    await backend.close()


async def test_it_is_whole_at_once(runtime: DockerRuntime) -> None:
    """All that needs the engine says that it does not answer; what needs none is answered."""
    assert runtime.progress(NAME) == Progress()
    for operation in (
        runtime.names(),
        runtime.observe(NAME, DESIRED),
        runtime.start(DESIRED, received=1.0),
        runtime.note(DESIRED),
        runtime.halt(NAME),
        runtime.stop(NAME),
        runtime.remove(NAME),
    ):
        with pytest.raises(RuntimeFault) as lost:
            await operation
        assert lost.value.cause.code == "engine-unreachable"
        assert not lost.value.final


def test_an_address_that_is_none() -> None:
    """A backend is not made for an engine that cannot be reached, ever."""
    with pytest.raises(Misconfigured, match="no address"):
        DockerBackend(AgentSettings(docker_host="docker.sock"), SystemClock())
