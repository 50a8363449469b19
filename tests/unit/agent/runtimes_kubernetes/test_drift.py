from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes.kubernetes import drift


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


def test_the_same_is_the_same() -> None:
    """An object does not differ from itself."""
    assert drift.differences(deployment(), deployment()) == []


def test_defaults_are_no_difference() -> None:
    """What the API server fills in, adds to metadata, or reports as status is no difference."""
    found = deployment(progressDeadlineSeconds=600)
    found["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    found["status"] = {"replicas": 1}
    containers(found)[0]["terminationMessagePath"] = "/dev/termination-log"
    assert drift.differences(deployment(), found) == []


def test_quantities_are_compared_as_numbers() -> None:
    """1Gi and 1024Mi are the same limit; the API server writes the one for the other."""
    found = deployment()
    containers(found)[0]["resources"]["limits"] = {"memory": "1024Mi", "cpu": "1000m"}
    assert drift.differences(deployment(), found) == []
    containers(found)[0]["resources"]["limits"]["memory"] = "2Gi"
    assert drift.differences(deployment(), found) == [
        ".spec.template.spec.containers[0].resources.limits.memory"
    ]


def test_order_of_keyed_lists_does_not_matter() -> None:
    """Containers are told by their names, wherever they stand."""
    found = deployment()
    containers(found).reverse()
    assert drift.differences(deployment(), found) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda item: item["spec"].update(replicas=0), ".spec.replicas"),
        (lambda item: item["metadata"]["labels"].clear(), ".metadata.labels.a"),
        (lambda item: containers(item)[1].update(image="evil"), ".spec.template.spec.containers[1].image"),
        (lambda item: containers(item).append({"name": "three"}), ".spec.template.spec.containers"),
        (lambda item: containers(item).pop(), ".spec.template.spec.containers"),
        (lambda item: item["spec"]["template"]["spec"].pop("volumes"), ".spec.template.spec.volumes"),
        (lambda item: containers(item)[0].update(name="other"), ".spec.template.spec.containers[0]"),
    ],
)
def test_changes_are_found(change: Any, path: str) -> None:
    """Whatever somebody changed, took away or put into a list is found, with its path."""
    found = deployment()
    change(found)
    assert path in "".join(drift.differences(deployment(), found))


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
    found = managed(("moorage-agent", OURS), ("kube-controller-manager", {"f:spec": {"f:paused": {}}}))
    found["spec"]["paused"] = False
    assert drift.foreign_fields(found) == []


def test_added_fields_are_found() -> None:
    """A field that somebody else added to the spec is told as a JSON Pointer, whole tables at their top."""
    found = managed(
        ("moorage-agent", OURS),
        (
            "kubectl-edit",
            {"f:spec": {"f:template": {"f:spec": {"f:hostNetwork": {}, "f:dnsConfig": {"f:options": {}}}}}},
        ),
    )
    found["spec"]["template"]["spec"] |= {"hostNetwork": True, "dnsConfig": {"options": []}}
    assert drift.foreign_fields(found) == ["/spec/template/spec/hostNetwork", "/spec/template/spec/dnsConfig"]


def test_added_items_are_found_last_first() -> None:
    """Items of lists are told by their places, the last one first, so that removing one does not move the next."""
    added = {
        'k:{"name":"one"}': {"f:env": {".": {}}},
        'k:{"name":"two"}': {".": {}, "f:image": {}, "f:name": {}},
    }
    found = managed(
        ("moorage-agent", OURS),
        ("kubectl", {"f:spec": {"f:template": {"f:spec": {"f:containers": added}}}}),
    )
    containers(found)[0]["env"] = []
    assert drift.foreign_fields(found) == [
        "/spec/template/spec/containers/1",
        "/spec/template/spec/containers/0/env",
    ]


def test_added_metadata_and_status_are_nobodys_business() -> None:
    """Labels, annotations and status that others write are left alone."""
    found = managed(
        ("moorage-agent", OURS),
        ("kubectl", {"f:metadata": {"f:annotations": {"f:x": {}}}, "f:status": {"f:replicas": {}}}),
    )
    assert drift.foreign_fields(found) == []


def test_names_with_slashes_are_escaped() -> None:
    """A pointer escapes what has a meaning in it (RFC 6901)."""
    found = managed(("kubectl", {"f:data": {"f:a/b~c": {}}}))
    found["data"] = {"a/b~c": "eA=="}
    assert drift.foreign_fields(found) == ["/data/a~1b~0c"]
