from __future__ import annotations

from typing import Any

from moorage.agent.runtimes.kubernetes.observed.managed_fields import foreign_fields


def deployment(**changes: Any) -> dict[str, Any]:
    item: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "labels": {"a": "1"}},
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "one",
                            "image": "i:1",
                            "resources": {"limits": {"memory": "1Gi", "cpu": "1"}},
                        },
                        {"name": "two", "image": "i:2"},
                    ],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                }
            },
        },
    }
    item["spec"].update(changes)
    return item


def containers(item: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = item["spec"]["template"]["spec"]["containers"]
    return found


def managed(*entries: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    found = deployment()
    found["metadata"]["managedFields"] = [
        {"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields}
        for manager, fields in entries
    ]
    return found


OURS = {
    "f:spec": {
        "f:replicas": {},
        "f:template": {"f:spec": {"f:containers": {'k:{"name":"one"}': {".": {}, "f:image": {}}}}},
    }
}


def test_fields_of_the_controllers_are_no_strangers() -> None:
    """What Kubernetes' own controllers write is left alone."""
    found = managed(
        ("moorage-agent", OURS), ("kube-controller-manager", {"f:spec": {"f:paused": {}}})
    )
    found["spec"]["paused"] = False
    assert foreign_fields(found) == []


def test_added_fields_are_found() -> None:
    """A field that somebody else added to the spec is told as a JSON Pointer, whole tables at their
    top."""
    found = managed(
        ("moorage-agent", OURS),
        (
            "kubectl-edit",
            {
                "f:spec": {
                    "f:template": {
                        "f:spec": {"f:hostNetwork": {}, "f:dnsConfig": {"f:options": {}}}
                    }
                }
            },
        ),
    )
    found["spec"]["template"]["spec"] |= {"hostNetwork": True, "dnsConfig": {"options": []}}
    assert foreign_fields(found) == [
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/dnsConfig",
    ]


def test_added_items_are_found_last_first() -> None:
    """Items of lists are told by their places, the last one first, so that removing one does not
    move the next."""
    added = {
        'k:{"name":"one"}': {"f:env": {".": {}}},
        'k:{"name":"two"}': {".": {}, "f:image": {}, "f:name": {}},
    }
    found = managed(
        ("moorage-agent", OURS),
        ("kubectl", {"f:spec": {"f:template": {"f:spec": {"f:containers": added}}}}),
    )
    containers(found)[0]["env"] = []
    assert foreign_fields(found) == [
        "/spec/template/spec/containers/1",
        "/spec/template/spec/containers/0/env",
    ]


def test_added_metadata_and_status_are_nobodys_business() -> None:
    """Labels, annotations and status that others write are left alone."""
    found = managed(
        ("moorage-agent", OURS),
        ("kubectl", {"f:metadata": {"f:annotations": {"f:x": {}}}, "f:status": {"f:replicas": {}}}),
    )
    assert foreign_fields(found) == []


def test_names_with_slashes_are_escaped() -> None:
    """A pointer escapes what has a meaning in it (RFC 6901)."""
    found = managed(("kubectl", {"f:data": {"f:a/b~c": {}}}))
    found["data"] = {"a/b~c": "eA=="}
    assert foreign_fields(found) == ["/data/a~1b~0c"]
