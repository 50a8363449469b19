"""Reads why a start waits, in the cluster's words.

They are in the status of its objects, and in events, which are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Event, Pod, VolumeClaim
from moorage.agent.runtimes.kubernetes.api.resources import EVENT
from moorage.agent.runtimes.kubernetes.observed import causes, states
from moorage.agent.runtimes.kubernetes.starting.progress import Messages
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError

_log = log.get(part="agent.kubernetes.messages")
EVENTS_EVERY = 3.0
"""Seconds between two looks at the events of one object that waits."""
REQUESTS = 4
"""Requests for events at a time: they must never keep writes waiting."""
STUCK_AFTER = 8.0
"""Seconds after which a pod without a container is asked about."""
_KEPT = 500
"""Objects whose events are remembered, and containers whose images are."""
_STUCK = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"}
)
"""Reasons of events about a pod with which its node cannot begin."""
_SCALING = frozenset({"TriggeredScaleUp", "Nominated"})
"""Reasons of Cluster Autoscaler and Karpenter, when they add a node for a pod."""
_NOT_SCALING = frozenset({"NotTriggerScaleUp"})
_CLAIM_REASONS = frozenset({"FailedBinding", "ExternalProvisioning"})
"""Reasons of events about claims that are no warnings, and say why one waits."""


class MessageReader:
    """Reads the messages about all starts. `wait` False: nothing is asked for now; what is known
    already is told."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._images: dict[tuple[str, str], str] = {}
        """By uid of the pod and container: the registry's last answer."""
        self._events: dict[str, tuple[float, list[Event]]] = {}
        self._requests = asyncio.Semaphore(REQUESTS)

    async def read(
        self, pod: Pod | None, found: Sequence[ClusterObject], *, since: float, wait: bool
    ) -> Messages:
        """`pod`: the one that is started; `found`: all objects of the workspace. `since`: when the
        start began (seconds since the epoch). A claim outlives starts, and what was said of it
        during an earlier one may no longer be so."""
        claims = {}
        for item in found:
            if isinstance(item, VolumeClaim) and item.status.phase == "Pending":
                told = [
                    event
                    for event in await self._events_of(item, wait)
                    if _is_of_claim(event, since)
                ]
                if told:
                    claims[item.name] = told[-1].message
        images = await self._images_of(pod, wait) if pod is not None else {}
        stuck = await self._events_of(pod, wait) if pod is not None and self._is_stuck(pod) else []
        return Messages(
            images=images,
            claims=claims,
            scaling=_last(stuck, _SCALING),
            not_scaling=_last(stuck, _NOT_SCALING),
            stuck=_last(stuck, _STUCK),
            given_up=_given_up(found),
        )

    async def _images_of(self, pod: Pod, wait: bool) -> dict[str, str]:
        """By container that waits for its image: why. The status says so only when it was tried
        last."""
        images = {}
        for status in pod.containers:
            key, waiting = (pod.metadata.uid, status.name), status.waiting
            if waiting.reason in states.PULL_REASONS and waiting.reason != "ImagePullBackOff":
                self._images[key] = waiting.message
            if waiting.reason in states.IMAGE_REASONS:
                if key not in self._images and waiting.reason == "ImagePullBackOff":
                    await self._recall_pull(pod, status.name, wait)
                images[status.name] = self._images.get(key) or waiting.message
        while len(self._images) > _KEPT:
            self._images.pop(next(iter(self._images)))
        return images

    async def _recall_pull(self, pod: Pod, container: str, wait: bool) -> None:
        """Takes the registry's answer from the events: the status only says that it is tried again
        later."""
        for event in await self._events_of(pod, wait):
            about_it = f"{{{container}}}" in event.involved_object.field_path
            if event.reason == "Failed" and about_it and "Failed to pull image" in event.message:
                self._images[pod.metadata.uid, container] = event.message

    def _is_stuck(self, pod: Pod) -> bool:
        """Whether nothing of the pod has begun for a while."""
        begun = any(status.running is not None or status.image_id for status in pod.containers)
        return not begun and self._clock.now() - (pod.metadata.created_at or 0.0) > STUCK_AFTER

    async def _events_of(self, item: ClusterObject, wait: bool) -> list[Event]:
        """Oldest first; asked for every few seconds at most. An API server that does not answer
        tells nothing."""
        uid, now = item.metadata.uid, self._clock.now()
        asked_at, known = self._events.get(uid, (0.0, []))
        if not wait or now - asked_at < EVENTS_EVERY:
            return known
        fields = f"involvedObject.uid={uid}"
        try:
            async with self._requests:
                events = await self._client.list_all(EVENT, namespace=item.namespace, fields=fields)
        except MoorageError as error:
            _log.info("events cannot be read", error=str(error))
            return known
        events.sort(key=lambda event: event.last_seen_at)
        self._events[uid] = (now, events)
        while len(self._events) > _KEPT:
            self._events.pop(next(iter(self._events)))
        return events


def _is_of_claim(event: Event, since: float) -> bool:
    """Whether the event says why a claim waits now. Events have whole seconds."""
    says_why = event.type == "Warning" or event.reason in _CLAIM_REASONS
    return says_why and event.last_seen_at >= int(since)


def _last(events: Sequence[Event], reasons: frozenset[str]) -> str:
    return next((event.message for event in reversed(events) if event.reason in reasons), "")


def _given_up(found: Sequence[ClusterObject]) -> str:
    """Why a node gave a pod up. One that is deleted ends as Failed or Succeeded, too, since
    Kubernetes 1.27: nobody gave that one up."""
    message = ""
    for item in found:
        if isinstance(item, Pod) and states.failed(item) and not item.metadata.deleted:
            cause = causes.given_up(item.status.reason, item.status.message)
            message = f"{cause.message} {cause.detail}".strip()
    return message
