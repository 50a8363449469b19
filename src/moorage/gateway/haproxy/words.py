"""Says what HAProxy may be told: the one list of characters for all that goes into a command of its
runtime API, a map, its configuration or a certificate. Pure.

HAProxy reads `;`, `\\`, quotes, `<<`, spaces and line ends as more than text, in one place or
another. What is written here needs none of them, so that nothing has to be escaped: it is refused
instead.
"""

from __future__ import annotations

import re

from moorage.kernel.errors import Misconfigured

_WORD = r"[A-Za-z0-9._:/@*+=,-]+"
_LINE = re.compile(rf"{_WORD}(?: {_WORD})*")
_WORD_ALONE = re.compile(_WORD)
_CONFIGURED = re.compile(r"[A-Za-z0-9 ._:/@*+=,()\[\]{}-]*")
_SHOWN = 80


def is_word(text: str) -> bool:
    """Whether it can be one word: a key, a value, a name, a path."""
    return _WORD_ALONE.fullmatch(text) is not None


def line(text: str) -> str:
    """`text` when it can be a command, a map's entry or a PEM's line: words with one space between
    two. Raises `Misconfigured`."""
    if not _LINE.fullmatch(text):
        raise _unwritable(text)
    return text


def configured(text: str) -> str:
    """`text` when it can be a part of one or several lines of the configuration as it is. Raises
    `Misconfigured`."""
    for each in text.split("\n"):
        if not _CONFIGURED.fullmatch(each):
            raise _unwritable(each)
    return text


def _unwritable(text: str) -> Misconfigured:
    return Misconfigured(
        f"HAProxy cannot be told this as it is: {text[:_SHOWN]!r}.",
        code="haproxy-unwritable",
        hint="Names and paths for it have letters, digits and . _ : / @ * + = , - alone.",
    )
