"""What is printed."""

from __future__ import annotations

import json
import re

import pytest

from moorage.cli import output
from moorage.cli.details import show_details
from moorage.cli.progress import Printed, table
from moorage.cli.words import size
from moorage.kernel.errors import InvalidInput, MoorageError
from unit.cli.workspace import cause, stage, workspace

PROBLEMS = InvalidInput(
    "The devfile has 2 problems.",
    code="devfile-invalid",
    hint="See docs.",
    field="devfile",
    problems=[
        {
            "message": "two [editors]",
            "line": 3,
            "column": 5,
            "path": "components[1]",
            "hint": "Keep one.",
        },
        {"message": "no components", "source": "https://x/parent.yaml"},
        {"message": "too long", "field": "name"},
    ],
)


def test_an_error_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    """Sentence, field, the devfile's problems with their places, and what to do; brackets are no
    markup."""
    output.show_error(PROBLEMS, as_json=False)
    assert capsys.readouterr().err.splitlines() == [
        "error: The devfile has 2 problems. (devfile)",
        "  3:5: two [editors] (components[1])",
        "    Keep one.",
        "  https://x/parent.yaml: no components",
        "  name: too long",
        "hint: See docs.",
    ]


def test_the_lines_behind_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The log's end stands under the sentence."""
    output.show_error(
        MoorageError("It crashed.", code="container-crashed", detail="one\ntwo [3]"), as_json=False
    )
    assert capsys.readouterr().err.splitlines() == ["error: It crashed.", "  | one", "  | two [3]"]


def test_an_error_for_a_programme(capsys: pytest.CaptureFixture[str]) -> None:
    """One object on standard error, and nothing on standard output."""
    output.show_error(PROBLEMS, as_json=True)
    printed = capsys.readouterr()
    assert printed.out == ""
    document = json.loads(printed.err)
    assert (document["code"], document["field"], document["hint"]) == (
        "devfile-invalid",
        "devfile",
        "See docs.",
    )
    assert len(document["problems"]) == 3


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns align, nothing is cut, brackets stay."""
    output.show_table(["NAME", "X"], [["a", "[b]"], ["a" * 200, "c"]], empty="none")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a", "[b]"]
    assert lines[2].split() == ["a" * 200, "c"]
    assert lines[1].index("[b]") == lines[2].index("c") == lines[0].index("X")
    output.show_table(["NAME"], [], empty="none")
    assert capsys.readouterr().out == "none\n"


def test_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences out of a repository's files or a container's output lose what makes them
    such."""
    evil = "a\x1b]0;title\x07\x9b31mb\rc"
    output.say(evil)
    output.show_table(["X"], [[evil]], empty="")
    output.show_error(
        MoorageError(evil, detail=evil, hint=evil, problems=[{"message": evil}]), as_json=False
    )
    printed = capsys.readouterr()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", printed.out + printed.err)
    assert printed.out.splitlines()[0] == "a]0;title31mbc"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "1.5 KB"),
        (18_400_000, "18.4 MB"),
        (312_000, "312 KB"),
        (20e9, "20.0 GB"),
        (7e12, "7.0 TB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    """Three figures that matter."""
    assert size(int(count)) == text


def test_progress_without_a_terminal() -> None:
    """One line for each stage that ends, once; what it waits for, once, also where only the detail
    of a stage says it; how far a download is makes no new line."""
    lines: list[str] = []
    printed = Printed(lines.append)
    done = stage("image", "done", started_at=10.0, finished_at=12.5, duration=2.5)
    printed.show(workspace(state="Starting", stages=[stage("queued", "running", started_at=9.0)]))
    for detail in ("Pulling x: 1.5 MB of 40 MB", "Pulling x: 12 MB of 40 MB", "No node has room."):
        running = stage("image", "running", started_at=9.0, detail=detail)
        printed.show(workspace(state="Starting", stages=[running]))
    printed.show(workspace(state="Starting", stages=[done], cause=cause("Waits for space.")))
    printed.show(workspace(state="Starting", stages=[done], cause=cause("Waits for space.")))
    printed.show(
        workspace(
            state="Failed",
            stages=[
                done,
                stage("clone", "failed", started_at=1.0, finished_at=2.0, detail="refused"),
            ],
            cause=cause(),
        )
    )
    printed.say("Away. Trying again.")
    shape = [re.sub(r" {2,}", "  ", line) for line in lines]
    assert shape == [
        "waits: Pulling x: 1.5 MB of 40 MB",
        "waits: No node has room.",
        "Image  done  2.5 s",
        "waits: Waits for space.",
        "Clone  failed  1.0 s  refused",
        "Away. Trying again.",
    ]


def test_progress_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Every stage has a line from the start; one that runs shows the time so far."""
    stages = [stage("image", "running", started_at=10.0, detail="layer [2/5]")]
    output.console().print(
        table(workspace(state="Starting", stages=stages, cause=cause("No space.")), 13.0)
    )
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 9
    assert re.search(r"Image +3\.0 s +layer \[2/5\]", printed)
    assert "No space. Look." in printed


def test_a_workspace_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    """State, cause with its lines, containers, ports and what the devfile was warned of."""
    show_details(
        workspace(
            state="Failed",
            cause=cause(detail="line [1]\nline 2"),
            warnings=[
                {
                    "code": "w",
                    "message": "an unused volume",
                    "path": "",
                    "line": 7,
                    "column": 2,
                    "hint": "",
                }
            ],
            containers=[
                {
                    "name": "py",
                    "image": "python:3",
                    "state": "exited",
                    "exit_code": 3,
                    "restarts": 2,
                    "started_at": None,
                    "detail": "x",
                }
            ],
            post_start={"install": ""},
        )
    )
    printed = capsys.readouterr().out
    for expected in (
        r"State: +Failed",
        r"Cause: +The image cannot be found\.",
        r"\| line \[1\]",
        r"Warning: +7:2: an unused volume",
        r"py +exited \(3\) +2 +python:3 +x",
        r"8080 +http-python +its owner +http://8080-",
        r"After start, install: under way",
    ):
        assert re.search(expected, printed), expected
