"""`$(NAME)` in text, as Kubernetes replaces it in environment variables, commands and arguments."""

from __future__ import annotations

import re
from collections.abc import Callable

_REFERENCE = re.compile(r"\$(?:\$|\(([^()$]*)\))")


def expanded(text: str, value_of: Callable[[str], str | None]) -> str:
    """The text with the values of the names that are known in their places, and `$$` made `$`. A
    name without a value (None) stays as it is written.

    Source: Kubernetes' documentation, "Define Dependent Environment Variables".
    """
    if "$" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        found = value_of(match[1])
        return match[0] if found is None else found

    return _REFERENCE.sub(value, text)
