from __future__ import annotations

from typing import Any

import msgspec
import pytest

from moorage.agent.runtimes.kubernetes.api.model import VolumeClaim
from moorage.agent.runtimes.kubernetes.api.resources import VOLUME_CLAIM, read
from moorage.agent.runtimes.kubernetes.apply import changes
from moorage.agent.runtimes.kubernetes.observed.store import hold
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.objects import objects_of
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.workspace_settings import RemoteDevelopment, Storage
from unit.agent.runtimes.kubernetes.apply.test_planning import (
    DESIRED,
    again,
    frame,
    made,
    plan_again,
)


def test_nothing_is_written_twice() -> None:
    """What is as it should be needs no write."""
    assert again(frame(), made(frame())).none


def test_a_template_of_another_version_is_left_alone() -> None:
    """A pod template that an agent of another version wrote is right as it is; a Deployment that
    was scaled down is not."""
    found = made(frame())
    deployment = found[-1]
    deployment["metadata"]["annotations"][names.TEMPLATE] = "of-another-version"
    deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 99
    assert again(frame(), found).none
    deployment["spec"]["replicas"] = 0
    assert [item["kind"] for item in again(frame(), found).apply] == ["Deployment"]


def test_a_template_changed_by_hand_is_put_back() -> None:
    """The same template, but changed since it was applied, is applied again."""
    found = made(frame())
    found[-1]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 99
    assert again(frame(), found).in_words() == ("its deployment",)


@pytest.mark.parametrize(
    ("now", "asked", "there", "stale"),
    [
        ("fast", "nowhere", {"phase": "Pending"}, True),
        ("", "nowhere", {"phase": "Pending"}, True),
        ("fast", "", {"phase": "Pending"}, True),
        ("", "", {"phase": "Pending"}, True),
        ("fast", "fast", {"phase": "Pending"}, False),
        ("fast", "nowhere", {"phase": "Bound"}, False),
        ("fast", "nowhere", {}, False),
    ],
)
def test_claims_that_only_a_new_one_helps(
    now: str, asked: str, there: dict[str, str], stale: bool
) -> None:
    """A claim without a volume that asks for another storage class than the settings do, or for
    whatever was the default, is to be made anew; no claim that has a volume, or may have one, ever
    is."""

    def objects(class_: str) -> list[dict[str, Any]]:
        return made(
            frame(settings=VersionedSettings(RemoteDevelopment(storage=Storage(class_=class_))))
        )

    found = objects(asked)
    claim = next(item for item in found if item["kind"] == "PersistentVolumeClaim")
    claim["status"] = there
    claim["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    later = 1767225600.0 + 1

    def stale_at(before: float) -> list[VolumeClaim]:
        return changes.stale_claims(objects(now), [VOLUME_CLAIM.read(claim)], before)

    assert stale_at(later) == ([VOLUME_CLAIM.read(claim)] if stale else [])
    if not now:  # the default's volume may be under way
        assert stale_at(later - 2) == []
    assert changes.needed(objects(asked), [hold(item) for item in found]).none
    claim["spec"]["volumeName"] = "pv-1"
    assert stale_at(later) == []


def test_missing_and_needless_objects() -> None:
    """What is missing is made, what is labelled and unwanted goes, volumes and namespace stay."""
    found = made(frame())
    service = next(item for item in found if item["kind"] == "Service")
    found.remove(service)
    extra = msgspec.json.decode(msgspec.json.encode(service))
    extra["metadata"]["name"] = "left-over"
    claim = msgspec.json.decode(
        msgspec.json.encode(next(i for i in found if i["kind"] == "PersistentVolumeClaim"))
    )
    claim["metadata"]["name"] = "old-volume"
    needed = again(frame(), [*found[:-1], extra, claim, found[-1]])
    assert needed.apply == (service,)
    assert needed.prune == (read(extra),)


def test_what_others_added_is_taken_away() -> None:
    """An object that is right but for what somebody added is cleaned, not applied."""
    found = made(frame())
    paused = {
        "manager": "kubectl",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:paused": {}}},
    }
    found[-1]["metadata"]["managedFields"] = [paused]
    found[-1]["spec"]["paused"] = True
    needed = again(frame(), found)
    assert needed.clean == ((read(found[-1]), ("/spec/paused",)),)
    assert needed.apply == ()


def test_a_new_generation_alone_is_no_write() -> None:
    """A raised generation of the same wish changes nothing in the cluster."""
    found = made(frame())
    newer = msgspec.structs.replace(DESIRED, generation=9)
    plan = plan_again(frame(), found, newer)
    assert changes.needed(objects_of(plan), [hold(item) for item in found]).none
