"""The timeline of a start."""

from __future__ import annotations

from moorage.agent.runtimes.timeline import Timeline
from moorage.contract import StageName, StageState


def test_stages_overlap_and_end() -> None:
    """Stages come in the order in which they are shown, each with its own times."""
    timeline = Timeline()
    assert timeline.begin(StageName.CLONE, 5.0, "Cloning.")
    assert timeline.begin(StageName.IMAGE, 4.0)
    assert timeline.end(StageName.IMAGE, 6.0)
    image, clone = timeline.stages()
    assert (image.name, image.duration) == (StageName.IMAGE, 2.0)
    assert (clone.name, clone.state, clone.detail) == (
        StageName.CLONE,
        StageState.RUNNING,
        "Cloning.",
    )


def test_nothing_new_is_told_as_such() -> None:
    """Saying the same again changes nothing; a new detail does, and keeps the beginning."""
    timeline = Timeline()
    assert timeline.begin(StageName.CLONE, 5.0, "10 %")
    assert not timeline.begin(StageName.CLONE, 6.0, "10 %")
    assert timeline.begin(StageName.CLONE, 6.0, "20 %")
    assert timeline.stages()[0].started_at == 5.0


def test_what_has_ended_stays() -> None:
    """A stage that has ended, or was skipped, neither begins nor ends again."""
    timeline = Timeline()
    timeline.end(StageName.IMAGE, 5.0)
    timeline.skip(StageName.CLONE)
    for stage in (StageName.IMAGE, StageName.CLONE):
        assert not timeline.begin(stage, 6.0)
        assert not timeline.end(stage, 7.0)
        assert not timeline.fail(stage, 7.0, "no")
