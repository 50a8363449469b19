"""States, stages and times in words."""

import pytest

from moorage.contract import ActualState, DesiredState, Stage, StageName, StageState
from moorage.wording import ago, badge, duration, stage_lines

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599, "59 min 59 s"),
        (7440, "2 h 04 min"),
        (86_400 * 3 + 3600 * 4 + 59, "3 d 4 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    """A length of time is said with the two figures that matter."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (3600, "1 hour ago"),
        (86_400 * 2, "2 days ago"),
        (86_400 * 45, "1 month ago"),
        (86_400 * 800, "2 years ago"),
    ],
)
def test_ago(seconds: float, text: str) -> None:
    """An age is said in its largest unit; a clock that is ahead says "just now"."""
    assert ago(NOW - seconds, NOW) == text


@pytest.mark.parametrize("state", list(ActualState))
@pytest.mark.parametrize("desired", list(DesiredState))
def test_every_state_has_a_badge(desired: DesiredState, state: ActualState) -> None:
    """Whatever is desired and reported, there is a label and a sentence for it."""
    shown = badge(desired.value, state.value)
    assert shown.label
    assert shown.explanation.endswith(".")


@pytest.mark.parametrize(
    ("desired", "state", "label"),
    [
        ("Running", "Stopped", "Starting"),
        ("Running", "Running", "Running"),
        ("Running", "Failed", "Failed"),
        ("Stopped", "Running", "Stopping"),
        ("Stopped", "Stopped", "Stopped"),
        ("Stopped", "Unknown", "Unknown"),
        ("Terminated", "Stopped", "Deleting"),
        ("Terminated", "Terminated", "Deleted"),
    ],
)
def test_badge_tells_what_was_asked_for(desired: str, state: str, label: str) -> None:
    """Between a click and the agent's answer, the badge says what is under way."""
    assert badge(desired, state).label == label


def test_stage_lines_complete_and_in_order() -> None:
    """All stages are shown in their order, whatever was reported and in which order."""
    lines = stage_lines(
        [
            Stage(StageName.CLONE, StageState.RUNNING, NOW - 4, detail="receiving objects"),
            Stage(StageName.QUEUED, StageState.DONE, NOW - 9, NOW - 8.5),
        ],
        NOW,
    )
    assert [line.name for line in lines] == [name.value for name in StageName]
    by_name = {line.name: line for line in lines}
    assert by_name["queued"].seconds == 0.5
    assert not by_name["queued"].live
    assert by_name["clone"].seconds == 4
    assert by_name["clone"].live
    assert by_name["clone"].detail == "receiving objects"
    assert by_name["ready"].seconds is None
    assert by_name["ready"].said == "not yet"


def test_a_clock_that_is_behind_gives_no_negative_time() -> None:
    """A running stage that began "in the future" has taken no time yet."""
    (line,) = [
        li
        for li in stage_lines([Stage(StageName.IMAGE, StageState.RUNNING, NOW + 3)], NOW)
        if li.live
    ]
    assert line.seconds == 0


def test_a_skipped_stage_took_no_time() -> None:
    """What was not needed shows no duration."""
    lines = stage_lines([Stage(StageName.IMAGE, StageState.SKIPPED, NOW, NOW + 1)], NOW)
    assert next(line for line in lines if line.name == "image").seconds is None
