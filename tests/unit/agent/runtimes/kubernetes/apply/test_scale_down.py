"""What is kept of a failed workspace."""

from __future__ import annotations

import msgspec
import pytest

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.apply import scale_down
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import ObservedContainer
from moorage.contract import Cause, ContainerState
from moorage.workspace_settings import RemoteDevelopment, decode, encode

BOOM = Cause(
    code="container-crashed", message="Container py ended with exit code 1.", detail="boom " * 800
)


def halted(text: str, count: int = 8) -> states.Halted:
    """Of containers that all wrote much."""
    containers = tuple(
        ObservedContainer(
            name=f"c{number}",
            role="sidecar",
            image="i:1",
            state=ContainerState.EXITED,
            exit_code=1,
            fault=BOOM,
        )
        for number in range(count)
    )
    logs = {
        f"c{number}": (text * scale_down.LOG_LENGTH)[: scale_down.LOG_LENGTH - 4] + "last"
        for number in range(count)
    }
    return states.Halted(containers=containers, logs=logs, fault=BOOM)


@pytest.mark.parametrize("others", [1_000, 100_000, 223_000, 240_000])
@pytest.mark.parametrize("text", ["a", "ä", "\x1b"])
def test_it_fits_beside_the_other_annotations(text: str, others: int) -> None:
    """Whatever characters the logs have and however long the other annotations are, the API server
    takes all of them together; why the workspace failed is always there, and of the logs the last
    lines, as much as there is room for."""
    annotations = {ownership.SETTINGS: "s" * others, names.HALTED: ""}
    written = scale_down.written(halted(text), annotations)
    kept = msgspec.json.decode(written, type=states.Halted)
    assert kept.fault is not None
    assert kept.fault.message == BOOM.message
    assert [container.exit_code for container in kept.containers] == [1] * 8
    total = sum(
        len(key.encode()) + len(value.encode())
        for key, value in (annotations | {names.HALTED: written}).items()
    )
    assert total < 256 * 1024
    if others < 200_000:
        assert kept.fault == BOOM
        assert all(log.endswith("last") for log in kept.logs.values())
        assert len(kept.logs) == 8


def test_what_fits_is_kept_whole() -> None:
    """A few short logs are not shortened."""
    few = halted("a", 2)
    assert msgspec.json.decode(scale_down.written(few, {}), type=states.Halted) == few


def test_a_bundle_makes_room() -> None:
    """The CA bundle that an agent of an earlier version kept in the annotation gives way to what is
    kept of the failure."""
    settings = RemoteDevelopment(ca_bundle="A" * 261_000, priority_class="low")
    before = {ownership.SETTINGS: encode(settings), names.HALTED: ""}
    replicas, *added = scale_down.patch_of(halted("a"), before)
    assert replicas == {"op": "add", "path": "/spec/replicas", "value": 0}
    after = before | {
        item["path"].removeprefix("/metadata/annotations/").replace("~1", "/"): item["value"]
        for item in added
    }
    assert after.keys() == before.keys()
    assert decode(after[ownership.SETTINGS]) == RemoteDevelopment(priority_class="low")
    kept = msgspec.json.decode(after[names.HALTED], type=states.Halted)
    assert kept.fault == BOOM
    assert len(kept.logs) == 8
    assert sum(len(name) + len(text) for name, text in after.items()) < 256 * 1024


def test_nothing_else_is_changed() -> None:
    """Settings without a bundle stay as they are."""
    annotations = {ownership.SETTINGS: encode(RemoteDevelopment(priority_class="low"))}
    assert [item["path"] for item in scale_down.patch_of(halted("a"), annotations)] == [
        "/spec/replicas",
        "/metadata/annotations/moorage.dev~1halted",
    ]
