"""What is told of text that is no YAML, and where."""

from __future__ import annotations

import time

import pytest

from moorage.devfile import DevfileError, Problem
from moorage.documents.reading import read

HEAD = """\
schemaVersion: 2.2.0
components:
- name: dev
  container:
"""


def _problem(text: str) -> Problem:
    with pytest.raises(DevfileError) as caught:
        read(text, DevfileError)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize(
    ("after", "where"),
    [
        ("    memoryLimit: 1Gi\n", "nowhere"),
        ("    memoryLimit: Q1GiQ\n", "only in line 6"),
        ("    memoryLimit: 1Gi\n    cpuLimit: Q1Q\n", "only in line 7"),
        ("    env:\n    - {name: A, value: QbQ}\n    args: [QxQ]\n", "only in line 7"),
    ],
)
def test_a_quote_that_is_not_closed_is_told_where_it_begins(
    quote: str, after: str, where: str
) -> None:
    """Not where the parser could not go on: at the next quote, or at the end of the file."""
    problem = _problem(HEAD + f"    image: {quote}python:3\n" + after.replace("Q", quote))
    assert (problem.code, problem.line, problem.column) == ("yaml-syntax", 5, 12)
    assert problem.message == f"The quote that begins here is closed {where}."


@pytest.mark.parametrize("text", ["a: 'x\n  y' z\n", 'a: "it\nis"\nb: [\n'])
def test_a_quote_over_several_lines_is_no_fault_by_itself(text: str) -> None:
    """What is told of a mistake after it is not that quote, unless it is right behind it."""
    problem = _problem(text)
    assert problem.line == (1 if "z" in text else 2) or "quote" not in problem.message


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (HEAD + "    args: [a, b\n    image: i\n", 5, 11),
        (HEAD + "    image: i\n    env: [{name: A, value: b]\n    args: []\n", 6, 11),
        (HEAD + "    annotation: {service: {a: b}\n    image: i\n", 5, 17),
    ],
)
def test_a_bracket_that_is_not_closed_is_told_where_it_begins(
    text: str, line: int, column: int
) -> None:
    """The list or mapping that is open is named by its own place."""
    problem = _problem(text)
    assert problem.line == line
    assert "not closed" in problem.message or "flow" in problem.message
    assert problem.column >= column


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", ">>>>>>> main", "<<<<<<<", "||||||| 1a2b3c4"])
def test_the_marks_of_a_merge_are_called_by_their_name(marker: str) -> None:
    """Git leaves them where two versions could not be joined."""
    problem = _problem(HEAD + f"{marker}\n    image: i\n=======\n    image: k\n>>>>>>> x\n")
    assert (problem.code, problem.line) == ("conflict-markers", 5)
    assert "merge" in problem.message


def test_marks_inside_of_a_script_are_no_conflict() -> None:
    """Text of a block may hold anything."""
    text = "a: |\n  <<<<<<< HEAD\n  x\n  >>>>>>> main\n"
    assert read(text, DevfileError)["a"].startswith("<<<<<<<")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("schemaVersion: 2.2.0\n  components: []\n", 2, "deeper than the one before it"),
        (HEAD + "    image: i\n      memoryLimit: 1Gi\n", 6, "deeper than the one before it"),
        (
            " schemaVersion: 2.2.0\n metadata: {}\ncomponents: []\n",
            3,
            "the document's first key by 1",
        ),
        (HEAD + "    image: i\n   memoryLimit: 1Gi\n", 6, "by 3 spaces, as none"),
        (HEAD + "    image: i\n - name: two\n", 6, "by 1 space, as none"),
    ],
)
def test_a_line_that_is_indented_as_none_before_it_is_told(text: str, line: int, said: str) -> None:
    """The line itself is named, with where it could stand."""
    problem = _problem(text)
    assert (problem.code, problem.line) == ("yaml-syntax", line)
    assert said in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    "text",
    [
        "a: 'x\n" + "b: 'c'\n" * 200_000,
        "a: [\n" + "- x: [a, b\n" * 100_000,
        "a: " + "x:  " * 400_000 + "\n  b: c: d",
        "a: b\n" + " " * 1_000_000 + "c: d",
        "- " * 90 + "\n" + "x: y\n" * 300_000 + " z: z",
    ],
)
def test_explaining_takes_no_longer_than_reading(text: str) -> None:
    """Text that is made to be slow is explained within the second that reading may take."""
    started = time.process_time()
    with pytest.raises(DevfileError):
        read(text, DevfileError)
    assert time.process_time() - started < 1
