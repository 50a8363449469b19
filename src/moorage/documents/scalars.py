"""Scalars by YAML 1.2's core schema (section 10.3.2), where `no` is text and `0755` is 755; and
YAML 1.1's words beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

CORE_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""Plain scalars that are no text."""
OLDER_WORDS: dict[str, Any] = {
    **CORE_WORDS,
    **dict.fromkeys(("yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF"), False),
}
"""Those of YAML 1.1, which has more words for booleans."""
STARTS = frozenset("0123456789+-.")
"""First characters of plain scalars that are numbers."""
TAG = "tag:yaml.org,2002:"

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_FEW_DIGITS = 18
_TAGGED: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "null": (type(None),),
}


class NotFiniteError(ValueError):
    """A number that JSON has no word for."""


class TagError(ValueError):
    """A tag that means nothing here, or does not fit its text."""


def resolved(text: str, words: Mapping[str, Any] = CORE_WORDS) -> Any:
    """The value of a plain scalar. Raises `NotFiniteError`."""
    if text in words:
        return words[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) <= _FEW_DIGITS else _float(text)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _BASED.fullmatch(text) and len(text) <= _FEW_DIGITS:
        return int(text, 0)
    if _NOT_FINITE.fullmatch(text):
        raise NotFiniteError
    return text


def tagged(tag: str, text: str, words: Mapping[str, Any] = CORE_WORDS) -> Any:
    """The value of a scalar with a tag. Raises `TagError` and `NotFiniteError`."""
    kind = tag.removeprefix(TAG)
    if kind == "str":
        return text
    value = resolved(text, words)
    fits = _TAGGED.get(kind)
    if fits is None or not isinstance(value, fits) or (isinstance(value, bool) and kind != "bool"):
        raise TagError
    return float(value) if kind == "float" and isinstance(value, int | float) else value


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise NotFiniteError
    return value
