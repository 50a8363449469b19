"""Follows starts: keeps each workspace's `Track`, reads the log of whatever clones, and asks for events where a pod's own
status does not say why it waits. Nothing here is needed to act; all of it can be rebuilt.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.resources import EVENT, Object
from moorage.agent.runtimes.kubernetes.observed import causes, states
from moorage.agent.runtimes.kubernetes.starting import clone
from moorage.agent.runtimes.kubernetes.starting.progress import (
    NOT_SCALING,
    PUT_OUT,
    SCALING,
    STUCK,
    Patience,
    Sight,
    Track,
    cloning_container,
)
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import Listener, Progress, RuntimeFault
from moorage.agent.settings import AgentSettings
from moorage.contract import DesiredState, DesiredWorkspace
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError

_log = log.get(part="agent.kubernetes.attend")
LAST_LINES = 20
EVENTS_EVERY = 3.0
"""Seconds between two looks at the events of one object that waits."""
ASKING = 4
"""Questions for events at a time: they must never keep writes waiting."""
MOST_EVERY = 60.0
"""Seconds between two looks at one that has been waiting for long."""
STUCK_AFTER = 8.0
"""Seconds after which a pod without a container is asked about."""
TELL_EVERY = 0.5
"""Seconds between two words about a clone's progress."""
_KEPT_LINES = 500
_POD_EVENTS = {
    "FailedMount": STUCK,
    "FailedAttachVolume": STUCK,
    "FailedMapVolume": STUCK,
    "FailedCreatePodSandBox": STUCK,
    "TriggeredScaleUp": SCALING,  # Cluster Autoscaler
    "Nominated": SCALING,  # Karpenter
    "NotTriggerScaleUp": NOT_SCALING,
}
"""What events of a pod that waits are about."""
_CLAIM_REASONS = frozenset({"FailedBinding", "ExternalProvisioning"})
"""Of events about claims that are no warnings, and say why one waits."""


class Attendant:
    """`objects_of`: all objects of a workspace as they are known now."""

    def __init__(
        self,
        client: Client,
        options: AgentSettings,
        clock: Clock,
        listener: Listener,
        objects_of: Callable[[str], Sequence[Object]],
    ) -> None:
        self._client, self._clock, self._listener, self._objects_of = client, clock, listener, objects_of
        self._desired: dict[str, DesiredWorkspace] = {}
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._patience = Patience(
            editor=options.editor_timeout,
            clone=options.clone_timeout,
            pull=options.pull_timeout,
            schedule=options.schedule_timeout,
        )
        self._tracks: dict[str, Track] = {}
        self._ends: dict[str, tuple[str, frozenset[str]]] = {}
        self._followers: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._lines: dict[str, str] = {}
        self._image_words: dict[tuple[str, str], str] = {}
        self._events: dict[str, tuple[float, list[Object]]] = {}
        self._asking = asyncio.Semaphore(ASKING)

    def progress(self, name: str) -> Progress:
        track = self._tracks.get(name)
        return track.progress if track is not None else Progress()

    def nudge(self, name: str) -> None:
        """Looks again, soon, when it is a workspace whose start is followed."""
        if name in self._desired and name not in self._looks:
            self._looks[name] = asyncio.create_task(self._look(name), name=f"look at {name}")

    async def _look(self, name: str) -> None:
        await asyncio.sleep(0)  # what has come at the same time is looked at once
        self._looks.pop(name, None)
        if (desired := self._desired.get(name)) is not None:
            try:
                await self.attend(name, desired, self._objects_of(name))
            except Exception as error:  # noqa: BLE001 - one workspace's fault stays its own
                _log.warning("could not look", workspace=name, error=repr(error), exc_info=error)
                self._arm(name, EVENTS_EVERY)

    async def attend(
        self, name: str, desired: DesiredWorkspace | None, found: Sequence[Object], *, ask: bool = True
    ) -> Mapping[str, str]:
        """Brings the workspace's track up to date → the last lines of containers that ended. `found`: all its objects.
        `ask` False: no time for events; they are asked for a little later.
        """
        pods = [item for item in found if item["kind"] == "Pod"]
        lines = await self.last_lines(pods)
        deployment = next((item for item in found if item["kind"] == "Deployment"), None)
        if deployment is None or desired is None or desired.desired is not DesiredState.RUNNING:
            self._drop_follower(name)
            self._desired.pop(name, None)
            return lines
        self._desired[name] = desired
        track = self._track(name, deployment)
        pod = states.current_pod(pods)
        if pod is not None and (states.is_ending(pod) or not _is_of(pod, track)):
            pod = None
        if states.halted_of(deployment) is not None:
            self._drop_follower(name)
            return lines
        self._follow_clone(name, desired, track, pod)
        now = self._clock.now()
        uid = pod["metadata"]["uid"] if pod is not None else ""
        sight = Sight(
            desired=desired,
            deployment=deployment,
            pod=pod,
            former=any(
                item["kind"] == "Pod" and item["metadata"]["uid"] != uid and not states.failed(item)
                for item in self._objects_of(name)
            ),
            claims=[item for item in found if item["kind"] == "PersistentVolumeClaim"],
            words=await self._words(pod, found, since=track.began, ask=ask),
            lines=await self._main_lines(desired, pod, track, now),
            now=now,
        )
        if track.look(sight, self._patience):
            self._listener.progressed(name)
        if not track.progress.ready and track.fault is None:
            # No watch tells of events, or of the end of patience. What waits for long is looked at less and less often:
            # where storage is away, hundreds wait.
            age = max(0.0, now - track.began)
            spread = random.uniform(0.7, 1.0)  # noqa: S311 - spreads looks, guards nothing
            self._arm(name, min(MOST_EVERY, EVENTS_EVERY + 0.5 + age / 10) * spread)
        return lines

    def unwatched(self, name: str, pods: Sequence[Object]) -> frozenset[str]:
        """Ends of containers that were there when the workspace's pod was seen first: nobody has counted how often those had
        ended before."""
        pod = states.current_pod(pods)
        if pod is None:
            return frozenset()
        uid = pod["metadata"]["uid"]
        if (known := self._ends.get(name)) is None or known[0] != uid:
            known = self._ends[name] = (uid, states.ended_keys([pod]))
        return known[1]

    async def last_lines(self, pods: Sequence[Object], count: int = LAST_LINES) -> dict[str, str]:
        """Of containers that have ended, by `states.lines_key`. Asked for once per end."""
        found = {}
        for pod in pods:
            for entry in states.statuses(pod):
                ended = states.ended_state(entry)
                if ended is None or ended.get("exitCode") == 0:
                    continue
                key = states.lines_key(pod, entry)
                if key not in self._lines:
                    self._lines[key] = await self.tail(pod, entry, count)
                    while len(self._lines) > _KEPT_LINES:
                        self._lines.pop(next(iter(self._lines)))
                found[key] = self._lines[key]
        return found

    async def tail(self, pod: Object, entry: Mapping[str, Any], count: int) -> str:
        """The last lines that a container wrote; of the run before, while it waits to be started again."""
        state = entry.get("state") or {}
        if "waiting" in state and "terminated" not in (entry.get("lastState") or {}):
            return ""
        metadata = pod["metadata"]
        pieces = self._client.log(
            metadata["namespace"], metadata["name"], entry["name"], tail=count, previous="waiting" in state
        )
        try:
            return b"".join([piece async for piece in pieces]).decode(errors="replace")
        except MoorageError as error:
            return f"(its log cannot be read: {error.message})"

    def forget(self, name: str) -> None:
        self._drop_follower(name)
        self._desired.pop(name, None)
        self._tracks.pop(name, None)
        self._ends.pop(name, None)
        if timer := self._timers.pop(name, None):
            timer.cancel()

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        tasks = [*(task for _, task in self._followers.values()), *self._looks.values()]
        self._followers.clear()
        self._looks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _track(self, name: str, deployment: Object) -> Track:
        run = (deployment["spec"]["template"]["metadata"].get("annotations") or {}).get(names.RUN, "")
        track = self._tracks.get(name)
        if track is None or track.run != run:
            track = self._tracks[name] = Track(run)
            halted = states.halted_of(deployment)
            track.fault = halted.fault if halted is not None else None
        return track

    # ------------------------------------------------------------------------------------------ the clone
    def _follow_clone(self, name: str, desired: DesiredWorkspace, track: Track, pod: Object | None) -> None:
        entry = cloning_container(pod) if pod is not None else None
        if pod is None or entry is None:
            self._drop_follower(name)
            return
        key = states.lines_key(pod, entry)
        if (known := self._followers.get(name)) is not None and known[0] == key:
            return
        self._drop_follower(name)
        track.heard = clone.Heard()
        if entry.get("started") and entry["name"] == names.SANDBOX:
            return
        metadata = pod["metadata"]
        place = commands.Place(metadata["namespace"], metadata["name"], entry["name"])
        task = asyncio.create_task(self._hear(name, desired, track, place), name=f"clone of {name}")
        self._followers[name] = (key, task)

    async def _hear(self, name: str, desired: DesiredWorkspace, track: Track, place: commands.Place) -> None:
        """Ends with the clone. When the connection breaks, whoever looks again begins anew."""
        told = 0.0

        def changed() -> None:
            nonlocal told
            now = asyncio.get_running_loop().time()
            if track.heard.done or track.heard.fault is not None or now - told > TELL_EVERY:
                told = now
                self.nudge(name)

        try:
            await clone.deliver(self._client, place, desired)
            await clone.follow(self._client, place, desired, track.heard, changed)
        except RuntimeFault as fault:
            if fault.final:
                track.heard.fault = fault.cause
                self.nudge(name)
                return
            _log.info("stopped following a clone", workspace=name, error=str(fault))
        except MoorageError as error:
            _log.info("stopped following a clone", workspace=name, error=str(error))
        if not track.heard.done and track.heard.fault is None:
            self._followers.pop(name, None)
            self._arm(name, EVENTS_EVERY)

    def _drop_follower(self, name: str) -> None:
        if entry := self._followers.pop(name, None):
            entry[1].cancel()

    # ------------------------------------------------------------------------------------------ words
    async def _words(
        self, pod: Object | None, found: Sequence[Object], *, since: float, ask: bool
    ) -> dict[str, str]:
        """`since`: when the start began (seconds since the epoch). A claim outlives starts, and what was said of it during an
        earlier one may no longer be so."""
        words: dict[str, str] = {}
        for claim in found:
            if (
                claim["kind"] == "PersistentVolumeClaim"
                and (claim.get("status") or {}).get("phase") == "Pending"
            ):
                events = await self._events_of(claim, ask=ask)
                told = [
                    event
                    for event in events
                    if event["at"] >= int(since)
                    and (event.get("type") == "Warning" or event.get("reason") in _CLAIM_REASONS)
                ]
                if told:
                    words[claim["metadata"]["name"]] = told[-1].get("message") or ""
        for item in found:
            # One that is deleted ends as Failed or Succeeded, too, since Kubernetes 1.27: nobody gave that one up.
            deleted = item["metadata"].get("deletionTimestamp")
            if item["kind"] == "Pod" and states.failed(item) and not deleted:
                status = item["status"]
                cause = causes.put_out(status.get("reason") or "", status.get("message") or "")
                words[PUT_OUT] = f"{cause.message} {cause.detail}".strip()
        if pod is None:
            return words
        await self._words_of_pod(pod, words, ask=ask)
        return words

    async def _words_of_pod(self, pod: Object, words: dict[str, str], *, ask: bool) -> None:
        uid = pod["metadata"]["uid"]
        entries = states.statuses(pod)
        for entry in entries:
            waiting = (entry.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") == "ErrImagePull":
                self._image_words[uid, entry["name"]] = waiting.get("message") or ""
            if waiting.get("reason") in states.IMAGE_REASONS:
                if (uid, entry["name"]) not in self._image_words and waiting["reason"] == "ImagePullBackOff":
                    await self._recall_pull(pod, entry["name"], ask=ask)
                words[entry["name"]] = (
                    self._image_words.get((uid, entry["name"])) or waiting.get("message") or ""
                )
        while len(self._image_words) > _KEPT_LINES:
            self._image_words.pop(next(iter(self._image_words)))
        created = states.seconds(pod["metadata"].get("creationTimestamp")) or 0.0
        nothing_runs = not any("running" in (e.get("state") or {}) or e.get("imageID") for e in entries)
        if nothing_runs and self._clock.now() - created > STUCK_AFTER:
            for event in await self._events_of(pod, ask=ask):
                if (about := _POD_EVENTS.get(event.get("reason") or "")) is not None:
                    words[about] = event.get("message") or ""

    async def _recall_pull(self, pod: Object, container: str, *, ask: bool) -> None:
        """The registry's answer from the events: the status only says that it is tried again later."""
        for event in await self._events_of(pod, ask=ask):
            path = (event.get("involvedObject") or {}).get("fieldPath", "")
            if event.get("reason") == "Failed" and f"{{{container}}}" in path:
                message = event.get("message") or ""
                if "Failed to pull image" in message:
                    self._image_words[pod["metadata"]["uid"], container] = message

    async def _events_of(self, item: Object, *, ask: bool) -> list[Object]:
        """Oldest first, with `at` (seconds since the epoch); asked for every few seconds at most. An API server that does not answer tells nothing."""
        metadata, now = item["metadata"], self._clock.now()
        known = self._events.get(metadata["uid"])
        if not ask or (known is not None and now - known[0] < EVENTS_EVERY):
            return known[1] if known is not None else []
        fields = f"involvedObject.uid={metadata['uid']}"
        try:
            async with self._asking:
                events = await self._client.list_all(EVENT, namespace=metadata["namespace"], fields=fields)
        except MoorageError as error:
            _log.info("events cannot be read", error=str(error))
            return known[1] if known is not None else []
        kept: list[Object] = [
            {key: event.get(key) for key in ("type", "reason", "message", "involvedObject")}
            | {"at": _last_time(event)}
            for event in events
        ]
        kept.sort(key=lambda event: event["at"])
        self._events[metadata["uid"]] = (now, kept)
        while len(self._events) > _KEPT_LINES:
            self._events.pop(next(iter(self._events)))
        return kept

    async def _main_lines(
        self, desired: DesiredWorkspace, pod: Object | None, track: Track, now: float
    ) -> str:
        """What the main container wrote, once its editor is late."""
        if pod is None or track.fault is not None or desired.spec.editor is None:
            return ""
        for entry in pod.get("status", {}).get("containerStatuses") or ():
            runs = "running" in (entry.get("state") or {})
            if entry["name"] != desired.spec.main_container or entry.get("started") or not runs:
                continue
            if track.waited(pod, entry, now) > self._patience.editor:
                return await self.tail(pod, entry, LAST_LINES)
        return ""

    # ------------------------------------------------------------------------------------------ time
    def _arm(self, name: str, seconds: float) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

        def ring() -> None:
            self._timers.pop(name, None)
            self.nudge(name)

        self._timers[name] = asyncio.get_running_loop().call_later(seconds, ring)


def _is_of(pod: Object, track: Track) -> bool:
    return states.run_of_pod(pod) == track.run


def _last_time(event: Object) -> float:
    """When it was seen last: events are counted rather than repeated."""
    series = event.get("series") or {}
    times = (event.get("lastTimestamp"), event.get("eventTime"), series.get("lastObservedTime"))
    return max((states.seconds(text) or 0.0 for text in times), default=0.0)
