"""PostStart and preStop: commands of the devfile, run in the workspace's containers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from moorage.agent.runtimes.port import ExecRequest, Run, Runtime, RuntimeFault, StepRequest
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces.output import Output
from moorage.contract import Command, DesiredWorkspace, Step
from moorage.contract.spec import COMMANDS_FILE, TOOLS_ROOT, CommandsFile
from moorage.kernel import log
from moorage.kernel.errors import MoorageError, NotFound

_log = log.get(part="agent.steps")

DONE = "done"
COMMANDS_SECONDS = 60.0
"""For telling the editor of the devfile's commands."""


class PostStart:
    """Runs a workspace's postStart steps once per start, in order, beside everything else.

    That it happens once, whatever becomes of this process, is the runtime's part
    (`Runtime.run_step`). A step that does not end, as a server, does not keep the next ones waiting
    for ever.
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
        self._output: Output | None = None
        self._task: asyncio.Task[None] | None = None

    def ensure(self, desired: DesiredWorkspace, run: Run) -> None:
        if self._run_key == _key(run) or not (desired.spec.post_start or desired.spec.commands):
            return
        if self._task is not None:
            self._task.cancel()
        if self._output is not None:
            self._output.end()
        self._run_key = _key(run)
        self._outcomes = {step.id: "" for step in desired.spec.post_start}
        output = Output()
        self._output = output if desired.spec.post_start else None
        steps = self._steps(desired, output)
        self._task = asyncio.create_task(steps, name=f"postStart of {self._name}")

    def outcomes(self, run: Run | None) -> dict[str, str]:
        """Step's id → "" while it waits or runs, `done`, or why it failed."""
        return dict(self._outcomes) if run is not None and self._run_key == _key(run) else {}

    def output(self) -> Output:
        """What the commands of the newest run have written. Raises `NotFound` where none was
        begun."""
        if self._output is None:
            raise NotFound(
                "No postStart command of the workspace has begun.",
                code="post-start-not-begun",
                hint="They run once the workspace does, if its devfile has any.",
            )
        return self._output

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._output is not None:
            self._output.end()

    async def _steps(self, desired: DesiredWorkspace, output: Output) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(write_commands(self._runtime, desired), name="commands' file")
                for step in desired.spec.post_start:
                    running = group.create_task(
                        self._told(desired, step, output), name=f"postStart {step.id}"
                    )
                    await asyncio.wait({running}, timeout=self._timeout)
        finally:
            output.end()

    async def _told(self, desired: DesiredWorkspace, step: Step, output: Output) -> None:
        outcome = await self._step(desired, step, output)
        self._outcomes[step.id] = outcome
        self._progressed()

    async def _step(self, desired: DesiredWorkspace, step: Step, output: Output) -> str:
        if step.parallel:
            outcomes = await asyncio.gather(
                *(self._command(desired, step, c, output) for c in step.commands)
            )
            return next((outcome for outcome in outcomes if outcome != DONE), DONE)
        for command in step.commands:
            outcome = await self._command(desired, step, command, output)
            if outcome != DONE:
                return outcome
        return DONE

    async def _command(
        self, desired: DesiredWorkspace, step: Step, command: Command, output: Output
    ) -> str:
        output.say(f"[postStart] {command.id}: {command.command_line.strip()}")
        outcome = await self._end_of(desired, step, command, output)
        output.say(f"[postStart] {command.id}: {outcome.partition(chr(10))[0]}")
        return outcome

    async def _end_of(
        self, desired: DesiredWorkspace, step: Step, command: Command, output: Output
    ) -> str:
        request = StepRequest(
            key=step.id if step.id == command.id else f"{step.id}.{command.id}",
            container=command.container,
            folder=command.working_dir or desired.spec.folder,
            command_line=command.command_line,
            env=command.env,
        )
        try:
            code, lines = await self._runtime.run_step(self._name, request, output.add)
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


async def write_commands(runtime: Runtime, desired: DesiredWorkspace) -> None:
    """Writes the devfile's commands where the editor looks for them.

    It does without them when that fails: then the log says why.
    """
    spec = desired.spec
    if not spec.commands:
        return
    file = CommandsFile(main_container=spec.main_container, commands=spec.commands)
    request = ExecRequest(argv=(f"{TOOLS_ROOT}/bin/workspace-commands", COMMANDS_FILE))
    code, said = None, ""
    try:
        async with (
            asyncio.timeout(COMMANDS_SECONDS),
            runtime.execute(desired.name, request, spec) as session,
        ):
            await session.write(msgspec.json.encode(file))
            await session.end_input()
            said = "".join(
                [chunk.data.decode(errors="replace") async for chunk in session.output()]
            )
            code = await session.exit_code()
    except (MoorageError, TimeoutError) as error:
        said = str(error)
    if code != 0:
        _log.warning(
            "the editor is not told of commands", workspace=desired.name, cause=said[-200:]
        )


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
