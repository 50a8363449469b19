"""JSON with comments and trailing commas, as VS Code's own files have it."""

from __future__ import annotations

import json
import re
from typing import Any

# What is not closed reaches to the text's end: looking for an end that is not there, again and
# again, takes long.
_SKIPPED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_TRAILING = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|,(?=\s*[}\]])', re.DOTALL)


class NotJson(ValueError):
    """A text is not JSON. `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def loads(text: str) -> Any:
    """The document's value. Raises `NotJson`, whose place is that in `text`."""
    bare = _TRAILING.sub(_blank_comma, _SKIPPED.sub(_blank, text.removeprefix("\ufeff")))
    try:
        return json.loads(bare, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.lineno, error.colno) from error
    except (RecursionError, ValueError) as error:
        raise NotJson("it is nested too deep, or has a number that is none", 1, 1) from error


def _blank(match: re.Match[str]) -> str:
    """A comment becomes blanks, so that every other place stays where it was."""
    found = match[0]
    return found if found.startswith('"') else re.sub(r"[^\n]", " ", found)


def _blank_comma(match: re.Match[str]) -> str:
    return match[0] if match[0].startswith('"') else " "


def _no_constant(name: str) -> Any:
    raise ValueError(name)
