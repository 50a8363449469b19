"""Follows a start until it is ready: what the sandbox's log says of the clone, and the editor's
answer.

The results go into a `StartProgress`, which costs nothing to read and can be rebuilt: the sandbox's
log tells the same again, and the editor answers again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from moorage.agent import causes
from moorage.agent.runtimes.cloning import CloneLog, deliver_again, deliver_credentials
from moorage.agent.runtimes.docker import objects, probe
from moorage.agent.runtimes.docker.commands import DockerExec
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.logs import container_log, last_lines
from moorage.agent.runtimes.docker.observe import seconds
from moorage.agent.runtimes.docker.progress import StartProgress
from moorage.agent.runtimes.port import RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.contract import DesiredWorkspace, StageName
from moorage.contract.spec import EditorSpec
from moorage.kernel import log
from moorage.kernel.clock import Clock

_log = log.get(part="agent.docker.monitor")

AGAIN_SECONDS = 2.0
"""After which a workspace is looked at again, when what followed it ended without a result."""
QUIET_SECONDS = 15.0
"""A log that says nothing for so long is asked for again: engines have lost the last words of one
that is followed."""
QUIET_BEHIND_SECONDS = 300.0
"""The same, while a history comes behind the start, which is tried again after pauses."""


class StartMonitor:
    """At most one follower of each kind per workspace; asking again for the same containers changes
    nothing.

    `look_again(workspace)` is called when a follower ended without a result, so that somebody
    observes and it begins anew.
    """

    def __init__(
        self,
        engine: Engine,
        settings: AgentSettings,
        clock: Clock,
        look_again: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._look_again = look_again
        self._running: dict[tuple[str, str], tuple[object, asyncio.Task[None]]] = {}

    def follow_clone(
        self, desired: DesiredWorkspace, progress: StartProgress, sandbox: Mapping[str, Any]
    ) -> None:
        """From the log of the sandbox (as the engine describes it), as far as it is of its present
        run."""

        def renew() -> None:
            progress.cloned = progress.history_due = False
            progress.settled.clear()

        self._replace(
            (desired.name, "clone"),
            (sandbox["Id"], sandbox["State"]["StartedAt"]),
            lambda: (progress.cloned and not progress.history_due) or progress.fault is not None,
            renew,
            lambda: self._clone(desired, progress, sandbox),
        )

    def probe_editor(
        self,
        desired: DesiredWorkspace,
        progress: StartProgress,
        address: str,
        main: str,
        started: float | None,
    ) -> None:
        def renew() -> None:
            progress.answered = False

        self._replace(
            (desired.name, "editor"),
            (address, main, started),
            lambda: progress.answered or progress.fault is not None,
            renew,
            lambda: self._editor(desired, progress, address, main, started),
        )

    def drop(self, workspace: str) -> None:
        for kind in ("clone", "editor"):
            if entry := self._running.pop((workspace, kind), None):
                entry[1].cancel()

    async def close(self) -> None:
        tasks = [task for _, task in self._running.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _replace(
        self,
        slot: tuple[str, str],
        key: object,
        known: Callable[[], bool],
        renew: Callable[[], None],
        work: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        if (entry := self._running.get(slot)) is not None:
            if entry[0] == key and (known() or not entry[1].done()):
                return
            entry[1].cancel()
        if entry is None or entry[0] != key:
            renew()
        task = asyncio.create_task(self._guarded(slot, work, known), name=f"{slot[1]} of {slot[0]}")
        self._running[slot] = (key, task)

    async def _guarded(
        self,
        slot: tuple[str, str],
        work: Callable[[], Coroutine[Any, Any, None]],
        known: Callable[[], bool],
    ) -> None:
        """An engine that stumbles ends this, and no event tells when it is back: somebody has to
        look again."""
        try:
            await work()
        except (RuntimeFault, EngineError) as error:
            _log.info("stopped following", workspace=slot[0], what=slot[1], error=str(error))
        except Exception as error:  # noqa: BLE001 - one workspace's odd log takes no other down
            _log.error("stopped following", workspace=slot[0], what=slot[1], exc_info=error)
        if not known():
            await asyncio.sleep(AGAIN_SECONDS)
            self._look_again(slot[0])

    # ---------------------------------------------------------------------------------------- clone
    async def _clone(
        self, desired: DesiredWorkspace, progress: StartProgress, sandbox: Mapping[str, Any]
    ) -> None:
        if desired.spec.projects:
            progress.begin(StageName.CLONE, at=seconds(sandbox["State"]["StartedAt"]))
        else:
            progress.skip(StageName.CLONE)
        try:
            async with asyncio.timeout(self._settings.clone_timeout) as given:
                await deliver_credentials(desired, partial(self._execute, sandbox["Id"]))
                await self._read_clone(desired, progress, sandbox, given)
        except TimeoutError:
            progress.fail(StageName.CLONE, causes.clone_timeout(self._settings.clone_timeout).cause)
        except RuntimeFault as fault:
            if not fault.final:
                raise
            progress.fail(StageName.CLONE, fault.cause)

    async def _read_clone(
        self,
        desired: DesiredWorkspace,
        progress: StartProgress,
        sandbox: Mapping[str, Any],
        given: asyncio.Timeout,
    ) -> None:
        """Until it has told how the clone went, and of the history that comes behind it, or it has
        ended. `given`: the time that the clone has; the history has all that it takes."""
        while not progress.settled.is_set() or progress.history_due:
            limit = asyncio.timeout(QUIET_SECONDS)
            try:
                async with limit:
                    await self._read_log(desired, progress, sandbox, limit, given)
            except TimeoutError:
                if not limit.expired():
                    raise
            else:
                return

    async def _read_log(
        self,
        desired: DesiredWorkspace,
        progress: StartProgress,
        sandbox: Mapping[str, Any],
        limit: asyncio.Timeout,
        given: asyncio.Timeout,
    ) -> None:
        """`limit` is put off whenever the log says something."""
        # Since the end of its former run: the first words of this one may be older than what the
        # engine calls its start.
        since = seconds(sandbox["State"].get("FinishedAt"))
        clone_log, rest = CloneLog(), b""
        async for chunk in container_log(
            self._engine, sandbox["Id"], follow=True, since=since, timestamps=True
        ):
            quiet = QUIET_BEHIND_SECONDS if clone_log.done else QUIET_SECONDS
            limit.reschedule(asyncio.get_running_loop().time() + quiet)
            if chunk.stream == "stderr":
                if clone_log.take_progress(chunk.data):
                    progress.begin(StageName.CLONE, clone_log.detail)
                    progress.tell(StageName.CLONE, clone_log.detail)
                continue
            *whole, rest = (rest + chunk.data).split(b"\n")
            for line in whole:
                stamp, _, text = line.partition(b" ")
                if clone_log.take_line(text, desired):
                    _on_clone_event(clone_log, progress, seconds(stamp.decode()))
                if clone_log.ended:
                    return
                if clone_log.done:
                    given.reschedule(None)
                    await deliver_again(clone_log, desired, partial(self._execute, sandbox["Id"]))

    async def _execute(self, sandbox: str, argv: tuple[str, ...], given: bytes) -> int:
        """Runs a command in the sandbox → its exit code."""
        body = {
            "Cmd": list(argv),
            "User": objects.USER,
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
        }
        exec_id = await self._engine.create_exec(sandbox, body)
        async with self._engine.attach_exec(exec_id, tty=False) as attached:
            await attached.write(given)
            attached.end_input()
            async for _ in attached.output():
                pass
            return await DockerExec(self._engine, exec_id, attached).exit_code()

    # --------------------------------------------------------------------------------------- editor
    async def _editor(
        self,
        desired: DesiredWorkspace,
        progress: StartProgress,
        address: str,
        main: str,
        started: float | None,
    ) -> None:
        editor = desired.spec.editor
        if not address:  # no event tells of it: whoever observes again finds it
            progress.begin(
                StageName.EDITOR, "The engine has given the workspace no address yet.", started
            )
            return
        if editor is None:
            progress.skip(StageName.EDITOR)
        else:
            progress.begin(
                StageName.EDITOR,
                f"Waiting for {editor.name} to answer on port {editor.port}.",
                started,
            )
            if not await self._answers(editor, address, started):
                lines = await last_lines(self._engine, main)
                seconds_given = self._settings.editor_timeout
                verdict = causes.editor_not_answering(
                    editor.port, editor.health_path, seconds_given, lines
                )
                progress.fail(StageName.EDITOR, verdict.cause)
                return
            late = (
                started is not None and self._clock.now() - started > self._settings.editor_timeout
            )
            progress.end(StageName.EDITOR, None if late else self._clock.now())
        progress.answered = True
        progress.changed()

    async def _answers(self, editor: EditorSpec, address: str, started: float | None) -> bool:
        """Whether it does in time.

        One that has run for long (the agent was away) still gets a few seconds.
        """
        elapsed = self._clock.now() - started if started is not None else 0.0
        seconds_left = max(10.0, self._settings.editor_timeout - elapsed)
        return await probe.wait(address, editor.port, editor.health_path, seconds_left)


def _on_clone_event(clone_log: CloneLog, progress: StartProgress, at: float | None) -> None:
    progress.troubles, progress.history_due = clone_log.troubles, clone_log.due > 0
    if clone_log.fault is not None:
        progress.fail(StageName.CLONE, clone_log.fault)
    elif clone_log.done:
        progress.cloned = True
        progress.settled.set()
        progress.end(StageName.CLONE, at)
        progress.tell(StageName.CLONE, clone_log.detail)
        progress.changed()
    else:
        progress.begin(StageName.CLONE, clone_log.detail)
