from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api.model import ContainerStatus, Deployment, Pod
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, POD
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.observed.states import Facts, Halted
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import ObservedContainer, Progress
from moorage.contract import ContainerState

RUNNING = {"running": {"startedAt": "2026-01-01T10:00:00Z"}}


def ended(code: int = 1, reason: str = "Error", *, lasted: int = 5) -> dict[str, Any]:
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "startedAt": "2026-01-01T10:00:00Z",
            "finishedAt": f"2026-01-01T10:{lasted // 60:02}:{lasted % 60:02}Z",
        }
    }


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def entry(
    name: str, state: dict[str, Any], *, last: dict[str, Any] | None = None, restarts: int = 0
) -> dict[str, Any]:
    return {
        "name": name,
        "image": "i:1",
        "state": state,
        "lastState": last or {},
        "restartCount": restarts,
    }


def pod(
    *entries: dict[str, Any],
    inits: tuple[dict[str, Any], ...] = (),
    status: dict[str, Any] | None = None,
    **metadata: Any,
) -> Pod:
    item = {
        "kind": "Pod",
        "metadata": {
            "name": "p",
            "uid": "u1",
            "creationTimestamp": "2026-01-01T09:59:00Z",
            **metadata,
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.9",
            "containerStatuses": list(entries),
            "initContainerStatuses": list(inits),
            **(status or {}),
        },
        "spec": {"nodeName": "n1"},
    }
    return POD.read(item)


def deployment(**annotations: str) -> Deployment:
    item = {
        "kind": "Deployment",
        "metadata": {
            "annotations": {
                ownership.RESTARTS: "2",
                ownership.SPEC: "abc",
                ownership.GENERATION: "5",
                names.MAIN: "py",
                **annotations,
            }
        },
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {"name": names.SANDBOX, "image": "t"},
                        {"name": "py", "image": "i:1"},
                    ],
                    "initContainers": [
                        {"name": names.TOOLS_STEP, "image": "t"},
                        {"name": "prepare", "image": "i"},
                    ],
                }
            }
        },
    }
    return DEPLOYMENT.read(item)


def main_of(item: Pod, lines: str = "", **facts: Any) -> ObservedContainer:
    (status,) = [status for status in item.containers if status.name == "py"]
    given = {states.run_key(item, status): lines} if lines else {}
    run = states.run_of(
        Facts(deployment=deployment(), pods=[item], lines=given, **facts), Progress()
    )
    assert run is not None
    return next(container for container in run.containers if container.role == "main")


def test_nothing_is_no_run() -> None:
    """Without Deployment and pod there is no run."""
    assert states.run_of(Facts(), Progress()) is None


def test_reads_the_deployments_annotations() -> None:
    """Which wish a run serves is in the cluster, not in the agent."""
    run = states.run_of(
        Facts(deployment=deployment(), pods=[pod(entry("py", RUNNING))]), Progress()
    )
    assert run is not None
    assert (run.restarts, run.spec, run.generation, run.address) == (2, "abc", 5, "10.0.0.9")


def test_containers_are_expected_before_a_node_speaks() -> None:
    """Before there is a pod, the devfile's containers and the sandbox are said to wait; the tools'
    copying is not shown."""
    run = states.run_of(Facts(deployment=deployment()), Progress())
    assert run is not None
    assert [(c.name, c.role, c.state.value) for c in run.containers] == [
        ("py", "main", "waiting"),
        ("prepare", "init", "waiting"),
        ("sandbox", "sandbox", "waiting"),
    ]


def test_a_container_that_ended_has_its_words() -> None:
    """While the kubelet waits to start it again, a container has exited, with code and last lines,
    and there is hope."""
    found = main_of(
        pod(entry("py", waiting("CrashLoopBackOff"), last=ended(3), restarts=1)), "oh no\n"
    )
    assert (found.state, found.exit_code, found.hopeless, found.restarts) == (
        ContainerState.EXITED,
        3,
        False,
        1,
    )
    assert found.fault is not None
    assert "oh no" in found.fault.detail


@pytest.mark.parametrize(
    ("restarts", "lasted", "hopeless"),
    [(2, 5, False), (3, 5, True), (9, 5, True), (9, 3599, False)],
)
def test_a_crash_loop_is_hopeless(restarts: int, lasted: int, hopeless: bool) -> None:
    """Three short lives are a crash loop, even if nobody watched; one that ran long before it ended
    is none. Ends that were watched are counted elsewhere: the node's count is of the pod's whole
    life, and three in a day are no loop."""
    item = pod(
        entry("py", waiting("CrashLoopBackOff"), last=ended(1, lasted=lasted), restarts=restarts)
    )
    assert main_of(item, unwatched=states.ended_keys([item])).hopeless is hopeless
    assert not main_of(item).hopeless


def test_out_of_memory_is_told() -> None:
    """What the kernel ended for its memory is told as that."""
    found = main_of(pod(entry("py", ended(137, "OOMKilled"))))
    assert found.fault is not None
    assert found.fault.code == "out-of-memory"


@pytest.mark.parametrize(
    "reason", ["RunContainerError", "CreateContainerError", "CreateContainerConfigError"]
)
def test_what_cannot_start_is_hopeless(reason: str) -> None:
    """A container that cannot be started is given up at once, with the node's words."""
    words = 'exec: "nope": executable file not found in $PATH: unknown'
    found = main_of(pod(entry("py", waiting(reason, words))))
    assert (found.state, found.hopeless) == (ContainerState.EXITED, True)
    assert found.fault is not None
    assert (found.fault.code, found.fault.detail) == ("command-not-found", words)


@pytest.mark.parametrize(
    "words",
    ["context deadline exceeded", 'secret "env-py" not found', 'name "x" is reserved for y'],
)
def test_what_the_node_tries_again_is_not_given_up(words: str) -> None:
    """A container that its node could not make yet waits, and the node's words are the reason."""
    found = main_of(pod(entry("py", waiting("CreateContainerError", words))))
    assert (found.state, found.hopeless) == (ContainerState.WAITING, False)
    status = msgspec.convert(entry("py", waiting("CreateContainerError", words)), ContainerStatus)
    begun = states.not_begun(status)
    assert begun is not None
    assert (begun.final, begun.cause.detail) == (False, words)


def test_a_step_that_is_done_has_no_fault() -> None:
    """A preStart step that ended with 0 is as it should be."""
    item = pod(entry("py", RUNNING), inits=(entry("prepare", ended(0, "Completed")),))
    run = states.run_of(Facts(deployment=deployment(), pods=[item]), Progress())
    assert run is not None
    step = next(container for container in run.containers if container.role == "init")
    assert (step.state, step.exit_code, step.fault, step.hopeless) == (
        ContainerState.EXITED,
        0,
        None,
        False,
    )
    assert states.ended_keys([item]) == frozenset()


def test_an_evicted_pod_is_no_crash() -> None:
    """A pod that its node put out says nothing about its containers; they are waited for in the
    next one."""
    item = pod(entry("py", ended(137)), status={"phase": "Failed", "reason": "Evicted"})
    found = states.run_of(Facts(deployment=deployment(), pods=[item]), Progress())
    assert found is not None
    assert {container.state for container in found.containers} == {ContainerState.WAITING}
    assert found.address == ""


def condition(kind: str, status: str, reason: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, **({"reason": reason} if reason else {})}


@pytest.mark.parametrize(
    ("conditions", "metadata", "told"),
    [
        ([condition("Ready", "True"), condition("ContainersReady", "True")], {}, False),
        ([condition("Ready", "False"), condition("ContainersReady", "True")], {}, True),
        (
            [
                condition("Ready", "False", "ContainersNotReady"),
                condition("ContainersReady", "False", "ContainersNotReady"),
            ],
            {},
            False,
        ),
        (
            [
                condition("Ready", "False", "ReadinessGatesNotReady"),
                condition("ContainersReady", "True"),
            ],
            {},
            False,
        ),
        (
            [
                condition("Ready", "False"),
                condition("ContainersReady", "False", "ContainersNotReady"),
            ],
            {},
            False,
        ),
        (
            [condition("Ready", "False"), condition("ContainersReady", "True")],
            {"deletionTimestamp": "2026-01-01T10:00:00Z"},
            False,
        ),
        ([], {}, False),
    ],
)
def test_a_node_that_does_not_answer(
    conditions: list[dict[str, str]], metadata: dict[str, str], told: bool
) -> None:
    """A node that is not heard of is named; probes that fail, readiness gates, and pods that go are
    something else. Its containers are as they were."""
    item = pod(entry("py", RUNNING), status={"conditions": conditions}, **metadata)
    run = states.run_of(Facts(deployment=deployment(), pods=[item]), Progress(ready=True))
    assert run is not None
    assert (run.unreachable is not None) is told
    if run.unreachable is not None:
        assert run.unreachable.code == "node-not-answering"
        assert "n1" in run.unreachable.message
    assert run.containers[0].state is ContainerState.RUNNING


def test_the_newest_pod_counts() -> None:
    """Of several pods, the one that stays is looked at, not the one that goes."""
    old = pod(
        entry("py", ended(0)),
        deletionTimestamp="2026-01-01T10:00:00Z",
        creationTimestamp="2026-01-02T00:00:00Z",
    )
    new = pod(entry("py", RUNNING))
    assert states.current_pod([old, new]) is new


def test_a_pod_that_only_lingers_is_not_present() -> None:
    """A pod that is being deleted and runs nothing is a record and no more; one that still runs is
    not."""
    over = pod(entry("py", ended(0)), deletionTimestamp="2026-01-01T10:00:00Z")
    running = pod(entry("py", RUNNING), deletionTimestamp="2026-01-01T10:00:00Z")
    assert states.present([over, running]) == [running]
    assert states.living([over, running]) == [running]


def test_a_halted_run_is_remembered() -> None:
    """What was ended on purpose is read from the Deployment, with its containers and why."""
    kept = ObservedContainer(
        name="py", role="main", image="i", state=ContainerState.EXITED, exit_code=3
    )
    text = msgspec.json.encode(Halted(containers=(kept,), logs={"py": "x"})).decode()
    run = states.run_of(Facts(deployment=deployment(**{names.HALTED: text})), Progress())
    assert run is not None
    assert run.containers == (kept,)
    assert not run.alive
    assert states.halted_of(deployment(**{names.HALTED: "{"})) == Halted()
