"""What a workspace may take of the engine's disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from moorage.agent.runtimes.docker import disk
from moorage.agent.runtimes.docker.disk import DiskWatch, Space
from moorage.agent.runtimes.docker.engine import Engine
from moorage.agent.runtimes.docker.progress import StartProgress
from moorage.agent.runtimes.ownership import labels_for
from moorage.agent.runtimes.port import Identity
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause
from moorage.kernel.clock import FakeClock

IDENTITY = Identity("inst", 1)
GI = 1 << 30


@pytest.mark.parametrize(
    ("setting", "space", "expected"),
    [
        (-1, Space(total=100 * GI, free=GI), 50 * GI),
        (-1, None, 0),
        (0, Space(total=100 * GI, free=GI), 0),
        (7, None, 7),
        (7, Space(total=100 * GI, free=GI), 7),
    ],
)
def test_by_itself_a_workspace_leaves_half_of_the_disk(
    setting: int, space: Space | None, expected: int
) -> None:
    """The limit is the setting, else half of the disk; there is none for a disk that is not on this
    machine, or by the setting 0."""
    assert disk.limit_of(setting, space) == expected


def _item(workspace: str, identity: Identity = IDENTITY, **fields: Any) -> dict[str, Any]:
    return {"Labels": {**labels_for(identity), "moorage.dev/workspace": workspace}, **fields}


def test_volumes_and_layers_count() -> None:
    """A workspace takes what its volumes hold and what its containers wrote beside them; other
    installations' do not count."""
    answer = {
        "Volumes": [
            _item("a", UsageData={"Size": 100}),
            _item("a", UsageData={"Size": 20}),
            _item("b", UsageData={"Size": -1}),
            _item("a", Identity("other", 1), UsageData={"Size": 5000}),
            {"Labels": None, "UsageData": {"Size": 9}},
        ],
        "Containers": [_item("a", SizeRw=3), _item("b"), _item("b", SizeRw=8), {"Labels": {}}],
    }
    assert disk.used_by(answer, IDENTITY) == {"a": 123, "b": 8}
    assert disk.used_by({"Volumes": None}, IDENTITY) == {}


@pytest.mark.parametrize(
    ("since", "filled", "due"),
    [(300, 0, True), (10, 0, False), (10, 1, False), (10, 2, True), (10, -50, False)],
)
def test_who_fills_the_disk_is_measured_soon(since: float, filled: int, due: bool) -> None:
    """It is measured now and then, and at once when more than a hundredth of the disk was filled
    since."""
    before, now = (
        Space(total=100 * GI, free=60 * GI),
        Space(total=100 * GI, free=(60 - filled) * GI),
    )
    assert disk.is_due(since, 300, before, now) is due
    assert disk.is_due(10, 300, None, None) is False


@pytest.fixture
async def watch() -> AsyncIterator[DiskWatch]:
    engine = Engine("unix:///nonexistent/engine.sock")
    yield DiskWatch(engine, AgentSettings(disk_grace=900))
    await engine.close()


def _code(cause: Cause | None) -> str:
    return cause.code if cause is not None else ""


async def test_it_is_told_then_stopped_then_given_time(watch: DiskWatch) -> None:
    """Near its limit a workspace is told so, above it it is stopped; started again, it has time to
    make room, and no more than that."""
    clock = FakeClock()
    progress = StartProgress(clock, lambda: None)
    for used, warning in ((70, ""), (81, "disk-nearly-full"), (79, "")):
        watch._judge("a", progress, used, 100)
        assert _code(progress.progress.warning) == warning
        assert progress.progress.fault is None
    watch._judge("a", progress, 101, 100)
    assert _code(progress.progress.fault) == "disk-limit"

    again = StartProgress(clock, lambda: None)
    watch._judge("a", again, 101, 100)
    assert again.progress.fault is None
    clock.advance(901)
    watch._judge("a", again, 101, 100)
    assert _code(again.progress.fault) == "disk-limit"

    cleaned = StartProgress(clock, lambda: None)
    watch._judge("a", cleaned, 50, 100)
    watch._judge("a", cleaned, 101, 100)
    assert _code(cleaned.progress.fault) == "disk-limit"


async def test_time_to_make_room_is_no_time_to_take_more(watch: DiskWatch) -> None:
    """However often it is started again, a workspace above its limit is stopped as soon as it takes
    more than it took least since."""
    clock = FakeClock()
    for used, stopped in (
        (200, True),
        (200, False),
        (201, True),
        (150, False),
        (151, True),
        (150, False),
        (400, True),
    ):
        progress = StartProgress(clock, lambda: None)
        watch._judge("a", progress, used, 100)
        assert (progress.progress.fault is not None) is stopped, used


@pytest.mark.parametrize(
    ("before", "used", "free", "expected"),
    [
        ({"a": 50, "b": 9}, {"a": 50, "b": 20}, 4, "b"),
        ({"a": 50, "b": 9}, {"a": 50, "b": 20}, 5, None),
        ({"a": 50}, {"a": 50}, 1, None),
        ({}, {}, 1, None),
    ],
)
def test_who_fills_the_last_of_the_disk_is_stopped(
    before: dict[str, int], used: dict[str, int], free: int, expected: str | None
) -> None:
    """When hardly anything is free for all, the workspace that filled most of it since is stopped,
    and none that only lies there."""
    assert disk.culprit(before, used, Space(total=100, free=free)) == expected
    assert disk.culprit(before, used, None) is None


async def test_who_cannot_be_stopped_hides_nobody(
    watch: DiskWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that grew most and ended meanwhile is no reason to let the next one fill the disk."""
    sizes = {"a": 100, "ended": 100}

    async def request(*_args: object, **_more: object) -> dict[str, Any]:
        return {"Volumes": [_item(name, UsageData={"Size": size}) for name, size in sizes.items()]}

    monkeypatch.setattr(watch._engine, "request", request)
    progress = StartProgress(FakeClock(), lambda: None)
    for size in (100, 500):
        sizes.update(a=size, ended=2 * size)
        await watch._measure(
            IDENTITY, 10_000, Space(total=10_000, free=10), lambda: {"a": progress}
        )
    assert _code(progress.progress.fault) == "disk-scarce"
