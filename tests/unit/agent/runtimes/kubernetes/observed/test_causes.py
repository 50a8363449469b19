from __future__ import annotations

import pytest

from moorage.agent.runtimes.kubernetes.observed import causes
from moorage.contract import Cause, Container, WorkspaceSpec


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        ("0/1 nodes are available: 1 Insufficient memory.", "insufficient-memory", "enough memory"),
        (
            "0/3 nodes are available: 1 Insufficient cpu, 2 Insufficient memory.",
            "insufficient-cpu",
            "CPU and memory",
        ),
        (
            "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: 0/2 nodes are available: "
            "2 No preemption victims found for incoming pod.",
            "insufficient-nvidia.com/gpu",
            "nvidia.com/gpu",
        ),
        (
            "0/1 nodes are available: 1 Too many pods.",
            "insufficient-room-for-pods",
            "room for pods",
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match node selector.",
            "no-suitable-node",
            "may take this workspace",
        ),
        (
            "0/1 nodes are available: 1 node(s) had taint {dedicated: gpu}, that the pod didn't tolerate.",
            "no-suitable-node",
            "may take",
        ),
        (
            "0/1 nodes are available: 1 pod has unbound immediate PersistentVolumeClaims.",
            "volume-pending",
            "volume is not there yet",
        ),
        ("no nodes available to schedule pods", "unschedulable", "no node"),
        (
            "0/1 nodes are available: 1 node(s) were unschedulable.",
            "nodes-cordoned",
            "cordoned",
        ),
        (
            "0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/unschedulable: }. "
            "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            "nodes-cordoned",
            "cordoned",
        ),
        (
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector.",
            "nodes-cordoned",
            "cordoned",
        ),
        (
            "0/1 nodes are available: 1 node(s) had taint {node.kubernetes.io/not-ready: }, that the pod didn't tolerate.",
            "nodes-not-ready",
            "is ready",
        ),
        (
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.",
            "nodes-under-pressure",
            "disk space",
        ),
        (
            "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
            "volume-elsewhere",
            "volume",
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: not helpful",
            "no-suitable-node",
            "may take",
        ),
    ],
)
def test_the_scheduler_says_what_is_short(message: str, code: str, words: str) -> None:
    """What the scheduler lacks is named, and it is not given up for that: a node may come."""
    verdict = causes.unschedulable(message)
    assert verdict.cause.code == code
    assert words in verdict.cause.message
    assert message in verdict.cause.detail
    assert not verdict.final


def test_several_obstacles_have_all_their_remedies() -> None:
    """Some nodes are full, one is cordoned: both can be helped."""
    cause = causes.unschedulable(
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable."
    ).cause
    assert cause.code == "insufficient-cpu"
    assert "cpuRequest" in cause.hint
    assert "uncordon" in cause.hint


def test_an_autoscaler_is_told_with_an_estimate() -> None:
    """While an autoscaler adds a node, that and how long it takes is said."""
    verdict = causes.unschedulable(
        "0/1 nodes are available: 1 Insufficient cpu.",
        scaling="pod triggered scale-up: [{pool 1->2}]",
    )
    assert "about 3 minutes" in verdict.cause.message
    assert "1->2" in verdict.cause.detail


@pytest.mark.parametrize(
    ("message", "code", "final"),
    [
        ('storageclass.storage.k8s.io "fast" not found', "storage-class-not-found", True),
        (
            "no persistent volumes available for this claim and no storage class is set",
            "no-default-storage-class",
            True,
        ),
        (
            "failed to provision volume: rpc error: quota exceeded on the storage system",
            "volume-pending",
            False,
        ),
    ],
)
def test_volumes(message: str, code: str, final: bool) -> None:
    """A volume that will never come is told apart from one that is late."""
    verdict = causes.volume_pending("claim", message)
    assert (verdict.cause.code, verdict.final) == (code, final)
    assert verdict.cause.detail == message


def test_a_quota_says_what_was_asked_for() -> None:
    """A pod that its quota does not allow: the request stands in the hint."""
    message = (
        'pods "x" is forbidden: exceeded quota: x, requested: limits.memory=8Gi, used: limits.memory=0, '
        "limited: limits.memory=4Gi"
    )
    verdict = causes.pod_refused(message)
    assert (verdict.cause.code, verdict.final) == ("quota-exceeded", True)
    assert "limits.memory=8Gi" in verdict.cause.hint
    assert "Moorage's own container" in verdict.cause.hint


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'policy.example.com' with binding 'all' denied "
            "request: failed expression: object.spec.replicas < 3",
            "(policy.example.com)",
        ),
        (
            'admission webhook "validation.gatekeeper.sh" denied the request: [limits] no latest tag',
            "(validation.gatekeeper.sh)",
        ),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": x', "Pod Security"),
        (
            'pods "x" is forbidden: PodSecurityPolicy: unable to admit pod: []',
            "Pod Security",
        ),
        (
            'pods "x" is forbidden: unable to validate against any security context constraint: []',
            "Pod Security",
        ),
        (
            'pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 4Gi',
            "LimitRange",
        ),
        (
            'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: main',
            "asks for requests or limits",
        ),
        ('pods "x" is forbidden: no PriorityClass with name urgent was found', "priority class"),
        (
            'pods "x" is forbidden: pod rejected: RuntimeClass "kata" not found',
            "runtime class",
        ),
        ('pods "x" is forbidden: something new', "refuses an object"),
    ],
)
def test_what_admission_refuses(message: str, words: str) -> None:
    """Who refused is named where the API server says it; its words are kept."""
    verdict = causes.pod_refused(message)
    assert (verdict.cause.code, verdict.final) == ("admission-refused", True)
    assert words in verdict.cause.message
    assert verdict.cause.detail == message


@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        (
            "ErrImagePull",
            'rpc error: code = NotFound desc = failed to pull and unpack image "r/x:1": failed to resolve reference '
            '"r/x:1": r/x:1: not found',
            "image-not-found",
        ),
        (
            "ErrImagePull",
            'failed to resolve reference "r/x:1": pulling from host r failed with status code [manifests 1]: '
            "401 Unauthorized",
            "image-denied",
        ),
        (
            "ErrImagePull",
            'failed to do request: Head "https://r/v2/x/manifests/1": dial tcp: lookup r: no such host',
            "registry-unreachable",
        ),
        (
            "InvalidImageName",
            'Failed to apply default image tag "X": couldn\'t parse',
            "image-name-invalid",
        ),
        (
            "ImageInspectError",
            'Failed to inspect image "x:1": rpc error: code = Unknown desc = short-name "x:1" did not resolve to an '
            'alias and no unqualified-search registries are defined in "/etc/containers/registries.conf"',
            "image-name-short",
        ),
        (
            "ErrImageNeverPull",
            'Container image "r/x:1" is not present with pull policy of Never',
            "image-not-found",
        ),
        (
            "SignatureValidationFailed",
            "image pull failed for r/x:1 because the signature validation failed",
            "image-policy-refused",
        ),
        ("ErrImagePull", "something that nobody has seen yet", "image-not-pulled"),
    ],
)
def test_images(reason: str, message: str, code: str) -> None:
    """The registry's answer decides what is said of an image."""
    assert causes.image("r/x:1", reason, message).cause.code == code


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("image registry.evil.example/db:1 is not allowed", ("db",)),
        ('container "db" has image "x" from an untrusted registry', ("db",)),
        ("container <db> has an invalid image repo", ("db",)),
        ("spec.containers[2].image: Forbidden", ("db",)),
        ("spec.containers[1].image: Forbidden", ("py",)),
        ('containers["py"] and containers["db"] run as root', ("py", "db")),
        ("image registry.evil.example/db:10 is not allowed", ()),
        ("container db-2 is not allowed", ()),
        ("no workspaces on Fridays", ()),
    ],
)
def test_which_parts_a_refusal_is_about(message: str, named: tuple[str, ...]) -> None:
    """As the policies of Kyverno, Gatekeeper and API servers name them; ours comes first in the
    pod."""
    spec = WorkspaceSpec(
        containers=(
            Container(name="py", image="python:3"),
            Container(name="db", image="registry.evil.example/db:1"),
        ),
        main_container="py",
    )
    assert causes.parts_named(message, spec) == named


def test_a_refusal_names_its_part_and_the_way_out() -> None:
    cause = Cause(code="admission-refused", message="A policy refuses it.", hint="Ask.")
    assert causes.about_parts(cause, ()) == cause
    told = causes.about_parts(cause, ("db",))
    assert told.message == "A policy refuses it. It is about its container db."
    assert "repair" in told.hint
