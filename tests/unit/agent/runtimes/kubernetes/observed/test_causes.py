from __future__ import annotations

import pytest

from moorage.agent.runtimes.kubernetes.observed import causes


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
    ],
)
def test_images(reason: str, message: str, code: str) -> None:
    """The registry's answer decides what is said of an image."""
    assert causes.image("r/x:1", reason, message).cause.code == code
