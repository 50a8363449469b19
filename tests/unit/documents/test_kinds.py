"""What documents of different kinds have in common, and what they differ in."""

from __future__ import annotations

import time
from typing import Any

import pytest

from moorage.documents import (
    YAML_1_1,
    YAML_1_2,
    Dialect,
    DocumentError,
    Kind,
    Report,
    locate,
    plain,
    read,
)
from moorage.documents.limits import MAX_NODES


class PipelineError(DocumentError):
    """A kind of document in a few lines, as a package would add one."""

    default_code = "pipeline-invalid"
    kind = Kind(
        "pipeline", example="stages: []", field="pipeline", dialect=YAML_1_1, may_be_empty=True
    )


class StrictError(DocumentError):
    default_code = "strict-invalid"
    kind = Kind("sheet", example="a: 1", field="sheet")


@pytest.mark.parametrize(
    ("text", "dialect", "value"),
    [
        ("yes", YAML_1_2, "yes"),
        ("yes", YAML_1_1, True),
        ("'yes'", YAML_1_1, "yes"),
        ("OFF", YAML_1_1, False),
        ("!!bool off", YAML_1_1, False),
        ("y", YAML_1_1, "y"),
        ("0755", YAML_1_1, 755),
        ("1:30", YAML_1_1, "1:30"),
        ("2026-01-01", YAML_1_1, "2026-01-01"),
    ],
)
def test_scalars_of_a_dialect(text: str, dialect: Dialect, value: Any) -> None:
    """Only the words for booleans differ: no dialect reads dates, octal numbers or those in base
    60."""
    found = plain(read(f"key: {text}", _error_of(dialect)))["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{<<: {x: 1}}", {"x": 1}),
        ("{<<: {x: 1, y: 2}, x: 3}", {"x": 3, "y": 2}),
        ("{x: 3, <<: {x: 1, y: 2}}", {"x": 3, "y": 2}),
        ("{<<: [{x: 1}, {x: 2, y: 2}]}", {"x": 1, "y": 2}),
        ("{<<: []}", {}),
        ("{<<: {<<: {x: 1}, y: 2}}", {"x": 1, "y": 2}),
        ("{x: 1, x: 2}", {"x": 2}),
        ("{x: {y: 1}, z: 0, x: [{y: 2}]}", {"x": [{"y": 2}], "z": 0}),
    ],
)
def test_mappings_are_merged_where_the_dialect_says_so(text: str, value: Any) -> None:
    """Keys that are written out win, then the first that has them; of a key that stands twice, the
    last one counts."""
    assert plain(read(f"key: {text}", PipelineError))["key"] == value


def test_merging_and_repeating_are_no_part_of_yaml_1_2() -> None:
    """There `<<` is a key like any other, and a key that stands twice is a problem."""
    assert plain(read("a: {<<: {x: 1}}", StrictError)) == {"a": {"<<": {"x": 1}}}
    with pytest.raises(StrictError, match="stands here twice"):
        read("a: {x: 1, x: 2}", StrictError)


def test_what_was_merged_keeps_its_place() -> None:
    """A problem in it points to where it is written, not to where it was merged."""
    tree = read(".base: &base\n  image: 7\njob:\n  <<: *base\n  script: a\n", PipelineError)
    assert plain(tree)["job"] == {"image": 7, "script": "a"}
    assert locate(tree, ("job", "image")) == (0, 2, 10)
    assert locate(tree, ("job", "script")) == (0, 5, 11)


@pytest.mark.parametrize("given", ["word", "[word]", "~", "[[]]"])
def test_only_mappings_are_merged(given: str) -> None:
    """Anything else is a problem at its `<<`."""
    with pytest.raises(PipelineError) as caught:
        read(f"jobs:\n  - a: 1\n  - <<: {given}\n", PipelineError)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path, problem.line, problem.column) == (
        "merge-not-mapping",
        "jobs[1]",
        3,
        5,
    )


def test_merging_is_bounded() -> None:
    """A text in which each mapping takes over all before it is refused before it grows."""
    grown = "a0: &a0 {k0: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}\n" for n in range(1, 60)
    )
    with pytest.raises(PipelineError, match=f"more than {MAX_NODES} values"):
        read(grown, PipelineError)
    with pytest.raises(PipelineError, match="stands inside of what it names"):
        read("a: &a {<<: *a}", PipelineError)


def test_merging_costs_no_more_than_what_is_merged() -> None:
    """Small mappings that are merged ten thousand times into a large one do not make each look at
    all of it."""
    large = "".join(f"  k{n}: 1\n" for n in range(24_000))
    text = f"a: &a {{x: 1}}\nb:\n{large}  <<: [{'*a, ' * 12_000}]\n"
    started = time.process_time()
    found = read(text, PipelineError)["b"]
    assert time.process_time() - started < 1.5
    assert list(found)[-2:] == ["k23999", "x"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "---\n"])
def test_an_empty_document(text: str) -> None:
    """It has no keys where its kind may be empty, and is no mapping elsewhere."""
    assert read(text, PipelineError) == {}
    with pytest.raises(StrictError, match="The sheet is not a mapping of keys to values"):
        read(text, StrictError)


def test_an_error_speaks_of_its_kind() -> None:
    """Name, field and example are the kind's, in what reading refuses and in what a report
    collects."""
    with pytest.raises(
        PipelineError, match="The pipeline is not valid: line 1, column 1"
    ) as caught:
        read("- a", PipelineError)
    assert (caught.value.code, caught.value.field) == ("pipeline-invalid", "pipeline")
    assert "'stages: []'" in caught.value.hint
    tree = read("stages: [a]\n", PipelineError)
    report = Report(tree, PipelineError)
    report.add("no-job", "No job is in the stage 'a'.", ("stages", 0))
    with pytest.raises(PipelineError, match=r"line 1, column 10: No job is in the stage 'a'\."):
        report.raise_if_any()


def _error_of(dialect: Dialect) -> type[DocumentError]:
    return PipelineError if dialect is YAML_1_1 else StrictError
