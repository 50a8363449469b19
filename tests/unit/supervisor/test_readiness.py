"""Whether waiting for an installation still makes sense, and what a process said at its end."""

from __future__ import annotations

import pytest

from moorage.kernel.errors import Misconfigured, MoorageError, Unavailable
from moorage.supervisor.proc import Identity
from moorage.supervisor.readiness import failure, last_words
from moorage.supervisor.state import ChildReport, ChildState, Exit, Report


def report(state: ChildState, *, restarts: int = 0, code: int | None = None) -> Report:
    last = None if code is None else Exit(code, "", 1.0, ["moor server: It is so. Do this."])
    return Report(Identity(1, 1), 1.0, [ChildReport("server", state, None, 1.0, restarts, last)])


@pytest.mark.parametrize(
    ("found", "gone", "kind", "words"),
    [
        (None, False, None, ""),
        (report("running"), False, None, ""),
        (report("waiting", restarts=3, code=1), False, None, ""),
        (report("running", restarts=9, code=1), False, None, ""),
        (
            report("waiting", restarts=4, code=1),
            False,
            Unavailable,
            "keeps ending (exit code 1): It is so. Do this.",
        ),
        (
            report("failed", code=9),
            False,
            Misconfigured,
            "The server cannot run as it is set up: It is so. Do this.",
        ),
        (report("failed", code=9), True, Misconfigured, "cannot run as it is set up"),
        (report("stopped", code=0), True, Unavailable, "The supervisor ended."),
    ],
)
def test_failure(
    found: Report | None, gone: bool, kind: type[MoorageError] | None, words: str
) -> None:
    """Waiting ends when a process says that it cannot run, keeps dying, or nobody starts it any
    more."""
    problem = failure(found, gone=gone)
    assert (type(problem) if problem else None) is kind
    if problem:
        assert words in problem.message


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "it said nothing."),
        (["", "  "], "it said nothing."),
        (["moor gateway: It is so."], "It is so."),
        (["moorage agent: It is so."], "It is so."),
        (
            ["Traceback (most recent call last):", '  File "x", line 1', "ValueError: no", ""],
            "ValueError: no",
        ),
        (["ValueError: no", "    at the end, an indented line"], "ValueError: no"),
    ],
)
def test_last_words(lines: list[str], words: str) -> None:
    """Its last line that is no stack frame, without its name."""
    assert last_words(lines) == words
