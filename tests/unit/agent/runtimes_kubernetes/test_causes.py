from __future__ import annotations

import pytest

from moorage.agent.runtimes.kubernetes import causes
from moorage.agent.runtimes.kubernetes.client import ApiError
from moorage.kernel.errors import Forbidden, Unavailable


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
        ("0/1 nodes are available: 1 Too many pods.", "insufficient-room-for-pods", "room for pods"),
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
    ],
)
def test_the_scheduler_says_what_is_short(message: str, code: str, words: str) -> None:
    """What the scheduler lacks is named, and it is not given up for that: a node may come."""
    verdict = causes.unschedulable(message)
    assert verdict.cause.code == code
    assert words in verdict.cause.message
    assert message in verdict.cause.detail
    assert not verdict.final


def test_an_autoscaler_is_told_with_an_estimate() -> None:
    """While an autoscaler adds a node, that and how long it takes is said."""
    verdict = causes.unschedulable(
        "0/1 nodes are available: 1 Insufficient cpu.", scaling="pod triggered scale-up: [{pool 1->2}]"
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


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged', "Pod Security"),
        ('admission webhook "policy.example.com" denied the request: no', "policy.example.com"),
        ('pods "x" is forbidden: no PriorityClass with name urgent was found', "priority class"),
        ('pod rejected: RuntimeClass "gvisor" not found', "runtime class"),
        ("spec.x: Invalid value", "refuses an object"),
    ],
)
def test_refusals(message: str, words: str) -> None:
    """Whoever refused an object is named, with its own words, and for good."""
    verdict = causes.refused(message)
    assert (verdict.cause.code, verdict.final) == ("admission-refused", True)
    assert words in verdict.cause.message
    assert verdict.cause.detail == message


@pytest.mark.parametrize(
    ("error", "code", "final"),
    [
        (ApiError(422, "Invalid", "bad"), "admission-refused", True),
        (ApiError(403, "Forbidden", 'admission webhook "w" denied the request'), "admission-refused", True),
        (ApiError(409, "Conflict", "again"), "cluster-refused", False),
        (
            ApiError(
                403,
                "Forbidden",
                'secrets "x" is forbidden: unable to create new content in namespace x because it is being terminated',
            ),
            "still-ending",
            False,
        ),
        (ApiError(500, "InternalError", "etcdserver: leader changed"), "cluster-refused", False),
        (Forbidden("no right", code="cluster-forbidden"), "cluster-forbidden", False),
        (Unavailable("away", code="cluster-unreachable"), "cluster-unreachable", False),
    ],
)
def test_errors_of_requests(error: ApiError, code: str, final: bool) -> None:
    """What may pass by itself is tried again; what the server refuses for its content is not."""
    verdict = causes.of_error("applying", error)
    assert (verdict.cause.code, verdict.final) == (code, final)


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
        ("InvalidImageName", 'Failed to apply default image tag "X": couldn\'t parse', "image-name-invalid"),
    ],
)
def test_images(reason: str, message: str, code: str) -> None:
    """The registry's answer decides what is said of an image."""
    assert causes.image("r/x:1", reason, message).cause.code == code


def test_a_namespace_that_cannot_go_says_why() -> None:
    """Of a namespace that is being removed, the cluster's own words about what is in the way are told."""
    conditions = [
        {
            "type": "NamespaceDeletionDiscoveryFailure",
            "status": "True",
            "message": "unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1",
        },
        {
            "type": "NamespaceContentRemaining",
            "status": "False",
            "message": "All content successfully removed",
        },
    ]
    space = {"kind": "Namespace", "metadata": {"name": "w"}, "status": {"conditions": conditions}}
    pod = {"kind": "Pod", "metadata": {"name": "p"}}
    assert causes.removal_slow([space, pod]).detail == "Namespace w, Pod p"
    space["metadata"] = {"name": "w", "deletionTimestamp": "2026-01-01T10:00:00Z"}
    detail = causes.removal_slow([space, pod]).detail
    assert "metrics.k8s.io" in detail
    assert "successfully" not in detail
