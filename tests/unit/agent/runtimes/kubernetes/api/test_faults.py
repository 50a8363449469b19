from __future__ import annotations

import pytest

from moorage.agent.runtimes.kubernetes.api import faults
from moorage.agent.runtimes.kubernetes.api.errors import ApiError
from moorage.kernel.errors import Forbidden, Unavailable


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            'pods "x" is forbidden: violates PodSecurity "restricted:latest": privileged',
            "Pod Security",
        ),
        ('admission webhook "policy.example.com" denied the request: no', "policy.example.com"),
        ('pods "x" is forbidden: no PriorityClass with name urgent was found', "priority class"),
        ('pod rejected: RuntimeClass "gvisor" not found', "runtime class"),
        ("spec.x: Invalid value", "refuses an object"),
    ],
)
def test_refusals(message: str, words: str) -> None:
    """Whoever refused an object is named, with its own words, and for good."""
    verdict = faults.refused(message)
    assert (verdict.cause.code, verdict.final) == ("admission-refused", True)
    assert words in verdict.cause.message
    assert verdict.cause.detail == message


@pytest.mark.parametrize(
    ("error", "code", "final"),
    [
        (ApiError(422, "Invalid", "bad"), "admission-refused", True),
        (
            ApiError(403, "Forbidden", 'admission webhook "w" denied the request'),
            "admission-refused",
            True,
        ),
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
    verdict = faults.verdict_of("applying", error)
    assert (verdict.cause.code, verdict.final) == (code, final)
