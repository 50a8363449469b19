"""How far one workspace's start is, read off its objects. No I/O: what has to be asked for (events, lines) comes in.

Times are the cluster's where they are old, and this process's own where they have just come: the cluster's have whole
seconds only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from moorage.agent import causes as engine_causes
from moorage.agent.causes import Verdict
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.observed import causes, states
from moorage.agent.runtimes.kubernetes.starting.clone import Heard
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.names import SANDBOX
from moorage.agent.runtimes.port import Progress
from moorage.agent.runtimes.timeline import Timeline
from moorage.contract import Cause, DesiredWorkspace, StageName

SCALING, NOT_SCALING, STUCK, PUT_OUT = "\tscaling", "\tnot scaling", "\tstuck", "\tput out"
"""Of a sight's words: an autoscaler's, why the pod's node cannot begin, why a node gave the former pod up. No object's name."""
NO_POD = "The cluster has yet to make the workspace's pod."
FORMER_POD = "The workspace's former pod must have gone before the quota leaves room for another."
REFUSED_FOR = 30.0
"""Seconds that a refusal of the pod must have stood: the cluster tries again, and what it was for may have gone by then."""
COUNTED_FOR = 90.0
"""The same of a quota, where the workspace had another pod: quotas are counted anew some time after that one has gone, and the
cluster's pauses between its tries double each time."""
FRESH = 3.0
"""Seconds within which a time of the cluster's is taken for now."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long each thing may take, in seconds."""

    editor: float = 90.0
    clone: float = 1800.0
    pull: float = 1800.0
    schedule: float = 600.0


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to see of a start."""

    desired: DesiredWorkspace
    deployment: Object
    pod: Object | None
    former: bool = False
    """Whether another pod of the workspace is there, which counts towards its quota."""
    claims: Sequence[Object] = ()
    words: Mapping[str, str] = {}
    """What events say: by container name about its image, by claim name about it; the rest under the names of `attend`."""
    lines: str = ""
    """The last that the main container wrote; asked for when the editor does not answer."""
    now: float = 0.0


class Track:
    def __init__(self, run: str) -> None:
        self.run = run
        self.began = _float(run) or 0.0
        self.pod = ""
        """uid of the pod whose start is followed."""
        self.put_out = ""
        """Why a node gave up the pod before it."""
        self.refusal = ""
        """Why the cluster does not make the pod."""
        self.refused_since: float | None = None
        self._had_another = False
        """Whether the workspace has had a pod before the one that is to come."""
        self.timeline = Timeline()
        self.heard = Heard()
        self.fault: Cause | None = None
        self.cloned = False
        self.answered = False
        self._seen: dict[str, float] = {}

    @property
    def progress(self) -> Progress:
        ready = self.cloned and self.answered and self.fault is None
        return Progress(stages=self.timeline.stages(), ready=ready, fault=self.fault)

    def look(self, sight: Sight, patience: Patience) -> bool:
        """Takes in what is to see; whether that told anything new."""
        before = self.progress
        self._begin_anew(sight)
        self._received(sight)
        self._refused(sight, patience)
        self._volume(sight, patience)
        if sight.pod is None:
            self.timeline.begin(StageName.CONTAINERS, sight.now, self.refusal or self.put_out or NO_POD)
        else:
            self._image(sight, patience)
            self._containers(sight, patience)
            self._clone(sight, patience)
            self._editor(sight, patience)
        return self.progress != before

    def waited(self, pod: Object, entry: Mapping[str, Any], now: float) -> float:
        """Seconds for which this run of a container has been seen. The time of its start is its node's, whose clock may be
        minutes away from this one."""
        return now - self._seen.setdefault(states.lines_key(pod, entry), now)

    def fail(self, stage: StageName, cause: Cause, now: float) -> None:
        if self.fault is None:
            self.fault = msgspec.structs.replace(cause, since=now)
            self.timeline.begin(stage, now)
            self.timeline.fail(stage, now, cause.message)

    def _begin_anew(self, sight: Sight) -> None:
        """Another pod of the same run (one was deleted, or its node gave it up) starts from the beginning."""
        uid = sight.pod["metadata"]["uid"] if sight.pod is not None else ""
        if self.pod and uid != self.pod:
            self.timeline, self.heard = Timeline(), Heard()
            self.cloned = self.answered = False
            self.began, self.pod, self._had_another = sight.now, "", True
            self._seen.clear()
        self.pod = uid or self.pod
        if words := sight.words.get(PUT_OUT):
            self.put_out = words

    def _received(self, sight: Sight) -> None:
        at = self.began or sight.now
        self.timeline.begin(StageName.RECEIVED, at)
        self.timeline.end(StageName.RECEIVED, at)

    def _refused(self, sight: Sight, patience: Patience) -> None:
        message = _refusal(sight.deployment) if sight.pod is None else None
        if message is None:
            self.refusal, self.refused_since = "", None
            return
        verdict = causes.pod_refused(message)
        self.refusal = _said(verdict)
        self._had_another |= sight.former
        if sight.former and verdict.cause.code == "quota-exceeded":
            self.refusal, self.refused_since = FORMER_POD, None
            return
        if self.refused_since is None:
            self.refused_since = sight.now
        patient_for = patience.schedule
        if verdict.final:
            counted = self._had_another and verdict.cause.code == "quota-exceeded"
            patient_for = COUNTED_FOR if counted else REFUSED_FOR
        if sight.now - self.refused_since > patient_for:
            self.fail(StageName.CONTAINERS, verdict.cause, sight.now)

    def _volume(self, sight: Sight, patience: Patience) -> None:
        self.timeline.begin(StageName.VOLUME, self.began or sight.now)
        pending = [c for c in sight.claims if (c.get("status") or {}).get("phase") != "Bound"]
        if sight.claims and not pending:
            made = [states.seconds(claim["metadata"].get("creationTimestamp")) for claim in sight.claims]
            kept = bool(self.began) and all(at is not None and at < self.began - FRESH for at in made)
            self.timeline.end(
                StageName.VOLUME, self.began if kept else _recent(_scheduled_at(sight.pod), sight.now)
            )
            return
        for claim in pending:
            words = sight.words.get(claim["metadata"]["name"], "")
            if not words:
                continue
            verdict = causes.volume_pending(claim["metadata"]["name"], words)
            # One that an earlier start left has not been waited for since then.
            since = max(states.seconds(claim["metadata"].get("creationTimestamp")) or sight.now, self.began)
            if verdict.final or sight.now - since > patience.schedule:
                self.fail(StageName.VOLUME, verdict.cause, sight.now)
            else:
                self.timeline.begin(StageName.VOLUME, sight.now, _said(verdict))

    def _image(self, sight: Sight, patience: Patience) -> None:
        assert sight.pod is not None
        entries = states.statuses(sight.pod)
        if not entries:
            return
        since = _scheduled_at(sight.pod) or sight.now
        self.timeline.begin(StageName.IMAGE, _recent(since, sight.now) or sight.now)
        for entry in entries:
            waiting = (entry.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") not in states.IMAGE_REASONS:
                continue
            words = sight.words.get(entry["name"]) or waiting.get("message") or ""
            verdict = causes.image(entry["image"], waiting["reason"], words)
            if entry["name"] in states.OURS:
                verdict = engine_causes.tools_image(entry["image"], verdict.cause)
            if verdict.final or sight.now - since > patience.pull:
                self.fail(StageName.IMAGE, verdict.cause, sight.now)
            else:
                self.timeline.begin(StageName.IMAGE, sight.now, _said(verdict))
            return
        if all(entry.get("imageID") for entry in entries):
            self.timeline.end(StageName.IMAGE, _recent(_last_start(entries), sight.now))

    def _containers(self, sight: Sight, patience: Patience) -> None:
        assert sight.pod is not None
        created = states.seconds(sight.pod["metadata"].get("creationTimestamp")) or sight.now
        detail = ""
        for condition in sight.pod.get("status", {}).get("conditions") or ():
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                verdict = causes.unschedulable(
                    condition.get("message") or "",
                    scaling=sight.words.get(SCALING, ""),
                    not_scaling=sight.words.get(NOT_SCALING, ""),
                )
                if sight.now - created > patience.schedule:
                    self.fail(StageName.CONTAINERS, verdict.cause, sight.now)
                    return
                detail = _said(verdict)
        for entry in sight.pod.get("status", {}).get("initContainerStatuses") or ():
            if entry["name"] not in states.OURS and "running" in (entry.get("state") or {}):
                detail = f"PreStart step {entry['name']} runs."
        if not detail and STUCK in sight.words:
            verdict = causes.pod_stuck(sight.words[STUCK])
            if sight.now - created > patience.schedule:
                self.fail(StageName.CONTAINERS, verdict.cause, sight.now)
                return
            detail = _said(verdict)
        detail = detail or self.put_out
        self.timeline.begin(StageName.CONTAINERS, _recent(created, sight.now) or sight.now, detail)
        regular = sight.pod.get("status", {}).get("containerStatuses") or ()
        if regular and all((entry.get("state") or {}).get("running") for entry in regular):
            self.timeline.end(StageName.CONTAINERS, _recent(_last_start(regular), sight.now))
            self.put_out = ""

    def _clone(self, sight: Sight, patience: Patience) -> None:
        assert sight.pod is not None
        cloning = cloning_container(sight.pod)
        if not sight.desired.spec.projects:
            self.timeline.skip(StageName.CLONE)
        elif cloning is not None:
            started = states.seconds((cloning.get("state") or {}).get("running", {}).get("startedAt"))
            self.timeline.begin(StageName.CLONE, _recent(started, sight.now) or sight.now, self.heard.detail)
            late = self.waited(sight.pod, cloning, sight.now) > patience.clone
            if started is not None and late and not self.heard.done:
                self.fail(StageName.CLONE, engine_causes.clone_timeout(patience.clone).cause, sight.now)
        sandbox = _entry(sight.pod, SANDBOX)
        done = sandbox is not None and (bool(sandbox.get("started")) or self.heard.done)
        if self.heard.done or done:
            self.timeline.end(StageName.CLONE, sight.now if self.heard.done else None)
        self.cloned = done
        if self.heard.fault is not None:
            self.fail(StageName.CLONE, self.heard.fault, sight.now)

    def _editor(self, sight: Sight, patience: Patience) -> None:
        assert sight.pod is not None
        main = _entry(sight.pod, sight.desired.spec.main_container)
        running = ((main or {}).get("state") or {}).get("running")
        self.answered = False
        if main is None or running is None:
            return
        editor = sight.desired.spec.editor
        if editor is None:
            self.timeline.skip(StageName.EDITOR)
            self.answered = True
            return
        started = states.seconds(running.get("startedAt")) or sight.now
        detail = f"Waiting for {editor.name} to answer on port {editor.port}."
        self.timeline.begin(StageName.EDITOR, _recent(started, sight.now) or sight.now, detail)
        if main.get("started"):
            self.answered = True
            self.timeline.end(StageName.EDITOR, _recent(_ready_at(sight.pod), sight.now))
        elif self.waited(sight.pod, main, sight.now) > patience.editor:
            verdict = engine_causes.editor_not_answering(
                editor.port, editor.health_path, patience.editor, sight.lines
            )
            self.fail(StageName.EDITOR, verdict.cause, sight.now)


def _refusal(deployment: Object) -> str | None:
    """The cluster's words about a pod that it does not make, if they are about the Deployment as it is now."""
    status = deployment.get("status") or {}
    if (status.get("observedGeneration") or 0) < (deployment.get("metadata", {}).get("generation") or 0):
        return None
    for condition in status.get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return condition.get("message") or ""
    return None


def cloning_container(pod: Object) -> Mapping[str, Any] | None:
    """The status of the container that clones now, if one runs."""
    for entry in states.statuses(pod):
        if entry["name"] in (names.CLONE_STEP, SANDBOX) and "running" in (entry.get("state") or {}):
            return entry
    return None


def _entry(pod: Object, name: str) -> Mapping[str, Any] | None:
    for entry in pod.get("status", {}).get("containerStatuses") or ():
        if entry["name"] == name:
            return dict(entry)
    return None


def _said(verdict: Verdict) -> str:
    detail = verdict.cause.detail.strip()
    return f"{verdict.cause.message} {detail}".strip()


def _scheduled_at(pod: Object | None) -> float | None:
    return _condition_at(pod, "PodScheduled")


def _ready_at(pod: Object) -> float | None:
    return _condition_at(pod, "Ready")


def _condition_at(pod: Object | None, kind: str) -> float | None:
    for condition in ((pod or {}).get("status") or {}).get("conditions") or ():
        if condition["type"] == kind and condition["status"] == "True":
            return states.seconds(condition.get("lastTransitionTime"))
    return None


def _last_start(entries: Sequence[Mapping[str, Any]]) -> float | None:
    starts = [
        states.seconds(((entry.get("state") or {}).get(kind) or {}).get("startedAt"))
        for entry in entries
        for kind in ("running", "terminated")
    ]
    return max((at for at in starts if at is not None), default=None)


def _recent(at: float | None, now: float) -> float | None:
    return now if at is not None and abs(now - at) < FRESH else at


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
