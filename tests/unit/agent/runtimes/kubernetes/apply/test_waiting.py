from __future__ import annotations

from moorage.agent.runtimes.kubernetes.api.resources import read
from moorage.agent.runtimes.kubernetes.apply.waiting import removal_slow


def test_a_namespace_that_cannot_go_says_why() -> None:
    """Of a namespace that is being removed, the cluster's own words about what is in the way are
    told."""
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
    assert removal_slow([read(space), read(pod)]).detail == "Namespace w, Pod p"
    space["metadata"] = {"name": "w", "deletionTimestamp": "2026-01-01T10:00:00Z"}
    detail = removal_slow([read(space), read(pod)]).detail
    assert "metrics.k8s.io" in detail
    assert "successfully" not in detail
