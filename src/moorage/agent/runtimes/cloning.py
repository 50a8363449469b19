"""How the sandbox of every runtime tells of the clone, and takes the credentials for it.

The sandbox writes Git's progress to standard error, and a JSON object per line to standard output:
the events of `workspace-clone`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.port import RuntimeFault
from moorage.agent.runtimes.projects import RECEIVE, credential_lines
from moorage.contract import Cause, DesiredWorkspace
from moorage.contract.spec import TOOLS_ROOT

_PROGRESS = re.compile(rb"(Receiving objects|Resolving deltas|Updating files): +(\d+)%")
_EVENT = b'{"event":'

Execute = Callable[[tuple[str, ...], bytes], Awaitable[int]]
"""Runs a command in the sandbox, with that on standard input → its exit code. Raises
`RuntimeFault`."""


class CloneLog(msgspec.Struct, kw_only=True):
    """The state of a clone, as far as the sandbox has told it."""

    detail: str = ""
    """How far it is, for a person."""
    done: bool = False
    fault: Cause | None = None
    missing: list[Cause] = []
    """What could not be cloned, of projects that are there all the same."""
    due: int = 0
    """How many projects get their history behind the start."""
    wants_credential: bool = False
    """For such a project, once more; whoever hands it over takes this back."""
    late: dict[str, Cause] = {}
    """Why a project has not got its history yet, by its clone path."""

    @property
    def ended(self) -> bool:
        """Whether it has told all."""
        return self.fault is not None or (self.done and self.due == 0)

    @property
    def troubles(self) -> tuple[Cause, ...]:
        """What is wrong with projects that are there all the same."""
        return (*self.missing, *self.late.values())

    def take_progress(self, data: bytes) -> bool:
        """Reads Git's own progress, and says whether it told anything."""
        if not (found := _PROGRESS.findall(data)):
            return False
        what, percent = found[-1]
        if self.done:  # a step of ten: each is told to many
            return self._tell(f"The history is still being fetched: {percent.decode()[:-1]}0 %.")
        self.detail = f"{what.decode()}: {percent.decode()} %"
        return True

    def take_line(self, line: bytes, desired: DesiredWorkspace) -> bool:
        """Reads a line of the log, and says whether it was an event."""
        if not line.startswith(_EVENT):
            return False
        try:
            event = msgspec.json.decode(line, type=dict[str, str])
        except msgspec.DecodeError:
            return False
        detail = event.get("detail", "")
        match event["event"]:
            case "cloning":
                self.detail = f"Cloning {causes.without_password(detail)}."
            case "retrying":
                self.detail = f"Trying again: {causes.without_password(detail)}"
            case "empty":
                self.detail = "The repository is empty: so is its folder."
            case "missing":
                self._take_missing(event)
            case "done":
                self.done = True
                self.due = int(event.get("history") or 0)
                self.detail = "The history is still being fetched." if self.due else ""
            case "history":
                self._take_history(event)
            case "failed":
                self._take_failure(event, desired)
            case _:
                return False
        return True

    def _tell(self, detail: str) -> bool:
        known, self.detail = self.detail, detail
        return known != detail

    def _take_missing(self, event: dict[str, str]) -> None:
        """Reads of a submodule that is not there."""
        words = (event.get(key, "") for key in ("path", "submodule", "url", "ref"))
        cause = causes.submodule_missing(*words, said=event.get("detail", ""))
        if cause not in self.missing:
            self.missing.append(cause)

    def _take_failure(self, event: dict[str, str], desired: DesiredWorkspace) -> None:
        """Reads why the clone ended without a project."""
        projects, path = desired.spec.projects, event.get("path")
        project = next((p for p in projects if p.clone_path == path), projects[0])
        verdict = causes.of_clone(
            project.url,
            project.ref or project.full_ref or project.commit,
            event.get("code", ""),
            event.get("detail", ""),
        )
        self.fault = verdict.cause

    def _take_history(self, event: dict[str, str]) -> None:
        """Reads what the sandbox says of a history that comes behind the start."""
        path, state = event.get("path", ""), event.get("state")
        if state == "wanted":
            self.wants_credential = True
        elif state in ("here", "given-up"):
            self.due = max(0, self.due - 1)
            self.late.pop(path, None)
            if not self.due:
                self.detail = ""
        if state in ("failed", "given-up"):
            self.late[path] = causes.history_late(
                path, event.get("url", ""), event.get("detail", ""), again=state == "failed"
            )


async def deliver_again(clone_log: CloneLog, desired: DesiredWorkspace, execute: Execute) -> None:
    """Hands the credentials over once more, where the sandbox has asked for them. A sandbox that
    does not take them goes on without the history."""
    if clone_log.wants_credential:
        clone_log.wants_credential = False
        with contextlib.suppress(RuntimeFault):
            await deliver_credentials(desired, execute)


async def deliver_credentials(desired: DesiredWorkspace, execute: Execute) -> None:
    """Hands the credentials of the projects over to the sandbox, on standard input, if there are
    any.

    Raises `RuntimeFault`, which is final when the sandbox does not take them.
    """
    if lines := credential_lines(desired.spec.projects):
        argv = (f"{TOOLS_ROOT}/bin/busybox", "sh", "-c", RECEIVE)
        if await execute(argv, lines.encode()) != 0:
            raise RuntimeFault(causes.credential_not_taken().cause, final=True)
