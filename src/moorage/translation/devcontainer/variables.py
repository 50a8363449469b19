"""The specification's variables, `${kind:name:default}`, in texts and in commands for a shell.

Source: the Development Container Specification, "Variables in devcontainer.json".
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

_VARIABLE = re.compile(r"\$\{([A-Za-z]+)(?::([^}:]*))?(?::([^}]*))?\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOLDERS = ("containerWorkspaceFolder", "localWorkspaceFolder")
_BASENAMES = tuple(f"{kind}Basename" for kind in _FOLDERS)
Value = Callable[[re.Match[str]], str]


def substituted(value: Value, text: str, literal: Callable[[str], str] = str) -> str:
    """The text with its variables replaced, and `literal` of what is between them. What follows the
    last `}` is none: looking for its end again and again would take long."""
    end = text.rfind("}") + 1
    parts: list[str] = []
    done = 0
    for match in _VARIABLE.finditer(text, 0, end):
        parts += (literal(text[done : match.start()]), value(match))
        done = match.end()
    return "".join((*parts, literal(text[done:])))


def in_words(words: list[str]) -> str:
    """A command line that runs just these words, their variables replaced."""
    return " ".join(
        substituted(_quoted_expression, word, lambda part: shlex.quote(part) if part else "")
        or "''"
        for word in words
    )


def in_shell(line: str) -> str:
    """A command line for a shell with its variables replaced, however they stand in quotes. What is
    the shell's own, as `${HOME}`, stays."""
    state = ""

    def literal(part: str) -> str:
        nonlocal state
        state = _quote_after(part, state)
        return part

    def value(match: re.Match[str]) -> str:
        expression = _expression(match)
        if expression is None:
            return match[0]
        if not expression.startswith("$") or state == '"':
            return expression
        return f'"{expression}"' if not state else f"'\"{expression}\"'"

    return substituted(value, line, literal)


def _quoted_expression(match: re.Match[str]) -> str:
    expression = _expression(match)
    if expression is None or not expression.startswith("$"):
        return shlex.quote(match[0] if expression is None else expression)
    return f'"{expression}"'


def _expression(match: re.Match[str]) -> str | None:
    """What a shell in the workspace calls it; None for what is no variable of the
    specification's."""
    kind, name, default = match[1], match[2] or "", match[3]
    if kind in _FOLDERS:
        return "${PROJECT_SOURCE}"
    if kind in _BASENAMES:
        return "${PROJECT_SOURCE##*/}"
    if kind == "localEnv":
        return default or ""
    if kind == "containerEnv" and _NAME.fullmatch(name):
        safe = default is not None and re.fullmatch(r"[A-Za-z0-9 _./:@%+=,-]*", default)
        return f"${{{name}:-{default}}}" if safe else f"${{{name}}}"
    return None


def _quote_after(text: str, state: str) -> str:
    """The quote that is open after the text, when `state` was open before it: one of ', " and
    none."""
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and state != "'":
            escaped = True
        elif state:
            state = "" if character == state else state
        elif character in "'\"":
            state = character
    return state
