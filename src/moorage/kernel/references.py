"""`$(NAME)` in text, as Kubernetes replaces it in environment variables, commands and arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^()$]*)\))")
_OF_IMAGE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
"""What stands between `$(` and `)` for a variable that a container's image may set."""


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


def left_over(text: str, value_of: Callable[[str], str | None]) -> str | None:
    """The text in which only references to variables of an image are left, `$(NAME)` or
    `$(NAME:-default)`, for `resolved` or `in_shell`; None: there are none in it."""
    found = False

    def value(match: re.Match[str]) -> str:
        nonlocal found
        if match[1] is None:
            return match[0]
        named = _OF_IMAGE.fullmatch(match[1])
        if (known := value_of(named[1] if named else match[1])) is not None:
            return known.replace("$", "$$")
        found = found or named is not None
        return match[0]

    made = _REFERENCE.sub(value, text)
    return made if found else None


def resolved(texts: Mapping[str, str], image: Mapping[str, str]) -> dict[str, str]:
    """The values of variables that name others of an image, each with those before it."""
    known = dict(image)

    def value(reference: str) -> str | None:
        if (match := _OF_IMAGE.fullmatch(reference)) is None:
            return None
        return known.get(match[1]) or (known.get(match[1]) if match[2] is None else match[2])

    made: dict[str, str] = {}
    for name, text in texts.items():
        made[name] = known[name] = expanded(text, value)
    return made


def in_shell(texts: Mapping[str, str]) -> str:
    """Commands for a shell that set these variables, where the image's are known in its environment
    alone."""
    return "; ".join(
        f"export {name}={_shell_word(text)}"
        for name, text in texts.items()
        if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name)
    )


def _shell_word(text: str) -> str:
    parts, done = [], 0

    def literal(part: str) -> None:
        if part:
            parts.append(shlex.quote(part))

    for match in _REFERENCE.finditer(text):
        literal(text[done : match.start()])
        done = match.end()
        named = _OF_IMAGE.fullmatch(match[1]) if match[1] is not None else None
        if match[1] is None:
            literal("$")
        elif named is None:
            literal(match[0])
        elif named[2] is None:
            parts.append(f'"${{{named[1]}-{_in_quotes(match[0])}}}"')
        else:
            parts.append(f'"${{{named[1]}:-{_in_quotes(named[2])}}}"')
    literal(text[done:])
    return "".join(parts) or "''"


def _in_quotes(text: str) -> str:
    return re.sub(r'([\\"$`}])', r"\\\1", text)
