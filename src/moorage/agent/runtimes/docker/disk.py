"""How much of the disk each workspace takes, and what follows from it: at most so much that the
machine and others go on.

Volumes of an engine have no size of their own on most file systems. So they are measured: now and
then, and soon after much of the disk was filled. A workspace that takes nearly what it may is told
so; one that takes more is stopped, keeps its files, and has time to make room when it is started
again.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.progress import StartProgress
from moorage.agent.runtimes.ownership import WORKSPACE, is_ours
from moorage.agent.runtimes.port import Identity, RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause
from moorage.kernel import log, quantities

_log = log.get(part="agent.docker.disk")

LOOK_SECONDS = 5.0
"""Between two looks at how much of the disk is free, which cost nothing."""
FILLED = 0.01
"""Part of the whole disk that is a reason for the next measurement, once it was filled."""
NEAR = 0.8
"""Part of the limit from which on a workspace is told."""
SCARCE = 0.05
"""Part of the disk: with less than that free, whoever filled most of it lately is stopped."""
MEASURE_SECONDS = 600.0
"""An engine looks at every file of its volumes for an answer."""


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """The size of the file system that the engine's files are in, in bytes."""

    total: int
    free: int


def space_of(root: str) -> Space | None:
    """None when the engine's folder is not on this machine."""
    if not root or not Path(root).is_dir():
        return None
    found = os.statvfs(root)
    return Space(total=found.f_blocks * found.f_frsize, free=found.f_bavail * found.f_frsize)


def limit_of(setting: int, space: Space | None) -> int:
    """Bytes that one workspace may take; 0: no limit.

    `setting`: `disk_limit`; by itself it is half of the engine's disk.
    """
    if setting >= 0:
        return setting
    return space.total // 2 if space is not None else 0


def used_by(answer: Mapping[str, Any], identity: Identity) -> dict[str, int]:
    """Bytes of each workspace's volumes and containers' own layers, out of the engine's answer to
    `GET /system/df`."""
    used: Counter[str] = Counter()
    for item in (*(answer.get("Volumes") or ()), *(answer.get("Containers") or ())):
        labels = item.get("Labels") or {}
        size = item.get("SizeRw") or (item.get("UsageData") or {}).get("Size") or 0
        if is_ours(labels, identity) and (name := labels.get(WORKSPACE)):
            used[name] += max(0, int(size))  # -1: the engine does not know
    return dict(used)


def is_due(since: float, every: float, before: Space | None, now: Space | None) -> bool:
    """Whether to measure again, `since` seconds after the last time: after `every` seconds, or when
    much was filled since then."""
    if since >= every:
        return True
    return before is not None and now is not None and before.free - now.free > FILLED * now.total


def culprit(before: Mapping[str, int], used: Mapping[str, int], space: Space | None) -> str | None:
    """Who is stopped because hardly anything is free: the workspace that filled most since the
    measurement before; None: nobody."""
    if space is None or space.free >= SCARCE * space.total:
        return None
    grown = {name: size - before.get(name, 0) for name, size in used.items()}
    name = max(grown, key=lambda name: grown[name], default=None)
    return name if name is not None and grown[name] > 0 else None


def scarce(free: int) -> Cause:
    return Cause(
        code="disk-scarce",
        message=f"Only {quantities.in_words(free)} are free on the disk of all workspaces, and this one was filling it. It was stopped, "
        "and its files are kept.",
        hint="Whoever runs the machine makes room on it (images, old workspaces); then start it again.",
    )


def full(used: int, limit: int) -> Cause:
    return Cause(
        code="disk-limit",
        message=f"The workspace takes {quantities.in_words(used)} of disk; it may take {quantities.in_words(limit)}. "
        "It was stopped, and its files are kept.",
        hint="Start it again and make room soon; or have disk_limit under [agent] raised.",
    )


def nearly_full(used: int, limit: int) -> Cause:
    return Cause(
        code="disk-nearly-full",
        message=f"The workspace takes {quantities.in_words(used)} of disk; at {quantities.in_words(limit)} it is stopped.",
        hint="Remove what is not needed any more.",
    )


class DiskWatch:
    """Measures, and puts what follows into the progress of the workspaces."""

    def __init__(self, engine: Engine, settings: AgentSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._marks: dict[str, int] = {}
        """The least that each workspace which was stopped for its limit took since. Started again,
        it has time to make room, and takes no more than that meanwhile, however often it is
        started."""
        self._used: Mapping[str, int] = {}
        """The result of the measurement before."""

    async def run(
        self, identity: Identity, root: str, starts: Callable[[], Mapping[str, StartProgress]]
    ) -> None:
        """Until cancelled. `root`: the engine's folder."""
        space = space_of(root)
        limit = limit_of(self._settings.disk_limit, space)
        if not limit:
            _log.warning("what a workspace takes of the disk is not limited", root=root)
            return
        measured = float("-inf")
        while True:
            at, now = asyncio.get_running_loop().time(), space_of(root)
            if is_due(at - measured, self._settings.disk_every, space, now):
                space, measured = now, at
                await self._measure(identity, limit, now, starts)
            await asyncio.sleep(min(LOOK_SECONDS, self._settings.disk_every))

    async def _measure(
        self,
        identity: Identity,
        limit: int,
        space: Space | None,
        starts: Callable[[], Mapping[str, StartProgress]],
    ) -> None:
        try:
            answer = await self._engine.request(
                "GET", "system/df", doing="measuring the disk", timeout=MEASURE_SECONDS
            )
        except (EngineError, RuntimeFault) as error:
            _log.info("the disk cannot be measured", error=str(error))
            return
        used, now = used_by(answer, identity), starts()
        for name, progress in now.items():
            self._judge(name, progress, used.get(name, 0), limit)
        # Of those that can be stopped: another may have grown more until it was.
        running = {name: size for name, size in used.items() if name in now}
        filling = culprit(self._used, running, space) if self._used else None
        if space is not None and filling is not None:
            _log.warning("the disk is nearly full", filled_by=filling, free=space.free)
            now[filling].end_with(scarce(space.free))
        self._used = used

    def _judge(self, name: str, progress: StartProgress, used: int, limit: int) -> None:
        near = used > limit * NEAR
        progress.warn(nearly_full(used, limit) if near else None)
        if used <= limit:
            self._marks.pop(name, None)
            return
        mark = self._marks.get(name, 0)
        self._marks[name] = min(mark, used) if mark else used
        if progress.age() > self._settings.disk_grace or used > mark:
            _log.warning(
                "a workspace takes more of the disk than it may",
                workspace=name,
                used=used,
                limit=limit,
            )
            progress.end_with(full(used, limit))
