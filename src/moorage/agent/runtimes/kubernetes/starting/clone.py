"""Follows the container that clones: reads its log, and hands over the credentials that it waits
for.

Its events are in the log for as long as the container is, so that an agent that starts anew reads
the same again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.commands import BUSYBOX
from moorage.agent.runtimes.port import RuntimeFault
from moorage.agent.runtimes.projects import RECEIVE, credential_lines
from moorage.contract import Cause, DesiredWorkspace

_PROGRESS = re.compile(rb"(Receiving objects|Resolving deltas|Updating files): +(\d+)%")


class CloneLog(msgspec.Struct, kw_only=True):
    """What the log of a clone has told so far."""

    detail: str = ""
    done: bool = False
    fault: Cause | None = None

    @property
    def ended(self) -> bool:
        return self.done or self.fault is not None


async def deliver(client: Client, place: commands.Place, desired: DesiredWorkspace) -> None:
    """Hands over what opens the repositories, on standard input. Raises `RuntimeFault`."""
    if lines := credential_lines(desired.spec.projects):
        code, _ = await commands.run(client, place, [BUSYBOX, "sh", "-c", RECEIVE], lines.encode())
        if code != 0:
            raise RuntimeFault(causes.credential_not_taken().cause, final=True)


async def follow(
    client: Client,
    place: commands.Place,
    desired: DesiredWorkspace,
    told: CloneLog,
    changed: Callable[[], None],
) -> None:
    """Reads the log until the clone has ended, for good or ill, or the log has."""
    rest = b""
    async for data in client.log(place.namespace, place.pod, place.container, follow=True):
        if found := _PROGRESS.findall(data):
            what, percent = found[-1]
            told.detail = f"{what.decode()}: {percent.decode()} %"
            changed()
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            if take(line, desired, told):
                changed()
            if told.ended:
                return


def take(line: bytes, desired: DesiredWorkspace, told: CloneLog) -> bool:
    """Whether the line told something."""
    if not line.startswith(b'{"event":'):
        return False
    try:
        event = msgspec.json.decode(line, type=dict[str, str])
    except msgspec.DecodeError:
        return False
    match event["event"]:
        case "cloning":
            told.detail = f"Cloning {causes.without_password(event.get('detail', ''))}."
        case "retrying":
            told.detail = f"Trying again: {causes.without_password(event.get('detail', ''))}"
        case "empty":
            told.detail = "The repository is empty: so is its folder."
        case "done":
            told.done = True
        case "failed":
            projects = desired.spec.projects
            project = next((p for p in projects if p.clone_path == event.get("path")), projects[0])
            told.fault = causes.of_clone(
                project.url, project.ref, event.get("code", ""), event.get("detail", "")
            ).cause
        case _:
            return False
    return True
