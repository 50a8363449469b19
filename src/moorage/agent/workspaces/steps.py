"""PostStart and preStop: commands of the devfile, run in the workspace's containers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from moorage.agent.runtimes.port import ExecRequest, Run, Runtime, RuntimeFault, StepRequest
from moorage.agent.settings import AgentSettings
from moorage.contract import Command, DesiredWorkspace, Step
from moorage.kernel import log
from moorage.kernel.errors import MoorageError

_log = log.get(part="agent.steps")

DONE = "done"


class PostStart:
    """Runs a workspace's postStart steps once per start, in order, beside everything else.

    That it happens once, whatever becomes of this process, is the runtime's part
    (`Runtime.run_step`).
    """

    def __init__(
        self, name: str, runtime: Runtime, settings: AgentSettings, progressed: Callable[[], None]
    ) -> None:
        self._name = name
        self._runtime = runtime
        self._timeout = settings.post_start_timeout
        self._progressed = progressed
        self._run_key: object = None
        self._outcomes: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    def ensure(self, desired: DesiredWorkspace, run: Run) -> None:
        if self._run_key == _key(run) or not desired.spec.post_start:
            return
        if self._task is not None:
            self._task.cancel()
        self._run_key = _key(run)
        self._outcomes = {step.id: "" for step in desired.spec.post_start}
        self._task = asyncio.create_task(self._steps(desired), name=f"postStart of {self._name}")

    def outcomes(self, run: Run | None) -> dict[str, str]:
        """Step's id → "" while it waits or runs, `done`, or why it failed."""
        return dict(self._outcomes) if run is not None and self._run_key == _key(run) else {}

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _steps(self, desired: DesiredWorkspace) -> None:
        for step in desired.spec.post_start:
            self._outcomes[step.id] = await self._step(desired, step)
            self._progressed()

    async def _step(self, desired: DesiredWorkspace, step: Step) -> str:
        if step.parallel:
            outcomes = await asyncio.gather(
                *(self._command(desired, step, c) for c in step.commands)
            )
            return next((outcome for outcome in outcomes if outcome != DONE), DONE)
        for command in step.commands:
            outcome = await self._command(desired, step, command)
            if outcome != DONE:
                return outcome
        return DONE

    async def _command(self, desired: DesiredWorkspace, step: Step, command: Command) -> str:
        key = step.id if step.id == command.id else f"{step.id}.{command.id}"
        folder = command.working_dir or desired.spec.folder
        try:
            async with asyncio.timeout(self._timeout):
                request = StepRequest(
                    key=key,
                    container=command.container,
                    folder=folder,
                    command_line=command.command_line,
                    env=command.env,
                )
                code, lines = await self._runtime.run_step(self._name, request)
        except TimeoutError:
            return f"{command.id} had not ended after {self._timeout:.0f} s."
        except MoorageError as error:
            return f"{command.id} could not be run: {error.message}"
        except Exception as error:  # noqa: BLE001 - the step failed, and nothing else does
            _log.error(
                "a postStart command failed",
                workspace=self._name,
                command=command.id,
                exc_info=error,
            )
            return f"{command.id} could not be run.\n{error!r}"
        return DONE if code == 0 else f"{command.id} ended with exit code {code}.\n{lines}".rstrip()


async def run_pre_stop(runtime: Runtime, desired: DesiredWorkspace, timeout: float) -> None:
    """Runs the preStop steps.

    Whatever they do, the stop goes on: a failure is logged, and time is limited (seconds).
    """
    if not desired.spec.pre_stop:
        return
    try:
        async with asyncio.timeout(timeout):
            for step in desired.spec.pre_stop:
                if step.parallel:
                    await asyncio.gather(
                        *(_run_command(runtime, desired, c) for c in step.commands)
                    )
                    continue
                for command in step.commands:
                    await _run_command(runtime, desired, command)
    except TimeoutError:
        _log.warning("preStop took too long", workspace=desired.name, seconds=timeout)


async def _run_command(runtime: Runtime, desired: DesiredWorkspace, command: Command) -> None:
    request = ExecRequest(
        argv=("sh", "-c", command.command_line),
        container=command.container,
        env=command.env,
        working_dir=command.working_dir or desired.spec.folder,
        stdin=False,
    )
    try:
        async with runtime.execute(desired.name, request, desired.spec) as session:
            async for _ in session.output():  # the owner's own: not for the agent's log
                pass
            if code := await session.exit_code():
                _log.warning(
                    "a preStop command failed",
                    workspace=desired.name,
                    command=command.id,
                    code=code,
                )
    except (RuntimeFault, MoorageError) as error:
        _log.warning(
            "a preStop command could not be run", workspace=desired.name, error=error.message
        )


def _key(run: Run) -> object:
    return tuple(
        (container.name, container.started_at)
        for container in run.containers
        if container.role == "main"
    )
