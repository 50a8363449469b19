"""What `scripts/wrap_markdown.py` makes of a document."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "wrap_markdown", Path(__file__).parents[2] / "scripts/wrap_markdown.py"
)
assert _spec is not None
assert _spec.loader is not None
wrap_markdown = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(wrap_markdown)

LONG = "word " * 24
CODE = "`some code of several words`"


@pytest.mark.parametrize(
    "text",
    [
        f"```\n{LONG}\n```\n",
        f"| {LONG} |\n|---|\n",
        f"# {LONG}\n",
        "narrow\nlines\n",
        "https://example.com/" + "x" * 100 + "\n",
    ],
    ids=["code", "table", "heading", "narrow", "one word"],
)
def test_what_stays_as_it_is(text: str) -> None:
    """No prose, prose that is narrow enough, and what cannot be narrower."""
    assert wrap_markdown.wrapped(text) == text


def test_a_paragraph() -> None:
    """It is filled anew from its first line that is too wide, and what stands around it stays."""
    made = wrap_markdown.wrapped(f"# One\n{LONG.strip()}\nend.\n\nTwo\n")
    assert made == f"# One\n{'word ' * 19}word\nword word word word end.\n\nTwo\n"


@pytest.mark.parametrize(("mark", "indent"), [("- ", "  "), ("1. ", "   "), ("  * ", "    ")])
def test_an_item_of_a_list(mark: str, indent: str) -> None:
    """Its further lines stand below its first word, and the next item stays the next item."""
    lines = wrap_markdown.wrapped(f"{mark}{LONG}\n{mark}two\n").splitlines()
    assert lines[0].startswith(f"{mark}word")
    assert lines[1].startswith(f"{indent}word")
    assert lines[2:] == [f"{mark}two"]
    assert max(map(len, lines)) <= wrap_markdown.WIDTH


def test_what_stays_together() -> None:
    """A span of code, a link's words, and a sign that would mean a list at the beginning of a
    line."""
    for whole in (CODE, "[several words](page.md)", "word - then"):
        for before in range(60, 100):
            lines = wrap_markdown.wrapped(f"{'x' * before} {whole} {LONG}\n").splitlines()
            assert any(whole in line for line in lines) or whole == "word - then"
            assert not [line for line in lines if line.startswith("- ")]


def test_twice_is_once() -> None:
    """What is wrapped is not wrapped again."""
    once = wrap_markdown.wrapped(f"{LONG}{CODE} {LONG}\n- {LONG}\n")
    assert wrap_markdown.wrapped(once) == once
