"""Commands in a workspace's containers: interactive ones, and postStart steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from moorage.agent.runtimes.containers import does_not_run
from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.streams import Attached
from moorage.agent.runtimes.port import ExecRequest, LogChunk, RuntimeFault, StepRequest
from moorage.agent.runtimes.step_output import StepOutput
from moorage.contract.spec import TOOLS_ROOT
from moorage.kernel import log
from moorage.kernel.ids import short_id

_log = log.get(part="agent.docker.commands")
END_SECONDS = 10.0
EXIT_CODE_SECONDS = 5.0
"""The engine may tell of the output's end a moment before it knows the exit code."""


class DockerExec:
    """A command that runs: `ExecSession`."""

    def __init__(self, engine: Engine, exec_id: str, attached: Attached) -> None:
        self._engine = engine
        self._id = exec_id
        self._attached = attached
        self.ended = False

    async def output(self) -> AsyncIterator[LogChunk]:
        async for chunk in self._attached.output():
            if chunk.data:
                yield chunk
        self.ended = True

    async def write(self, data: bytes) -> None:
        try:
            await self._attached.write(data)
        except OSError:
            return  # it has ended: whatever it did not read is lost, as with any pipe

    async def end_input(self) -> None:
        self._attached.end_input()

    async def resize(self, columns: int, rows: int) -> None:
        try:
            await self._engine.request("POST", f"exec/{self._id}/resize", h=rows, w=columns)
        except EngineError as error:  # it may have ended, or not have begun
            _log.debug("not resized", error=str(error))

    async def exit_code(self) -> int:
        async with asyncio.timeout(EXIT_CODE_SECONDS):
            while True:
                state = await self._engine.request("GET", f"exec/{self._id}/json")
                if not state["Running"] and state["ExitCode"] is not None:
                    return int(state["ExitCode"])
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    engine: Engine, container: str, request: ExecRequest, folder: str
) -> AsyncIterator[DockerExec]:
    """Raises `RuntimeFault`."""
    mark = short_id(12)
    body: dict[str, Any] = {
        "Cmd": [
            *objects.SHELL,
            f"{TOOLS_ROOT}/bin/workspace-exec",
            request.working_dir or folder,
            *request.argv,
        ],
        "Env": [f"{name}={value}" for name, value in {**request.env, "MOORAGE_EXEC": mark}.items()],
        "User": objects.USER,
        "Tty": request.tty,
        "AttachStdin": request.stdin,
        "AttachStdout": True,
        "AttachStderr": not request.tty,
    }
    try:
        exec_id = await engine.create_exec(container, body)
        async with engine.attach_exec(exec_id, tty=request.tty) as attached:
            session = DockerExec(engine, exec_id, attached)
            if request.tty:
                await session.resize(request.columns, request.rows)
            try:
                yield session
            finally:
                if not session.ended:
                    await asyncio.shield(_end(engine, container, mark))
    except EngineError as error:
        raise error.fault() from error


async def _end(engine: Engine, container: str, mark: str) -> None:
    body = {"Cmd": [*objects.SHELL, f"{TOOLS_ROOT}/bin/workspace-end", mark], "User": objects.USER}
    try:
        async with asyncio.timeout(END_SECONDS):
            exec_id = await engine.create_exec(container, body)
            await engine.request("POST", f"exec/{exec_id}/start", {"Detach": True})
    except (EngineError, RuntimeFault, TimeoutError) as error:
        _log.info("a command could not be ended", error=str(error))


async def run_step(
    engine: Engine, container: str, request: StepRequest, output: StepOutput
) -> tuple[int, str]:
    """See `Runtime.run_step`."""
    body: dict[str, Any] = {
        "Cmd": [
            *objects.SHELL,
            f"{TOOLS_ROOT}/bin/workspace-step",
            request.key,
            request.folder,
            request.command_line,
        ],
        "Env": [f"{name}={value}" for name, value in request.env.items()],
        "User": objects.USER,
        "AttachStdout": True,
        "AttachStderr": True,
    }
    try:
        exec_id = await engine.create_exec(container, body)
        async with engine.attach_exec(exec_id, tty=False) as attached:
            session = DockerExec(engine, exec_id, attached)
            async for chunk in session.output():
                output.add(chunk.data)
            code = await session.exit_code()
            return code, output.reason(code)
    except EngineError as error:
        if error.status in (404, 409):
            raise does_not_run(request.container) from error
        raise error.fault() from error
