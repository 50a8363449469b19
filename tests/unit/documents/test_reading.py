"""YAML 1.2, places, and the limits that hold for any bytes."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from moorage.devfile import DevfileError, parse
from moorage.documents.limits import MAX_BYTES, MAX_NODES
from moorage.documents.reading import read
from moorage.documents.tree import locate, plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("'true'", "true"),
        ("~", None),
        ("null", None),
        ("", None),
        ("0755", 755),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("3.1.0", "3.1.0"),
        ("1.0", 1.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("+12", 12),
        ("-3", -3),
        ("-", [None]),
        ("=", "="),
        ("<<", "<<"),
        ("123456789012345678901234567890", 1.2345678901234568e29),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("!!float 12", 12.0),
        ('"\\u0041\\n"', "A\n"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
        ("{a: 1, b: [x, y]}", {"a": 1, "b": ["x", "y"]}),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    """Scalars are resolved by the core schema of YAML 1.2, not by the rules of 1.1."""
    found = plain(read(f"key: {text}" if text != "-" else "key:\n  -", DevfileError))["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text() -> None:
    """A key is the text that was written, whatever it would be as a value."""
    assert list(read("8080: a\ntrue: b\nnull: c\n1.0: d", DevfileError)) == [
        "8080",
        "true",
        "null",
        "1.0",
    ]


def test_an_alias_stands_for_its_value() -> None:
    """Anchors and aliases work for values and for keys."""
    assert plain(read("a: &x {b: [1, 2]}\nc: *x\nd: &k word\n*k : 1", DevfileError)) == {
        "a": {"b": [1, 2]},
        "c": {"b": [1, 2]},
        "d": "word",
        "word": 1,
    }


def test_places_are_kept() -> None:
    """Every value knows the line and column of its key and of itself, counted from 1."""
    tree = read("a:\n  - b: 1\n    c:  two\n  - d\n", DevfileError)
    assert locate(tree, ("a", 0, "c")) == (0, 3, 9)
    assert locate(tree, ("a", 0, "c"), of_key=True) == (0, 3, 5)
    assert locate(tree, ("a", 1)) == (0, 4, 5)
    assert locate(tree, ("a",)) == (0, 1, 1)
    assert locate(tree, ("a", 0, "missing")) == (0, 2, 5)
    assert locate(tree, ("missing",)) is None


_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
)
_TEXT_BOMB = "a: &a '" + "x" * 1_000_000 + "'\nb: [" + "*a, " * 100_000 + "]"


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "not-a-mapping", (1, 1)),
        ("- a", "not-a-mapping", (1, 1)),
        ("just text", "not-a-mapping", (1, 1)),
        ("12", "not-a-mapping", (1, 1)),
        ("a: 1\nb: 2\na: 3", "duplicate-key", (3, 1)),
        ("x:\n  a: 1\n  a: 2", "duplicate-key", (3, 3)),
        ("x: {'a': 1, a: 2}", "duplicate-key", (1, 13)),
        ("a: 1\n--- \nb: 2", "several-documents", (2, 1)),
        ("a: *nobody", "alias-unknown", (1, 4)),
        ("a: &x [*x]", "alias-cycle", (1, 8)),
        ("a: &x {b: *x}", "alias-cycle", (1, 11)),
        ("? [a]\n: 1", "key-not-text", (1, 3)),
        ("{a: b}: 1", "key-not-text", (1, 1)),
        ("x: &x [1]\n*x : 1", "key-not-text", (2, 1)),
        ("a: !!python/object:os.system x", "yaml-tag", (1, 4)),
        ("a: !custom x", "yaml-tag", (1, 4)),
        ("a: !!int x", "yaml-tag", (1, 4)),
        ("a: !!set {b}", "yaml-tag", (1, 4)),
        ("a: .inf", "number-not-finite", (1, 4)),
        ("a: 1e999", "number-not-finite", (1, 4)),
        ("a: .nan", "number-not-finite", (1, 4)),
        ("a: [1, 2", "yaml-syntax", (1, 4)),
        ("a: b: c", "yaml-syntax", (1, 5)),
        ("a:\n\t- b", "yaml-syntax", (2, 1)),
        ("a: 'open", "yaml-syntax", (1, 4)),
        ("a: @b", "yaml-syntax", (1, 4)),
        ("a: \x01", "yaml-syntax", (1, 1)),
        ("%YAML 1.3\n---\na: b", "yaml-syntax", (1, 1)),
        ("[" * 200, "too-deep", (1, 101)),
        ("a: " + "[" * 101 + "]" * 101, "too-deep", (1, 103)),
        ("- " * 200, "too-deep", (1, 201)),
        ("a:\n" + " - b\n" * MAX_NODES, "too-many-values", (MAX_NODES, 4)),
        (
            "a:\n" + "".join(f" k{i}: b\n" for i in range(MAX_NODES)),
            "too-many-values",
            (MAX_NODES, 10),
        ),
        ("a: [" + "{}, " * MAX_NODES + "]", "too-many-values", (1, 4 * MAX_NODES - 3)),
        (_BOMB, "too-many-values", (5, 25)),
        (_TEXT_BOMB, "too-many-values", (2, 25)),
        ("a: " + "x" * MAX_BYTES, "too-large", (1, 1)),
        ("%TAG !a! tag:x,2000:\n" * 5 + "---\na: b", "yaml-directives", (1, 1)),
        ("a: \ud800", "not-utf8", (1, 1)),
        (b"a: \xff", "not-utf8", (1, 1)),
        (b"\xff\xfea\x00:\x00", "not-utf8", (1, 1)),
    ],
    ids=lambda value: None if not isinstance(value, str) or len(value) > 60 else value[:30],
)
def test_what_is_no_devfile_is_refused(
    text: str | bytes, code: str, place: tuple[int, int]
) -> None:
    """Whatever is no single, finite, plain mapping is refused with a code, a place and words."""
    with pytest.raises(DevfileError) as caught:
        read(text, DevfileError)
    problem = caught.value.problems[0]
    assert (problem.code, (problem.line, problem.column)) == (code, place)
    assert problem.message.endswith(".")
    assert problem.hint.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 99 + "]" * 99,
        "a: &a [1]\nb: [" + "*a, " * 1000 + "]",
        "%YAML 1.2\n---\na: b\n...\n",
        "%YAML 1.1\n--- {a: b}",
        b"\xef\xbb\xbfa: b",
        "a: " + "x" * (MAX_BYTES - 3),
        '"' + "k" * 1000 + '": 1',
        "? " + "k" * 5000 + "\n: 1",
    ],
    ids=["depth", "aliases", "end", "directive", "bom", "size", "key", "long-key"],
)
def test_what_is_just_within_the_limits_is_read(text: str | bytes) -> None:
    """The limits refuse nothing below them."""
    assert read(text, DevfileError)


HOSTILE = {
    "tags": "".join(f"%TAG !a{i}! tag:x\n" for i in range(100_000)) + "--- a",
    "tags of a second document": "a: b\n...\n"
    + "".join(f"%TAG !a{i}! tag:x\n" for i in range(100_000))
    + "--- a",
    "flow": "[" * 3_000_000,
    "flow maps": "{a: " * 700_000,
    "block": "- " * 1_500_000,
    "keys": "? " * 1_500_000,
    "commas": "a: [" + "a," * 1_500_000,
    "quotes": "a: " + "'" * 3_000_000,
    "anchors": "a: [" + "&a a," * 600_000,
    "aliases": "a: &a b\nc: [" + "*a," * 900_000,
    "comments": "#" * 3_000_000,
    "lines": "\n" * 3_000_000,
    "spaces": "a:" + " " * 3_000_000,
    "escapes": 'a: "' + "\\n" * 1_400_000 + '"',
    "wide keys": "".join(f"k{i}: v\n" for i in range(200_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_cost_little(name: str) -> None:
    """3 MB made to be slow are read or refused in a second or so, also on a busy machine."""
    started = time.process_time()
    with contextlib.suppress(DevfileError):
        parse(HOSTILE[name][:MAX_BYTES])
    assert time.process_time() - started < 2
