"""What a postStart command writes, on its way from an engine."""

from __future__ import annotations

from moorage.agent.causes import DETAIL_LIMIT
from moorage.agent.runtimes.step_output import StepOutput


def test_it_is_passed_on_as_it_comes() -> None:
    heard: list[bytes] = []
    output = StepOutput(heard.append)
    for data in (b"a", b"b\n"):
        output.add(data)
    assert heard == [b"a", b"b\n"]


def test_the_reason_of_a_failure_is_its_last_lines() -> None:
    """Twenty at most, and not more than a cause holds; nothing of one that did not fail."""
    output = StepOutput(None)
    for number in range(50_000):
        output.add(b"line %d\n" % number)
    assert output.reason(0) == ""
    assert output.reason(3).splitlines() == [f"line {n}" for n in range(49_980, 50_000)]
    output.add(b"z" * 3 * DETAIL_LIMIT)
    assert output.reason(3) == "z" * DETAIL_LIMIT
