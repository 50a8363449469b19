"""How the sandbox of every runtime tells of the clone, and takes the credentials for it.

The sandbox writes Git's progress to standard error, and a JSON object per line to standard output:
the events of `workspace-clone`.
"""

from __future__ import annotations

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
    troubles: list[Cause] = []
    """What could not be cloned, of projects that are there all the same."""

    @property
    def ended(self) -> bool:
        return self.done or self.fault is not None

    def take_progress(self, data: bytes) -> bool:
        """Reads Git's own progress, and says whether it told anything."""
        if not (found := _PROGRESS.findall(data)):
            return False
        what, percent = found[-1]
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
                words = (event.get(key, "") for key in ("path", "submodule", "url", "ref"))
                cause = causes.submodule_missing(*words, said=detail)
                if cause not in self.troubles:
                    self.troubles.append(cause)
            case "done":
                self.done = True
            case "failed":
                projects = desired.spec.projects
                project = next(
                    (p for p in projects if p.clone_path == event.get("path")), projects[0]
                )
                verdict = causes.of_clone(
                    project.url,
                    project.ref or project.full_ref or project.commit,
                    event.get("code", ""),
                    detail,
                )
                self.fault = verdict.cause
            case _:
                return False
        return True


async def deliver_credentials(desired: DesiredWorkspace, execute: Execute) -> None:
    """Hands the credentials of the projects over to the sandbox, on standard input, if there are
    any.

    Raises `RuntimeFault`, which is final when the sandbox does not take them.
    """
    if lines := credential_lines(desired.spec.projects):
        argv = (f"{TOOLS_ROOT}/bin/busybox", "sh", "-c", RECEIVE)
        if await execute(argv, lines.encode()) != 0:
            raise RuntimeFault(causes.credential_not_taken().cause, final=True)
