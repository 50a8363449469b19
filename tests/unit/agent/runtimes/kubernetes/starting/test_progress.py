"""How far a start is, read off a workspace's objects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes.kubernetes.api.model import Deployment, Pod, VolumeClaim
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, POD, VOLUME_CLAIM
from moorage.agent.runtimes.kubernetes.starting.progress import (
    NO_POD,
    Messages,
    Snapshot,
    StartProgress,
    Timeouts,
)
from moorage.contract import (
    Container,
    DesiredState,
    DesiredWorkspace,
    EditorSpec,
    Stage,
    StageName,
    StageState,
    WorkspaceSpec,
)

BEGAN = 1_700_000_000.0
TIMEOUTS = Timeouts(schedule=600.0)
DESIRED = DesiredWorkspace(
    name="workspace-1-1-abcdef",
    generation=1,
    desired=DesiredState.RUNNING,
    spec=WorkspaceSpec(
        containers=(Container(name="py", image="i:1"),),
        main_container="py",
        editor=EditorSpec(name="code-server", command=("start",)),
    ),
)


def claim_of(created: str, phase: str) -> VolumeClaim:
    return VOLUME_CLAIM.read(
        {"metadata": {"name": "volume", "creationTimestamp": created}, "status": {"phase": phase}}
    )


UP = {"running": {"startedAt": "2023-11-14T22:13:22Z"}}
CLAIM = claim_of("2023-11-14T22:13:20Z", "Bound")
UNSCHEDULED = {
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "message": "0/1 nodes are available: 1 Insufficient memory.",
        }
    ]
}


def pod(uid: str = "one", **status: Any) -> Pod:
    return POD.read(
        {"metadata": {"uid": uid, "creationTimestamp": "2023-11-14T22:13:20Z"}, "status": status}
    )


def running(uid: str = "one") -> Pod:
    state = {"running": {"startedAt": "2023-11-14T22:13:22Z"}}
    entries = [
        {"name": name, "image": "i:1", "imageID": "sha256:1", "state": state, "started": True}
        for name in ("moorage-sandbox", "py")
    ]
    return pod(uid, containerStatuses=entries)


def look(
    start: StartProgress,
    seen: Pod | None,
    after: float = 5.0,
    *,
    deployment: Deployment | None = None,
    former: bool = False,
    desired: DesiredWorkspace = DESIRED,
    **messages: str,
) -> dict[StageName, Stage]:
    snapshot = Snapshot(
        desired=desired,
        deployment=deployment or Deployment(),
        pod=seen,
        former_pod=former,
        claims=[CLAIM],
        messages=Messages(**messages),
        now=BEGAN + after,
    )
    start.update(snapshot, TIMEOUTS)
    return {stage.name: stage for stage in start.progress.stages}


def test_a_start_whose_containers_run_is_ready() -> None:
    """Sandbox and main container have passed their start-up probes: all stages are done."""
    start = StartProgress(f"{BEGAN:.3f}")
    stages = look(start, running())
    assert start.progress.ready
    assert {s.state for s in stages.values()} <= {StageState.DONE, StageState.SKIPPED}


@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        ("ErrImagePull", "i:2: not found", "image-not-found"),
        ("ImagePullBackOff", "Back-off pulling image: i:2: not found", "image-not-found"),
        ("CreateContainerConfigError", 'secret "env-db" not found', ""),
        ("CreateContainerError", "context deadline exceeded", ""),
    ],
)
def test_a_side_container_that_does_not_begin(reason: str, message: str, code: str) -> None:
    """Nobody waits for one whose image is not to be had, or which its node cannot make, however
    long that lasts: the start is ready, and the reason is told as that container's; once it runs,
    no more."""
    waits = {"waiting": {"reason": reason, "message": message}}
    side = {"name": "db", "image": "i:2", "state": waits}
    up = [
        {"name": s, "image": "i:1", "imageID": "sha256:1", "state": UP, "started": True}
        for s in ("moorage-sandbox", "py")
    ]
    start = StartProgress(f"{BEGAN:.3f}")
    for after in (5.0, 700.0, 4000.0):
        stages = look(start, pod("one", containerStatuses=[*up, side]), after)
        assert start.progress.ready
        assert start.progress.fault is None
        [fault] = start.progress.side_faults.values()
        assert fault.code == code or not code
        assert fault.since == BEGAN + 5.0
    assert {s.state for s in stages.values()} <= {StageState.DONE, StageState.SKIPPED}
    look(start, pod("one", containerStatuses=[*up, {**side, "state": UP, "imageID": "x"}]), 4001.0)
    assert start.progress.side_faults == {}


def test_no_pod_yet() -> None:
    """Until the cluster has made a pod, that is what is waited for."""
    assert look(StartProgress(f"{BEGAN:.3f}"), None)[StageName.CONTAINERS].detail == NO_POD


@pytest.mark.parametrize(
    ("seen", "words", "detail", "code"),
    [
        (pod(**UNSCHEDULED), {}, "enough memory", "insufficient-memory"),
        (
            pod(**UNSCHEDULED),
            {"scaling": "pod triggered scale-up: [{pool 1->2 (max: 5)}]"},
            "about 3 minutes",
            "insufficient-memory",
        ),
        (
            pod(**UNSCHEDULED),
            {"not_scaling": "pod didn't trigger scale-up: 1 max node group size reached"},
            "max node group size reached",
            "insufficient-memory",
        ),
        (
            pod(),
            {"stuck": 'MountVolume.SetUp failed for volume "x": no such device'},
            "no such device",
            "volume-not-mounted",
        ),
        (
            pod(),
            {"stuck": 'Failed to create pod sandbox: no runtime for "gvisor" is configured'},
            "runtime class",
            "runtime-class-unusable",
        ),
    ],
)
def test_what_a_pod_waits_for(seen: Pod, words: dict[str, str], detail: str, code: str) -> None:
    """A pod without a node, or that its node cannot begin, says why; with no end of that, it is the
    fault."""
    start = StartProgress(f"{BEGAN:.3f}")
    assert detail in look(start, seen, **words)[StageName.CONTAINERS].detail
    assert start.progress.fault is None
    look(start, seen, after=601.0, **words)
    assert start.progress.fault is not None
    assert start.progress.fault.code == code


def refused(message: str, *, observed: int = 2, made: tuple[str, ...] = ()) -> Deployment:
    """A Deployment of generation 2, whose pod the cluster did not make when it looked at generation
    `observed`. `made`: its containers."""
    condition = {"type": "ReplicaFailure", "status": "True", "message": message}
    status = {"observedGeneration": observed, "conditions": [condition]}
    template = {"spec": {"containers": [{"name": name} for name in made]}}
    spec = {"template": template}
    return DEPLOYMENT.read({"metadata": {"generation": 2}, "spec": spec, "status": status})


QUOTA = (
    'pods "w-1" is forbidden: exceeded quota: w, requested: limits.memory=2Gi, used: limits.memory=2Gi, '
    "limited: limits.memory=3Gi"
)
POLICY = 'admission webhook "policy.example.com" denied the request: not on Fridays'
NO_WEBHOOK = (
    'Internal error occurred: failed calling webhook "policy.example.com": failed to call webhook: Post '
    '"https://policy.kyverno.svc:443/validate?timeout=10s": no endpoints available for service "policy"'
)


@pytest.mark.parametrize(
    ("message", "detail", "code", "patience"),
    [
        (QUOTA, "more than its namespace's quota", "quota-exceeded", 30.0),
        (POLICY, "not on Fridays", "admission-refused", 30.0),
        (
            NO_WEBHOOK,
            "policy.example.com) does not answer",
            "webhook-not-answering",
            TIMEOUTS.schedule,
        ),
        (
            'pods "w-1" is forbidden: status unknown for quota: w, resources: limits.cpu',
            "could not make the workspace's pod yet",
            "pod-not-made",
            TIMEOUTS.schedule,
        ),
    ],
)
def test_a_pod_that_is_refused(message: str, detail: str, code: str, patience: float) -> None:
    """A refusal is told at once, and is the fault when it has stood for a while: for as long as
    anything may take where the cluster could only not decide."""
    start, deployment = StartProgress(f"{BEGAN:.3f}"), refused(message)
    assert detail in look(start, None, deployment=deployment)[StageName.CONTAINERS].detail
    look(start, None, 5.0 + patience, deployment=deployment)
    assert start.progress.fault is None
    look(start, None, 6.0 + patience, deployment=deployment)
    assert start.progress.fault is not None
    assert start.progress.fault.code == code


def test_a_refusal_that_passes_is_forgotten() -> None:
    """A pod that was made after all, or a refusal of what the Deployment was before, ends the time
    that it stood."""
    start = StartProgress(f"{BEGAN:.3f}")
    look(start, None, 5.0, deployment=refused(POLICY))
    look(start, pod(), 30.0, deployment=refused(POLICY))
    look(start, None, 31.0, deployment=refused(POLICY))
    look(start, None, 60.0, deployment=refused(POLICY))
    assert start.progress.fault is None
    stages = look(start, None, 90.0, deployment=refused(POLICY, observed=1))
    assert "Fridays" not in stages[StageName.CONTAINERS].detail
    look(start, None, 91.0, deployment=refused(POLICY))
    assert start.progress.fault is None


@pytest.mark.parametrize(
    ("image", "parts", "fault"),
    [("evil/db:1", {"db"}, ""), ("i:1", set(), "container py"), ("evil/other:1", set(), "policy")],
    ids=["a side container's", "the main container's", "nobody's"],
)
def test_a_refusal_of_side_containers_is_theirs(image: str, parts: set[str], fault: str) -> None:
    """Where the cluster's words name a side container alone, the workspace may go on without it,
    and nothing has failed; once it is left out, another refusal is the workspace's. A refusal that
    names the main container says so."""
    db = Container(name="db", image="evil/db:1")
    spec = msgspec.structs.replace(DESIRED.spec, containers=(*DESIRED.spec.containers, db))
    desired = msgspec.structs.replace(DESIRED, spec=spec)
    words = f'admission webhook "policy.example.com" denied the request: image {image} is evil'
    for made in (("moorage-sandbox", "py", "db"), ("moorage-sandbox", "py")):
        start = StartProgress(f"{BEGAN:.3f}")
        for after in (5.0, 36.0):
            look(start, None, after, deployment=refused(words, made=made), desired=desired)
        if "db" in made and parts:
            assert set(start.refused_parts) == parts
            assert start.progress.fault is None
            assert "It is about its container db." in start.refused_parts["db"].message
        else:
            assert not start.refused_parts
            assert start.progress.fault is not None
            assert fault in start.progress.fault.message


def test_a_former_pod_takes_its_part_of_the_quota() -> None:
    """While the pod before it is still there, a quota that is exceeded says nothing about the next;
    a policy does. Nor does it soon after that one has gone: the quota is counted anew, and the
    cluster tries again, some time later."""
    start = StartProgress(f"{BEGAN:.3f}")
    stages = look(start, None, 5.0, deployment=refused(QUOTA), former=True)
    assert "former pod" in stages[StageName.CONTAINERS].detail
    look(start, None, 105.0, deployment=refused(QUOTA), former=True)
    for at in (110.0, 141.0, 199.0):
        look(start, None, at, deployment=refused(QUOTA))
        assert start.progress.fault is None
    look(start, None, 201.0, deployment=refused(QUOTA))
    assert start.progress.fault is not None
    other = StartProgress(f"{BEGAN:.3f}")
    look(other, None, 5.0, deployment=refused(POLICY), former=True)
    look(other, None, 36.0, deployment=refused(POLICY), former=True)
    assert other.progress.fault is not None


def test_a_claim_that_an_earlier_start_left() -> None:
    """A volume is waited for from this start on, however long its claim has been there."""
    start = StartProgress(f"{BEGAN:.3f}")
    claim = claim_of("2023-11-14T21:13:20Z", "Pending")

    def wait(after: float) -> None:
        snapshot = Snapshot(
            desired=DESIRED,
            deployment=Deployment(),
            pod=None,
            claims=[claim],
            messages=Messages(claims={"volume": "waiting for a volume to be created"}),
            now=BEGAN + after,
        )
        start.update(snapshot, TIMEOUTS)

    for after in (2.0, 599.0):
        wait(after)
        assert start.progress.fault is None
    details = {stage.name: stage.detail for stage in start.progress.stages}
    assert "waiting for a volume" in details[StageName.VOLUME]
    wait(601.0)
    assert start.progress.fault is not None
    assert start.progress.fault.code == "volume-pending"


def test_a_pod_that_waits_for_its_volume_longer_than_its_claim() -> None:
    """The reason is what the claim says, and not the scheduler's echo of it, whichever of the two
    began to wait first: times of the cluster are whole seconds."""
    start = StartProgress(f"{BEGAN:.3f}")
    echo = {
        "type": "PodScheduled",
        "status": "False",
        "message": "1 pod has unbound immediate PersistentVolumeClaims.",
    }
    snapshot = Snapshot(
        desired=DESIRED,
        deployment=Deployment(),
        pod=pod(conditions=[echo]),
        claims=[claim_of("2023-11-14T22:13:25Z", "Pending")],
        messages=Messages(claims={"volume": "waiting for example.com/nobody to make it"}),
        now=BEGAN + 602.0,
    )
    start.update(snapshot, TIMEOUTS)
    assert start.progress.fault is not None
    assert start.progress.fault.code == "volume-pending"
    assert "example.com/nobody" in start.progress.fault.detail


def test_another_pod_is_another_start() -> None:
    """A pod that was ready and is gone: the stages begin anew, with the node's words, and end with
    the new pod."""
    start = StartProgress(f"{BEGAN:.3f}")
    look(start, running())
    stages = look(start, None, after=100.0, given_up="The node ended the pod: low on memory.")
    assert not start.progress.ready
    assert stages[StageName.RECEIVED].started_at == BEGAN + 100.0
    assert "low on memory" in stages[StageName.CONTAINERS].detail
    stages = look(start, pod("two"), after=101.0)
    assert "low on memory" in stages[StageName.CONTAINERS].detail
    look(start, running("two"), after=103.0)
    assert start.progress.ready
    assert "low on memory" not in look(start, None, after=200.0)[StageName.CONTAINERS].detail
