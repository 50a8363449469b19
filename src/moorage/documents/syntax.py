"""Text that is no YAML → what is wrong with it, at the place that a person must mend.

The parser says where it could not go on, which is often far from where the mistake is.
"""

from __future__ import annotations

import re

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError
from yaml.tokens import ScalarToken

from moorage.documents.building import Refused
from moorage.documents.kinds import Kind

CODE = "yaml-syntax"
_CONFLICT = re.compile(rb"^(?:<{7}|>{7}|\|{7})(?: .*)?\r?$", re.MULTILINE)
_LOOKED_AT = 256 * 1024
"""Bytes of a document that are looked through for a quote that is not closed: the time is to stay
below a second."""
_LONGEST_LINE = 1000
_VALUE = re.compile(r"\s*(?:- +)*[^\s#][^#]*?:\s+[^\s#|>&*!]")
"""A line that has a key and its value."""


def refused(data: bytes, error: MarkedYAMLError, kind: Kind) -> Refused:
    """The problem that the parser's error stands for."""
    if found := _CONFLICT.search(data):
        return Refused(
            "conflict-markers",
            f"The {kind.name} holds the marks of a merge that is not done: {found[0].decode()[:7]}.",
            line=data.count(b"\n", 0, found.start()),
            hint="Keep what is right of the two versions, and remove the lines of <<<<<<<, ======= and >>>>>>>.",
        )
    at = error.problem_mark or error.context_mark
    line = at.line if at else 0
    lines = data.decode().splitlines()
    for explain in (_quote, _bracket, _indentation):
        if explained := explain(data, lines, error, line):
            return explained
    return Refused(
        CODE,
        f"This is not valid YAML: {_sentence(error)}.",
        line=line,
        column=at.column if at else 0,
        hint=_hint(str(error.problem)),
    )


def _quote(data: bytes, lines: list[str], error: MarkedYAMLError, line: int) -> Refused | None:
    """A quote that is closed nowhere, or by one that was to begin another text."""
    context = error.context_mark
    if context is not None and "quoted scalar" in str(error.context):
        if "end of stream" in str(error.problem):
            return _open_quote(context.line, context.column, "nowhere")
        return None
    if len(data) > _LOOKED_AT:
        return None
    scanner = CParser(data)
    try:
        while (token := scanner.get_token()) is not None and token.start_mark.line <= line:
            start, end = token.start_mark, token.end_mark
            if not isinstance(token, ScalarToken) or token.plain or token.style not in ("'", '"'):
                continue
            if start.line < end.line == line:
                return _open_quote(start.line, start.column, f"only in line {end.line + 1}")
    except MarkedYAMLError:
        return None
    return None


def _open_quote(line: int, column: int, where: str) -> Refused:
    return Refused(
        CODE,
        f"The quote that begins here is closed {where}.",
        line=line,
        column=column,
        hint="Close it at the end of its text; a quote inside of it is written twice ('') or escaped (\\\").",
    )


def _bracket(_: bytes, lines: list[str], error: MarkedYAMLError, line: int) -> Refused | None:
    context = error.context_mark
    if context is None or "flow" not in str(error.context) or context.line == line:
        return None
    opened = "".join(lines[context.line : context.line + 1])[context.column : context.column + 1]
    closing = {"[": "]", "{": "}"}.get(opened)
    if closing is None:
        return None
    return Refused(
        CODE,
        f"The {opened!r} that begins here is not closed before line {line + 1}.",
        line=context.line,
        column=context.column,
        hint=f"Close it with {closing!r}.",
    )


def _indentation(_: bytes, lines: list[str], error: MarkedYAMLError, line: int) -> Refused | None:
    """A line that stands further in or out than those before it allow."""
    if line >= len(lines) or not lines[line].strip():
        return None
    before = [text for text in lines[:line] if text.strip() and not text.lstrip().startswith("#")]
    indent = _indent(lines[line])
    problem = str(error.problem)
    message = hint = ""
    if not before:
        return None
    if "mapping values are not allowed" in problem:
        if indent > _indent(before[-1]) and _VALUE.match(before[-1][:_LONGEST_LINE]):
            message = (
                "This line is indented deeper than the one before it, which has its value already."
            )
            hint = "Begin it in the column of that line, or begin that line's value in a line of its own."
    elif "<document start>" in problem:
        first = next((text for text in before if not text.startswith(("---", "%"))), "")
        if indent < _indent(first):
            message = f"This line is indented by {_spaces(indent)}, the document's first key by {_indent(first)}."
            hint = "Let all keys of the top level begin in the same column."
    elif "expected key" in problem or "block end" in problem:
        fitting = _open_indents(before)
        if indent not in fitting and any(each < indent for each in fitting):
            near = [each for each in fitting if each < indent][:1] + [
                each for each in reversed(fitting) if each > indent
            ][:1]
            message = (
                f"This line is indented by {_spaces(indent)}, as none that it could belong to."
            )
            hint = f"Indent it by {' or '.join(map(str, sorted(near)))}."
    return Refused(CODE, message, line=line, column=indent, hint=hint) if message else None


def _open_indents(before: list[str]) -> list[int]:
    """The columns in which a mapping of the lines before goes on, the innermost first."""
    found: list[int] = []
    low = 1 << 30
    for text in reversed(before):
        column = _indent(text)
        keys = [column]
        while text[column : column + 2] == "- ":
            column += 2 + _indent(text[column + 2 :])
            keys.append(column)
        if keys[0] < low:
            found += [each for each in reversed(keys) if each < low]
            low = keys[0]
        if low == 0:
            break
    return found


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _spaces(number: int) -> str:
    return f"{number} space" if number == 1 else f"{number} spaces"


def _sentence(error: MarkedYAMLError) -> str:
    parts = [part for part in (error.context, error.problem) if part]
    return ", ".join(parts) or "it cannot be read"


def _hint(problem: str) -> str:
    if "tab" in problem or "cannot start any token" in problem:
        return "Indent with spaces, and quote text that starts with a tab, @ or `."
    if "mapping values are not allowed" in problem:
        return "Quote text that holds ': ', and look at the indentation."
    if (
        "could not find expected ':'" in problem
        or "block mapping" in problem
        or "expected <block end>" in problem
    ):
        return "Look at the indentation of this line and of the one before, and at quotes that are not closed."
    return "Look at this line and the one before it."
