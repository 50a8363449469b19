"""From a workspace's objects to what the port calls `Run`. Pure.

The kubelet starts again what ended, after ever longer pauses; meanwhile it has exited. When that happened too often before
the agent saw it, there is no hope, either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.observed import causes as cluster_causes
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.names import CLONE_STEP, SANDBOX, TOOLS_STEP
from moorage.agent.runtimes.port import ObservedContainer, Progress, Role, Run
from moorage.contract import Cause, ContainerState

OURS = frozenset({SANDBOX, TOOLS_STEP, CLONE_STEP})
_CANNOT_START = frozenset(
    {
        "CreateContainerError",
        "RunContainerError",
        "CreateContainerConfigError",
        "StartError",
        "ContainerCannotRun",
    }
)
IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one workspace's run."""

    deployment: Object | None = None
    pods: Sequence[Object] = ()
    lines: Mapping[str, str] = {}
    """The last lines of containers that ended, by `lines_key`."""
    unwatched: frozenset[str] = frozenset()
    """Ends that nobody saw happen, by `lines_key`: of these, the node's count tells whether they are a loop."""
    missing: Sequence[str] = ()
    crash_limit: int = 3
    crash_window: float = 600.0
    """Seconds that a container must have run for its earlier ends to no longer count."""


class Halted(msgspec.Struct, frozen=True):
    """What is kept of containers that were ended on purpose; an annotation of the Deployment."""

    containers: tuple[ObservedContainer, ...] = ()
    logs: dict[str, str] = {}
    """The last lines, by container."""
    fault: Cause | None = None


def run_of(facts: Facts, progress: Progress) -> Run | None:
    """None when there is neither a Deployment nor a pod."""
    deployment, pod = facts.deployment, current_pod(facts.pods)
    if pod is not None and failed(pod) and deployment is not None:
        pod = None  # put out by its node: no end of its containers, and the Deployment makes another
    if deployment is None and pod is None:
        return None
    annotations = annotations_of(deployment)
    halted = halted_of(deployment)
    main = annotations.get(names.MAIN, "")
    containers = containers_of(pod, main, facts)
    if pod is None and halted is not None:
        containers = halted.containers
    elif not containers and deployment is not None:
        containers = expected(deployment, main)
    return Run(
        restarts=number(annotations.get(names.RESTARTS)),
        spec=annotations.get(names.SPEC, ""),
        generation=number(annotations.get(names.GENERATION)),
        containers=containers,
        missing=tuple(facts.missing),
        address=address_of(pod),
        unreachable=unreachable_of(pod),
        settings=number(annotations.get(names.SETTINGS_VERSION)),
        progress=progress,
    )


def containers_of(pod: Object | None, main: str, facts: Facts) -> tuple[ObservedContainer, ...]:
    if pod is None:
        return ()
    status = pod.get("status") or {}
    found = []
    for field, init in (("initContainerStatuses", True), ("containerStatuses", False)):
        for entry in status.get(field) or ():
            name = entry["name"]
            if (
                name in OURS - {SANDBOX}
                and (entry.get("state") or {}).get("terminated", {}).get("exitCode") == 0
            ):
                continue
            found.append(_container(entry, _role(name, main, init=init), pod, facts))
    return tuple(sorted(found, key=_in_order))


def expected(deployment: Object, main: str) -> tuple[ObservedContainer, ...]:
    """The containers that there will be, before a node has said anything of them."""
    spec = deployment["spec"]["template"]["spec"]
    made = [
        ObservedContainer(
            name="sandbox" if container["name"] == SANDBOX else container["name"],
            role=_role(container["name"], main, init=init),
            image=container["image"],
            state=ContainerState.WAITING,
        )
        for field, init in (("initContainers", True), ("containers", False))
        for container in spec.get(field) or ()
        if container["name"] not in OURS - {SANDBOX}
    ]
    return tuple(sorted(made, key=_in_order))


def current_pod(pods: Sequence[Object]) -> Object | None:
    """The newest that is not on its way out; else the newest at all."""
    if not pods:
        return None
    return max(pods, key=lambda pod: (not is_ending(pod), pod["metadata"].get("creationTimestamp") or ""))


def is_ending(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp")) or failed(pod)


def present(items: Sequence[Object]) -> list[Object]:
    """Without pods that are only left as records: on their way out, and nothing runs in them any more."""
    gone = [item for item in items if item["kind"] == "Pod" and is_over(item)]
    return [item for item in items if item not in gone]


def living(pods: Sequence[Object]) -> list[Object]:
    return [pod for pod in pods if not is_over(pod)]


def is_over(pod: Object) -> bool:
    """A pod that is being deleted, and whose containers have ended."""
    if not pod["metadata"].get("deletionTimestamp"):
        return False
    entries = statuses(pod)
    return bool(entries) and all("running" not in (entry.get("state") or {}) for entry in entries)


def run_of_pod(pod: Object) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(names.RUN, ""))


def ended_keys(pods: Sequence[Object]) -> frozenset[str]:
    """Each end of a container that has not been started again since."""
    found = []
    for pod in pods:
        if is_ending(pod):
            continue
        steps = (pod.get("status") or {}).get("initContainerStatuses") or ()
        for entry in statuses(pod):
            ended = ended_state(entry)
            if ended is not None and not (entry in steps and ended.get("exitCode") == 0):
                found.append(lines_key(pod, entry))
    return frozenset(found)


def failed(pod: Object) -> bool:
    """Whether a node gave it up (eviction, lost node): such a pod stays as it is until somebody removes it."""
    return bool(pod.get("status", {}).get("phase") in ("Failed", "Succeeded"))


def address_of(pod: Object | None) -> str:
    if pod is None or is_ending(pod):
        return ""
    return str(pod.get("status", {}).get("podIP") or "")


def unreachable_of(pod: Object | None) -> Cause | None:
    """Of a pod whose node is not heard of: the node controller then says that it is not ready, and changes nothing else. A
    kubelet that says so gives its reason, be it a container's readiness or a readiness gate, and of a container says it, too."""
    if pod is None or is_ending(pod):
        return None
    conditions = {item["type"]: item for item in (pod.get("status") or {}).get("conditions") or ()}
    ready, containers = conditions.get("Ready", {}), conditions.get("ContainersReady", {})
    if ready.get("status") != "False" or ready.get("reason") or containers.get("status") != "True":
        return None
    return cluster_causes.node_not_answering(
        pod.get("spec", {}).get("nodeName") or "", ready.get("message") or ""
    )


def halted_of(deployment: Object | None) -> Halted | None:
    text = annotations_of(deployment).get(names.HALTED, "")
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Halted)
    except msgspec.DecodeError:
        return Halted()


def annotations_of(item: Object | None) -> dict[str, str]:
    return dict((item or {}).get("metadata", {}).get("annotations") or {})


def statuses(pod: Object) -> list[dict[str, Any]]:
    """Of all containers, those of preStart first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def ended_state(entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How a container ended, if it did and does not run (again)."""
    state = entry.get("state") or {}
    if "terminated" in state:
        return dict(state["terminated"])
    if "waiting" in state and "terminated" in (entry.get("lastState") or {}):
        return dict(entry["lastState"]["terminated"])
    return None


def lines_key(pod: Object, entry: Mapping[str, Any]) -> str:
    """Names one end of one container."""
    return f"{pod['metadata']['uid']}/{entry['name']}/{entry.get('restartCount', 0)}"


def seconds(text: str | None) -> float | None:
    """RFC 3339 → seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp() if text else None


def number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _container(entry: Mapping[str, Any], role: Role, pod: Object, facts: Facts) -> ObservedContainer:
    state = entry.get("state") or {}
    restarts = int(entry.get("restartCount") or 0)
    name = "sandbox" if role == "sandbox" else entry["name"]
    kind, code, fault, hopeless = ContainerState.WAITING, None, None, False
    started = finished = None
    ended = ended_state(entry)
    if "running" in state:
        kind, started = ContainerState.RUNNING, seconds(state["running"].get("startedAt"))
    elif ended is not None:
        verdict = _verdict(name, role, entry, ended, facts.lines.get(lines_key(pod, entry), ""))
        code = ended.get("exitCode")
        started, finished = seconds(ended.get("startedAt")), seconds(ended.get("finishedAt"))
        harmless = role == "init" and code == 0
        fault = None if harmless else verdict.cause
        # Of a container that is watched, whoever decides counts. The node's count is of the pod's whole life; and one that ran
        # long before it ended is in no loop.
        short = finished is None or started is None or finished - started < facts.crash_window
        counted = lines_key(pod, entry) in facts.unwatched and restarts >= facts.crash_limit
        looping = counted and short
        hopeless = not harmless and (verdict.final or looping)
        if not is_ending(pod):
            kind = ContainerState.EXITED
        if looping and fault is not None:
            fault = causes.crash_loop(fault, restarts).cause
    elif (waiting := state.get("waiting") or {}).get("reason") in _CANNOT_START:
        verdict = causes.of_engine(
            f"starting container {name}", 400, waiting.get("message") or waiting["reason"]
        )
        kind, fault, hopeless = ContainerState.EXITED, verdict.cause, True
    return ObservedContainer(
        name=name,
        role=role,
        image=entry.get("image") or "",
        state=kind,
        exit_code=code if kind is ContainerState.EXITED else None,
        started_at=started,
        finished_at=finished,
        restarts=restarts,
        fault=fault,
        hopeless=hopeless,
    )


def _verdict(
    name: str, role: Role, entry: Mapping[str, Any], ended: Mapping[str, Any], lines: str
) -> causes.Verdict:
    code, reason = ended.get("exitCode"), ended.get("reason", "")
    if reason in _CANNOT_START:
        return causes.of_engine(f"starting container {name}", 400, ended.get("message") or reason)
    if role == "sandbox":
        return causes.sandbox_ended(code, lines)
    if role == "init" and code != 0:
        return causes.init_failed(name, code, lines)
    return causes.of_exit(name, code, lines or ended.get("message", ""), oom=reason == "OOMKilled")


def _role(name: str, main: str, *, init: bool) -> Role:
    if name in OURS:
        return "sandbox"
    if init:
        return "init"
    return "main" if name == main else "sidecar"


def _in_order(container: ObservedContainer) -> tuple[int, str]:
    return ("main", "sidecar", "init", "sandbox").index(container.role), container.name
