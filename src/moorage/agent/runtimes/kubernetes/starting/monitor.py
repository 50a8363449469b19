"""Follows the starts of all workspaces: keeps the progress of each, and looks again where no watch
tells of what is waited for.

Nothing here is needed to act; all of it can be rebuilt.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Deployment, Pod, VolumeClaim
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.observed.tails import LINES, LogTails
from moorage.agent.runtimes.kubernetes.starting.followers import CloneFollowers
from moorage.agent.runtimes.kubernetes.starting.messages import EVENTS_EVERY, MessageReader
from moorage.agent.runtimes.kubernetes.starting.progress import Snapshot, StartProgress, Timeouts
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import Listener, Progress
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause, DesiredState, DesiredWorkspace
from moorage.kernel import log
from moorage.kernel.clock import Clock

_log = log.get(part="agent.kubernetes.monitor")
LONGEST_PAUSE = 60.0
"""Seconds between two looks at one that has been waiting for long."""


class StartMonitor:
    """`objects_of`: all objects of a workspace as they are known now."""

    def __init__(
        self,
        client: Client,
        options: AgentSettings,
        clock: Clock,
        listener: Listener,
        objects_of: Callable[[str], Sequence[ClusterObject]],
    ) -> None:
        self._clock, self._listener, self._objects_of = clock, listener, objects_of
        self._timeouts = Timeouts(
            editor=options.editor_timeout,
            clone=options.clone_timeout,
            pull=options.pull_timeout,
            schedule=options.schedule_timeout,
        )
        self.tails = LogTails(client)
        self._messages = MessageReader(client, clock)
        self._clones = CloneFollowers(
            client, self.wake, lambda name: self._wake_in(name, EVENTS_EVERY)
        )
        self._desired: dict[str, DesiredWorkspace] = {}
        """The workspaces whose starts are followed."""
        self._starts: dict[str, StartProgress] = {}
        self._ends: dict[str, tuple[str, frozenset[str]]] = {}
        self._updates: dict[str, asyncio.Task[None]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def progress(self, name: str) -> Progress:
        start = self._starts.get(name)
        return start.progress if start is not None else Progress()

    def refused_parts(self, name: str) -> Mapping[str, Cause]:
        """See `StartProgress`."""
        start = self._starts.get(name)
        return start.refused_parts if start is not None else {}

    def wake(self, name: str) -> None:
        """Looks again, soon, when it is a workspace whose start is followed."""
        if name in self._desired and name not in self._updates:
            self._updates[name] = asyncio.create_task(
                self._update_soon(name), name=f"update of {name}"
            )

    async def update(
        self,
        name: str,
        desired: DesiredWorkspace | None,
        found: Sequence[ClusterObject],
        *,
        wait: bool = True,
    ) -> Mapping[str, str]:
        """Brings the workspace's progress up to date → the last lines of containers that ended, by
        `states.run_key`. `found`: all its objects. `wait` False: no time for events; they are asked
        for a little later.
        """
        pods = [item for item in found if isinstance(item, Pod)]
        lines = await self.tails.of_ended(pods)
        deployment = next((item for item in found if isinstance(item, Deployment)), None)
        if deployment is None or desired is None or desired.desired is not DesiredState.RUNNING:
            self._clones.drop(name)
            self._desired.pop(name, None)
            return lines
        self._desired[name] = desired
        start = self._start_of(name, deployment)
        if states.halted_of(deployment) is not None:
            self._clones.drop(name)
            return lines
        pod = states.current_pod(pods)
        if pod is not None and (states.is_ending(pod) or states.run_of_pod(pod) != start.run):
            pod = None
        self._clones.follow(name, desired, start, pod)
        snapshot = await self._snapshot(desired, deployment, pod, found, start, wait=wait)
        refused = start.refused_parts
        if start.update(snapshot, self._timeouts):
            self._listener.progressed(name)
        if start.refused_parts != refused:  # what a start would write is something else now
            self._listener.changed(name)
        if not start.progress.ready and start.fault is None:
            self._wake_again(name, waited=max(0.0, snapshot.now - start.began))
        return lines

    async def _snapshot(
        self,
        desired: DesiredWorkspace,
        deployment: Deployment,
        pod: Pod | None,
        found: Sequence[ClusterObject],
        start: StartProgress,
        *,
        wait: bool,
    ) -> Snapshot:
        now, uid = self._clock.now(), pod.metadata.uid if pod is not None else ""
        return Snapshot(
            desired=desired,
            deployment=deployment,
            pod=pod,
            former_pod=any(
                isinstance(item, Pod) and item.metadata.uid != uid and not states.failed(item)
                for item in self._objects_of(desired.name)
            ),
            claims=[item for item in found if isinstance(item, VolumeClaim)],
            messages=await self._messages.read(pod, found, since=start.began, wait=wait),
            main_lines=await self._main_lines(desired, pod, start, now),
            now=now,
        )

    async def _main_lines(
        self, desired: DesiredWorkspace, pod: Pod | None, start: StartProgress, now: float
    ) -> str:
        """The last lines of the main container, once its editor is late."""
        if pod is None or start.fault is not None or desired.spec.editor is None:
            return ""
        main = pod.container(desired.spec.main_container)
        if main is None or main.started or main.running is None:
            return ""
        late = start.waited(pod, main, now) > self._timeouts.editor
        return await self.tails.read(pod, main, LINES) if late else ""

    def unwatched(self, name: str, pods: Sequence[Pod]) -> frozenset[str]:
        """Ends of containers that were there when the workspace's pod was seen first: nobody has
        counted how often those had ended before."""
        pod = states.current_pod(pods)
        if pod is None:
            return frozenset()
        uid = pod.metadata.uid
        if (known := self._ends.get(name)) is None or known[0] != uid:
            known = self._ends[name] = (uid, states.ended_keys([pod]))
        return known[1]

    def forget(self, name: str) -> None:
        """Forgets a workspace that has no run any more."""
        self._clones.drop(name)
        self._desired.pop(name, None)
        self._starts.pop(name, None)
        self._ends.pop(name, None)
        if timer := self._timers.pop(name, None):
            timer.cancel()

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        updates = list(self._updates.values())
        self._updates.clear()
        for task in updates:
            task.cancel()
        await asyncio.gather(*updates, self._clones.close(), return_exceptions=True)

    def _start_of(self, name: str, deployment: Deployment) -> StartProgress:
        run = deployment.template.metadata.annotations.get(names.RUN, "")
        start = self._starts.get(name)
        if start is None or start.run != run:
            start = self._starts[name] = StartProgress(run)
            halted = states.halted_of(deployment)
            start.fault = halted.fault if halted is not None else None
        return start

    async def _update_soon(self, name: str) -> None:
        await asyncio.sleep(0)  # what has come at the same time is looked at once
        self._updates.pop(name, None)
        if (desired := self._desired.get(name)) is not None:
            try:
                await self.update(name, desired, self._objects_of(name))
            except Exception as error:  # noqa: BLE001 - one workspace's fault stays its own
                _log.warning("could not look", workspace=name, error=repr(error), exc_info=error)
                self._wake_in(name, EVENTS_EVERY)

    def _wake_again(self, name: str, *, waited: float) -> None:
        """No watch tells of events, or of the end of a timeout. What waits for long is looked at
        less and less often: where storage is away, hundreds wait."""
        spread = random.uniform(0.7, 1.0)  # noqa: S311 - spreads looks, guards nothing
        self._wake_in(name, min(LONGEST_PAUSE, EVENTS_EVERY + 0.5 + waited / 10) * spread)

    def _wake_in(self, name: str, seconds: float) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

        def ring() -> None:
            self._timers.pop(name, None)
            self.wake(name)

        self._timers[name] = asyncio.get_running_loop().call_later(seconds, ring)
