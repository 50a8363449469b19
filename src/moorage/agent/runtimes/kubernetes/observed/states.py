"""From a workspace's objects to what the port calls `Run`. Pure.

The kubelet starts again what ended, after ever longer pauses; meanwhile it has exited. When that
happened too often before the agent saw it, there is no hope, either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from moorage.agent import causes
from moorage.agent.runtimes import ownership, rescue
from moorage.agent.runtimes.kubernetes.api.model import (
    ClusterObject,
    ContainerStatus,
    Deployment,
    Pod,
    Terminated,
    seconds,
)
from moorage.agent.runtimes.kubernetes.observed import causes as cluster_causes
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.names import CLONE_STEP, SANDBOX, TOOLS_STEP
from moorage.agent.runtimes.kubernetes.wanted.plan import LeftOut
from moorage.agent.runtimes.port import ObservedContainer, Progress, Rescue, Role, Run
from moorage.contract import Cause, ContainerState

T = TypeVar("T", bound=ClusterObject)
OURS = frozenset({SANDBOX, TOOLS_STEP, CLONE_STEP})
"""Containers that Moorage adds to a pod."""
_CANNOT_START = frozenset(
    {
        "CreateContainerError",
        "RunContainerError",
        "CreateContainerConfigError",
        "StartError",
        "ContainerCannotRun",
    }
)
PULL_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"}
)
"""The kubelet's words for a pull that failed; only the one for its waiting has no answer in it."""
IMAGE_REASONS = PULL_REASONS | {"InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one workspace's run."""

    deployment: Deployment | None = None
    pods: Sequence[Pod] = ()
    lines: Mapping[str, str] = {}
    """The last lines of containers that ended, by `run_key`."""
    unwatched: frozenset[str] = frozenset()
    """Ends that nobody saw happen, by `run_key`: of these, the node's count tells whether they are
    a loop."""
    missing: Sequence[str] = ()
    """The objects that a start would write, in words."""
    crash_limit: int = 3
    crash_window: float = 600.0
    """Seconds that a container must have run for its earlier ends to no longer count."""


class Halted(msgspec.Struct, frozen=True):
    """The last state of containers that were ended on purpose; an annotation of the Deployment."""

    containers: tuple[ObservedContainer, ...] = ()
    logs: dict[str, str] = {}
    """The last lines, by container."""
    fault: Cause | None = None


def run_of(facts: Facts, progress: Progress) -> Run | None:
    """None when there is neither a Deployment nor a pod."""
    deployment, pod = facts.deployment, current_pod(facts.pods)
    if pod is not None and failed(pod) and deployment is not None:
        # put out by its node: no end of its containers, and the Deployment makes another
        pod = None
    if deployment is None and pod is None:
        return None
    annotations = annotations_of(deployment)
    halted = halted_of(deployment)
    main = annotations.get(names.MAIN, "")
    containers = _with_faults(containers_of(pod, main, facts), progress)
    if pod is None and halted is not None:
        containers = halted.containers
    elif not containers and deployment is not None:
        containers = expected(deployment, main)
    containers = (*containers, *_left_out(deployment))
    return Run(
        restarts=number(annotations.get(ownership.RESTARTS)),
        spec=annotations.get(ownership.SPEC, ""),
        generation=number(annotations.get(ownership.GENERATION)),
        containers=containers,
        missing=tuple(facts.missing),
        address=address_of(pod),
        unreachable=unreachable_of(pod),
        settings=number(annotations.get(ownership.SETTINGS_VERSION)),
        restarts_itself=True,
        rescue=rescue_of(deployment),
        progress=progress,
    )


def containers_of(pod: Pod | None, main: str, facts: Facts) -> tuple[ObservedContainer, ...]:
    """The containers of a pod but for those of ours that are done. `main`: the name of the main
    one."""
    if pod is None:
        return ()
    found = []
    for statuses, init in (
        (pod.status.init_container_statuses, True),
        (pod.status.container_statuses, False),
    ):
        for status in statuses:
            done = status.state.terminated is not None and status.state.terminated.exit_code == 0
            if not (done and status.name in OURS - {SANDBOX}):
                found.append(_container(status, role_of(status.name, main, init=init), pod, facts))
    return tuple(sorted(found, key=_in_order))


def _with_faults(
    containers: tuple[ObservedContainer, ...], progress: Progress
) -> tuple[ObservedContainer, ...]:
    """The containers, those that wait for an image that is not to be had with the reason."""
    return tuple(
        msgspec.structs.replace(container, fault=progress.side_faults[container.name])
        if container.role == "sidecar"
        and container.state is ContainerState.WAITING
        and container.fault is None
        and container.name in progress.side_faults
        else container
        for container in containers
    )


def _left_out(deployment: Deployment | None) -> list[ObservedContainer]:
    return [
        ObservedContainer(
            name=name,
            role="sidecar",
            image=left.image,
            state=ContainerState.EXITED,
            fault=left.cause,
            left_out=True,
        )
        for name, left in left_out_of(deployment).items()
    ]


def expected(deployment: Deployment, main: str) -> tuple[ObservedContainer, ...]:
    """The containers that there will be, before a node has said anything of them."""
    spec = deployment.template.spec
    made = [
        ObservedContainer(
            name="sandbox" if container.name == SANDBOX else container.name,
            role=role_of(container.name, main, init=init),
            image=container.image,
            state=ContainerState.WAITING,
        )
        for containers, init in ((spec.init_containers, True), (spec.containers, False))
        for container in containers
        if container.name not in OURS - {SANDBOX}
    ]
    return tuple(sorted(made, key=_in_order))


def current_pod(pods: Sequence[Pod]) -> Pod | None:
    """The newest that is not on its way out; else the newest at all."""
    return max(
        pods, key=lambda pod: (not is_ending(pod), pod.metadata.created_at or 0.0), default=None
    )


def is_ending(pod: Pod) -> bool:
    return pod.metadata.deleted or failed(pod)


def present(items: Sequence[T]) -> list[T]:
    """The items without pods that are only left as records: on their way out, and nothing runs in
    them any more."""
    return [item for item in items if not (isinstance(item, Pod) and is_over(item))]


def living(pods: Sequence[Pod]) -> list[Pod]:
    return [pod for pod in pods if not is_over(pod)]


def is_over(pod: Pod) -> bool:
    """Whether a pod is being deleted and its containers have ended."""
    if not pod.metadata.deleted or not pod.containers:
        return False
    return all(status.running is None for status in pod.containers)


def run_of_pod(pod: Pod) -> str:
    """The life of the containers that a pod is of; see `names.RUN`."""
    return pod.metadata.annotations.get(names.RUN, "")


def ended_keys(pods: Sequence[Pod], *, needed: str = "") -> frozenset[str]:
    """The ends of containers that have not been started again since, by `run_key`. `needed`: the
    name of the main container, when only what a workspace cannot do without is meant."""
    found = []
    for pod in pods:
        if is_ending(pod):
            continue
        steps = pod.status.init_container_statuses
        for status in pod.containers:
            ended = status.ended
            if needed and status not in steps and status.name not in OURS | {needed}:
                continue
            if ended is not None and not (status in steps and ended.exit_code == 0):
                found.append(run_key(pod, status))
    return frozenset(found)


def failed(pod: Pod) -> bool:
    """Whether a node gave it up (eviction, lost node): such a pod stays as it is until somebody
    removes it."""
    return pod.status.phase in ("Failed", "Succeeded")


def address_of(pod: Pod | None) -> str:
    return "" if pod is None or is_ending(pod) else pod.status.pod_ip


def unreachable_of(pod: Pod | None) -> Cause | None:
    """The cause when a pod's node is not heard of; None: it is.

    The node controller then says that the pod is not ready, and changes nothing else. A kubelet
    that says so gives its reason, be it a container's readiness or a readiness gate, and says it of
    the container, too.
    """
    if pod is None or is_ending(pod):
        return None
    ready, containers = pod.condition("Ready"), pod.condition("ContainersReady")
    if ready is None or ready.status != "False" or ready.reason:
        return None
    if containers is None or not containers.holds:
        return None
    return cluster_causes.node_not_answering(pod.spec.node_name, ready.message)


def halted_of(deployment: Deployment | None) -> Halted | None:
    """The last state of a workspace that was ended on purpose; None: it was not."""
    text = annotations_of(deployment).get(names.HALTED, "")
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Halted)
    except msgspec.DecodeError:
        return Halted()


def rescue_of(deployment: Deployment | None) -> Rescue | None:
    """What a run is, when it is not the workspace's own."""
    return rescue.of_labels(annotations_of(deployment))


def left_out_of(deployment: Deployment | None) -> dict[str, LeftOut]:
    """The side containers that a run goes without, by name."""
    text = annotations_of(deployment).get(names.LEFT_OUT, "")
    try:
        return msgspec.json.decode(text, type=dict[str, LeftOut]) if text else {}
    except msgspec.DecodeError:
        return {}


def annotations_of(item: ClusterObject | None) -> Mapping[str, str]:
    return item.metadata.annotations if item is not None else {}


def run_key(pod: Pod, status: ContainerStatus) -> str:
    """Names one run of one container, from its start to its end."""
    return f"{pod.metadata.uid}/{status.name}/{status.restart_count}"


def role_of(name: str, main: str, *, init: bool) -> Role:
    """The role of a container of the pod. `main`: the name of the main one."""
    if name in OURS:
        return "sandbox"
    if init:
        return "init"
    return "main" if name == main else "sidecar"


def number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def not_begun(status: ContainerStatus) -> causes.Verdict | None:
    """Explains why the node could not make a container, or begin with it; None: it did not say so.
    One that is not final it tries again by itself."""
    if status.running is not None or status.waiting.reason not in _CANNOT_START:
        return None
    name = "sandbox" if status.name == SANDBOX else status.name
    words = status.waiting.message or status.waiting.reason
    return causes.of_engine(f"starting container {name}", 400, words)


def _container(status: ContainerStatus, role: Role, pod: Pod, facts: Facts) -> ObservedContainer:
    name = "sandbox" if role == "sandbox" else status.name
    observed = ObservedContainer(
        name=name,
        role=role,
        image=status.image,
        state=ContainerState.WAITING,
        restarts=status.restart_count,
    )
    if status.running is not None:
        return msgspec.structs.replace(
            observed, state=ContainerState.RUNNING, started_at=seconds(status.running.started_at)
        )
    if (ended := status.ended) is not None:
        return _ended(observed, ended, run_key(pod, status), facts, ending=is_ending(pod))
    verdict = not_begun(status)
    if verdict is not None and verdict.final:
        return msgspec.structs.replace(
            observed, state=ContainerState.EXITED, fault=verdict.cause, hopeless=True
        )
    return observed


def _ended(
    observed: ObservedContainer, ended: Terminated, key: str, facts: Facts, *, ending: bool
) -> ObservedContainer:
    """A container that ended and does not run again. `key`: its `run_key`; `ending`: its pod is on
    its way out."""
    verdict = _verdict(observed.name, observed.role, ended, facts.lines.get(key, ""))
    started, finished = seconds(ended.started_at), seconds(ended.finished_at)
    harmless = observed.role == "init" and ended.exit_code == 0
    # Of a container that is watched, whoever decides counts. The node's count is of the pod's whole
    # life; and one that ran
    # long before it ended is in no loop.
    short = finished is None or started is None or finished - started < facts.crash_window
    looping = key in facts.unwatched and observed.restarts >= facts.crash_limit and short
    fault = None if harmless else verdict.cause
    if looping and fault is not None:
        fault = causes.crash_loop(fault, observed.restarts).cause
    return msgspec.structs.replace(
        observed,
        state=ContainerState.WAITING if ending else ContainerState.EXITED,
        exit_code=None if ending else ended.exit_code,
        started_at=started,
        finished_at=finished,
        fault=fault,
        hopeless=not harmless and (verdict.final or looping),
    )


def _verdict(name: str, role: Role, ended: Terminated, lines: str) -> causes.Verdict:
    if ended.reason in _CANNOT_START:
        return causes.of_engine(f"starting container {name}", 400, ended.message or ended.reason)
    if role == "sandbox":
        return causes.sandbox_ended(ended.exit_code, lines)
    if role == "init" and ended.exit_code != 0:
        return causes.init_failed(name, ended.exit_code, lines)
    return causes.of_exit(
        name, ended.exit_code, lines or ended.message, oom=ended.reason == "OOMKilled"
    )


def _in_order(container: ObservedContainer) -> tuple[int, str]:
    return ("main", "sidecar", "init", "sandbox").index(container.role), container.name
