"""Follows the sandbox while it clones: what its log says, and the credentials that it waits for.

Its words are in the log for as long as the container is, so that an agent that starts anew hears the same again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.wanted.pod import BUSYBOX
from moorage.agent.runtimes.port import RuntimeFault
from moorage.agent.runtimes.projects import RECEIVE, credential_lines
from moorage.contract import Cause, DesiredWorkspace

_PROGRESS = re.compile(rb"(Receiving objects|Resolving deltas|Updating files): +(\d+)%")


class Heard(msgspec.Struct, kw_only=True):
    """What the log has told so far."""

    detail: str = ""
    done: bool = False
    fault: Cause | None = None


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
    heard: Heard,
    changed: Callable[[], None],
) -> None:
    """Reads the log until the clone has ended, for good or ill, or the log has."""
    rest = b""
    async for data in client.log(place.namespace, place.pod, place.container, follow=True):
        if found := _PROGRESS.findall(data):
            what, percent = found[-1]
            heard.detail = f"{what.decode()}: {percent.decode()} %"
            changed()
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            if take(line, desired, heard):
                changed()
            if heard.done or heard.fault is not None:
                return


def take(line: bytes, desired: DesiredWorkspace, heard: Heard) -> bool:
    """Whether the line told something."""
    if not line.startswith(b'{"event":'):
        return False
    try:
        event = msgspec.json.decode(line, type=dict[str, str])
    except msgspec.DecodeError:
        return False
    match event["event"]:
        case "cloning":
            heard.detail = f"Cloning {causes.without_password(event.get('detail', ''))}."
        case "retrying":
            heard.detail = f"Trying again: {causes.without_password(event.get('detail', ''))}"
        case "empty":
            heard.detail = "The repository is empty: so is its folder."
        case "done":
            heard.done = True
        case "failed":
            projects = desired.spec.projects
            project = next((p for p in projects if p.clone_path == event.get("path")), projects[0])
            heard.fault = causes.of_clone(
                project.url, project.ref, event.get("code", ""), event.get("detail", "")
            ).cause
        case _:
            return False
    return True
