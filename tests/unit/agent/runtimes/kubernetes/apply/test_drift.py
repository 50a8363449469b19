from __future__ import annotations

from typing import Any

import pytest

from moorage.agent.runtimes.kubernetes.apply import drift


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
        (
            lambda item: containers(item)[1].update(image="evil"),
            ".spec.template.spec.containers[1].image",
        ),
        (lambda item: containers(item).append({"name": "three"}), ".spec.template.spec.containers"),
        (lambda item: containers(item).pop(), ".spec.template.spec.containers"),
        (
            lambda item: item["spec"]["template"]["spec"].pop("volumes"),
            ".spec.template.spec.volumes",
        ),
        (
            lambda item: containers(item)[0].update(name="other"),
            ".spec.template.spec.containers[0]",
        ),
    ],
)
def test_changes_are_found(change: Any, path: str) -> None:
    """Whatever somebody changed, took away or put into a list is found, with its path."""
    found = deployment()
    change(found)
    assert path in "".join(drift.differences(deployment(), found))
