"""Reads off a workspace's objects how far its start is. No I/O: what has to be asked for (events,
logs) comes in.

Times are the cluster's where they are old, and this process's own where they have just come: the
cluster's have whole seconds only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from moorage.agent import causes as engine_causes
from moorage.agent.causes import Verdict
from moorage.agent.runtimes.cloning import CloneLog
from moorage.agent.runtimes.kubernetes.api.model import (
    ContainerStatus,
    Deployment,
    Pod,
    VolumeClaim,
)
from moorage.agent.runtimes.kubernetes.observed import causes, states
from moorage.agent.runtimes.kubernetes.wanted.names import CLONE_STEP, SANDBOX
from moorage.agent.runtimes.start_state import StartState
from moorage.agent.runtimes.timeline import Timeline
from moorage.contract import Cause, DesiredWorkspace, StageName

NO_POD = "The cluster has yet to make the workspace's pod."
FORMER_POD = "The workspace's former pod must have gone before the quota leaves room for another."
REFUSED_FOR = 30.0
"""Seconds that a refusal of the pod must have stood: the cluster tries again, and what it was for
may have gone by then."""
COUNTED_FOR = 90.0
"""Seconds that a quota's refusal must have stood where the workspace had another pod: quotas are
counted anew some time after that one has gone, and the cluster's pauses between its tries double
each time."""
FRESH = 3.0
"""Seconds within which a time of the cluster's is taken for now."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """The time that each part of a start may take, in seconds."""

    editor: float = 90.0
    clone: float = 1800.0
    pull: float = 1800.0
    schedule: float = 600.0


class Messages(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster's words about a start beside the status of the objects, mostly in events."""

    images: Mapping[str, str] = {}
    """By container: why its image is not there."""
    claims: Mapping[str, str] = {}
    """By claim: why it has no volume."""
    scaling: str = ""
    """An autoscaler's, that adds a node for the pod."""
    not_scaling: str = ""
    """An autoscaler's, that adds none."""
    stuck: str = ""
    """Why the pod's node cannot begin with it."""
    given_up: str = ""
    """Why a node gave the former pod up."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A start at one time."""

    desired: DesiredWorkspace
    deployment: Deployment
    pod: Pod | None
    former_pod: bool = False
    """Whether another pod of the workspace is there, which counts towards its quota."""
    claims: Sequence[VolumeClaim] = ()
    messages: Messages = Messages()
    main_lines: str = ""
    """The last that the main container wrote; asked for when the editor does not answer."""
    now: float = 0.0
    """Seconds since the epoch."""


class StartProgress(StartState):
    """The progress of one start, brought up to date by each snapshot. `run`: which life of the
    containers it is of."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run
        self.began = _float(run) or 0.0
        self.clone_log = CloneLog()
        self._pod = ""
        """uid of the pod whose start is followed."""
        self._given_up = ""
        """Why a node gave up the pod before it."""
        self._refusal = ""
        """Why the cluster does not make the pod."""
        self._refused_since: float | None = None
        self.refused_parts: dict[str, Cause] = {}
        """Side containers without which the cluster may let the pod pass, and why, by name."""
        self._had_another = False
        """Whether the workspace has had a pod before the one that is to come."""
        self._seen: dict[str, float] = {}
        """When each run of a container was seen first."""

    def update(self, at: Snapshot, timeouts: Timeouts) -> bool:
        """Whether the snapshot told anything new."""
        before = self.progress
        self._begin_anew(at)
        self._received(at)
        self._refused(at, timeouts)
        self._volume(at, timeouts)
        if (pod := at.pod) is None:
            detail = self._refusal or self._given_up or NO_POD
            self.timeline.begin(StageName.CONTAINERS, at.now, detail)
        else:
            self._image(at, pod, timeouts)
            self._containers(at, pod, timeouts)
            self._clone(at, pod, timeouts)
            self._editor(at, pod, timeouts)
        return self.progress != before

    def waited(self, pod: Pod, status: ContainerStatus, now: float) -> float:
        """Seconds for which this run of a container has been seen. The time of its start is its
        node's, whose clock may be minutes away from this one."""
        return now - self._seen.setdefault(states.run_key(pod, status), now)

    def _begin_anew(self, at: Snapshot) -> None:
        """Another pod of the same run (one was deleted, or its node gave it up) starts from the
        beginning."""
        uid = at.pod.metadata.uid if at.pod is not None else ""
        if self._pod and uid != self._pod:
            self.timeline, self.clone_log = Timeline(), CloneLog()
            self.cloned = self.answered = False
            self.began, self._pod, self._had_another = at.now, "", True
            self._seen.clear()
        self._pod = uid or self._pod
        self._given_up = at.messages.given_up or self._given_up

    def _received(self, at: Snapshot) -> None:
        received = self.began or at.now
        self.timeline.begin(StageName.RECEIVED, received)
        self.timeline.end(StageName.RECEIVED, received)

    def _refused(self, at: Snapshot, timeouts: Timeouts) -> None:
        message = _refusal(at.deployment) if at.pod is None else None
        if message is None:
            self._refusal, self._refused_since = "", None
            return
        verdict = causes.pod_refused(message)
        self._refusal = _detail(verdict)
        self._had_another |= at.former_pod
        if at.former_pod and verdict.cause.code == "quota-exceeded":
            self._refusal, self._refused_since = FORMER_POD, None
            return
        if self._refused_since is None:
            self._refused_since = at.now
        allowed = timeouts.schedule
        if verdict.final:
            counted = self._had_another and verdict.cause.code == "quota-exceeded"
            allowed = COUNTED_FOR if counted else REFUSED_FOR
        if at.now - self._refused_since > allowed:
            self._give_up_pod(at, verdict.cause, message)

    def _give_up_pod(self, at: Snapshot, cause: Cause, message: str) -> None:
        """A refusal of side containers alone is theirs: the workspace may go on without them."""
        spec = at.desired.spec
        named: tuple[str, ...] = ()
        if cause.code == "admission-refused":
            named = causes.parts_named(message, spec)
            cause = causes.about_parts(cause, named)
        made = {container.name for container in at.deployment.template.spec.containers}
        if named and spec.main_container not in named and made.issuperset(named):
            self.refused_parts = dict.fromkeys(named, cause)
        else:
            self.fail_at(StageName.CONTAINERS, cause, at.now)

    def _volume(self, at: Snapshot, timeouts: Timeouts) -> None:
        self.timeline.begin(StageName.VOLUME, self.began or at.now)
        pending = [claim for claim in at.claims if claim.status.phase != "Bound"]
        if at.claims and not pending:
            made = [claim.metadata.created_at for claim in at.claims]
            kept = bool(self.began) and all(
                time is not None and time < self.began - FRESH for time in made
            )
            scheduled = _since(at.pod, "PodScheduled")
            self.timeline.end(StageName.VOLUME, self.began if kept else _recent(scheduled, at.now))
            return
        for claim in pending:
            message = at.messages.claims.get(claim.name, "")
            if not message:
                continue
            verdict = causes.volume_pending(claim.name, message)
            # One that an earlier start left has not been waited for since then.
            since = max(claim.metadata.created_at or at.now, self.began)
            if verdict.final or at.now - since > timeouts.schedule:
                self.fail_at(StageName.VOLUME, verdict.cause, at.now)
            else:
                self.timeline.begin(StageName.VOLUME, at.now, _detail(verdict))

    def _image(self, at: Snapshot, pod: Pod, timeouts: Timeouts) -> None:
        if not pod.containers:
            return
        since = _since(pod, "PodScheduled") or at.now
        self.timeline.begin(StageName.IMAGE, _recent(since, at.now) or at.now)
        self.side_faults = self._side_faults(at, pod)
        awaited = [status for status in pod.containers if status.name not in self.side_faults]
        for status in awaited:
            if status.waiting.reason not in states.IMAGE_REASONS:
                continue
            message = at.messages.images.get(status.name) or status.waiting.message
            verdict = causes.image(status.image, status.waiting.reason, message)
            if status.name in states.OURS:
                verdict = engine_causes.tools_image(
                    status.image, verdict.cause, engine_causes.KUBERNETES
                )
            if verdict.final or at.now - since > timeouts.pull:
                self.fail_at(StageName.IMAGE, verdict.cause, at.now)
            else:
                self.timeline.begin(StageName.IMAGE, at.now, _detail(verdict))
            return
        if all(status.image_id for status in awaited):
            self.timeline.end(StageName.IMAGE, _recent(_last_start(awaited), at.now))

    def _side_faults(self, at: Snapshot, pod: Pod) -> dict[str, Cause]:
        """Why side containers have no image, or their node could not make them. Nobody waits for
        them; the node goes on trying."""
        found = {}
        for status in pod.status.container_statuses:
            if status.name in {*states.OURS, at.desired.spec.main_container}:
                continue
            verdict = states.not_begun(status)
            if status.waiting.reason in states.IMAGE_REASONS:
                message = at.messages.images.get(status.name) or status.waiting.message
                verdict = causes.image(status.image, status.waiting.reason, message)
            if verdict is None:
                continue
            known = self.side_faults.get(status.name)
            began = known.since if known is not None else at.now
            found[status.name] = msgspec.structs.replace(verdict.cause, since=began)
        return found

    def _containers(self, at: Snapshot, pod: Pod, timeouts: Timeouts) -> None:
        created = pod.metadata.created_at or at.now
        verdict = self._unscheduled(at, pod)
        detail = _detail(verdict) if verdict is not None else ""
        for status in pod.status.init_container_statuses:
            if status.name not in states.OURS and status.running is not None:
                detail = f"PreStart step {status.name} runs."
        if not detail and at.messages.stuck:
            verdict = causes.pod_stuck(at.messages.stuck)
            detail = _detail(verdict)
        if not detail:
            needed = [each for each in pod.containers if each.name not in self.side_faults]
            waits = [found for each in needed if (found := states.not_begun(each))]
            if passing := next((each for each in waits if not each.final), None):
                verdict, detail = passing, _detail(passing)
        if verdict is not None and at.now - created > timeouts.schedule:
            self.fail_at(StageName.CONTAINERS, verdict.cause, at.now)
            return
        detail = detail or self._given_up
        self.timeline.begin(StageName.CONTAINERS, _recent(created, at.now) or at.now, detail)
        regular = [s for s in pod.status.container_statuses if s.name not in self.side_faults]
        if regular and all(status.running is not None for status in regular):
            self.timeline.end(StageName.CONTAINERS, _recent(_last_start(regular), at.now))
            self._given_up = ""

    def _unscheduled(self, at: Snapshot, pod: Pod) -> Verdict | None:
        """Why no node takes the pod; None: one does, or the scheduler has not said anything."""
        scheduled = pod.condition("PodScheduled")
        if scheduled is None or scheduled.status != "False":
            return None
        messages = at.messages
        verdict = causes.unschedulable(
            scheduled.message, scaling=messages.scaling, not_scaling=messages.not_scaling
        )
        if verdict.cause.code == "volume-pending":
            # The claim itself says who makes it: the scheduler only that it is not there.
            waiting = (claim.name for claim in at.claims if claim.status.phase != "Bound")
            for name in waiting:
                if message := messages.claims.get(name, ""):
                    return causes.volume_pending(name, message)
        return verdict

    def _clone(self, at: Snapshot, pod: Pod, timeouts: Timeouts) -> None:
        self.troubles = self.clone_log.troubles
        cloning = cloning_container(pod)
        if not at.desired.spec.projects:
            self.timeline.skip(StageName.CLONE)
        elif cloning is not None:
            started = cloning.state.started_at
            self.timeline.begin(
                StageName.CLONE, _recent(started, at.now) or at.now, self.clone_log.detail
            )
            late = self.waited(pod, cloning, at.now) > timeouts.clone
            if started is not None and late and not self.clone_log.done:
                self.fail_at(
                    StageName.CLONE, engine_causes.clone_timeout(timeouts.clone).cause, at.now
                )
        sandbox = pod.container(SANDBOX)
        self.cloned = sandbox is not None and (bool(sandbox.started) or self.clone_log.done)
        if self.clone_log.done or self.cloned:
            self.timeline.end(StageName.CLONE, at.now if self.clone_log.done else None)
            self.timeline.tell(StageName.CLONE, self.clone_log.detail)
        if self.clone_log.fault is not None:
            self.fail_at(StageName.CLONE, self.clone_log.fault, at.now)

    def _editor(self, at: Snapshot, pod: Pod, timeouts: Timeouts) -> None:
        main = pod.container(at.desired.spec.main_container)
        self.answered = False
        if main is None or main.running is None:
            return
        editor = at.desired.spec.editor
        if editor is None:
            self.timeline.skip(StageName.EDITOR)
            self.answered = True
            return
        started = main.state.started_at or at.now
        detail = f"Waiting for {editor.name} to answer on port {editor.port}."
        self.timeline.begin(StageName.EDITOR, _recent(started, at.now) or at.now, detail)
        if main.started:
            self.answered = True
            self.timeline.end(StageName.EDITOR, _recent(_since(pod, "Ready"), at.now))
        elif self.waited(pod, main, at.now) > timeouts.editor:
            verdict = engine_causes.editor_not_answering(
                editor.port, editor.health_path, timeouts.editor, at.main_lines
            )
            self.fail_at(StageName.EDITOR, verdict.cause, at.now)


def cloning_container(pod: Pod) -> ContainerStatus | None:
    """The status of the container that clones now, if one runs."""
    for status in pod.containers:
        if status.name in (CLONE_STEP, SANDBOX) and status.running is not None:
            return status
    return None


def _refusal(deployment: Deployment) -> str | None:
    """The cluster's words about a pod that it does not make, if they are about the Deployment as it
    is now."""
    if deployment.status.observed_generation < deployment.metadata.generation:
        return None
    for condition in deployment.status.conditions:
        if condition.type == "ReplicaFailure" and condition.holds:
            return condition.message
    return None


def _detail(verdict: Verdict) -> str:
    detail = verdict.cause.detail.strip()
    return f"{verdict.cause.message} {detail}".strip()


def _since(pod: Pod | None, type_: str) -> float | None:
    """Since when a condition of the pod holds (seconds since the epoch); None: it does not."""
    condition = pod.condition(type_) if pod is not None else None
    return condition.changed_at if condition is not None and condition.holds else None


def _last_start(statuses: Sequence[ContainerStatus]) -> float | None:
    return max(
        (at for status in statuses if (at := status.state.started_at) is not None), default=None
    )


def _recent(at: float | None, now: float) -> float | None:
    return now if at is not None and abs(now - at) < FRESH else at


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
