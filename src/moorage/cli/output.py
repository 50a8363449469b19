"""Printing: tables and sentences for a person, JSON for a programme."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

from moorage.cli import words
from moorage.kernel.errors import MoorageError

if TYPE_CHECKING:
    from rich.console import Console


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def console(*, error: bool = False) -> Console:
    """Rich's console; colours and live displays only where a terminal is."""
    from rich.console import Console

    return Console(stderr=error, highlight=False, soft_wrap=True)


def show_json(value: Any) -> None:
    """One JSON document on standard output. msgspec structs become objects."""
    import msgspec

    plain = msgspec.to_builtins(value)
    sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """A table without lines, which `grep` and `awk` read too, and in which nothing is ever cut.

    `empty` is said in place of a table without rows.
    """
    if not rows:
        say(empty)
        return
    table = [[clean(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(columns, column)) for column in zip(*table, strict=True)]
    for number, row in enumerate(table):
        cells = [
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        line = "  ".join(cells).rstrip()
        click.echo(line if number else click.style(line, bold=True))


def say(text: str) -> None:
    """A sentence for a person, on standard output."""
    click.echo(clean(text))


def note(text: str) -> None:
    """A sentence beside the result, on standard error."""
    click.echo(clean(text), err=True)


def columns(text: str) -> int:
    """The columns of a terminal that a text takes: an East Asian character two, a combining one
    none."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells have it."""


def reader_gone() -> int:
    """The exit code when nobody reads standard output any more (`… | head`): 128 and SIGPIPE's
    number.

    Python flushes standard output once more at its end, which would fail again: it goes nowhere
    from here on.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141


def clean(text: str) -> str:
    """Without control characters: what comes out of a repository or a container must not steer the
    terminal."""
    return "".join(c for c in text if c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160))


def markup(text: str) -> str:
    """Text as rich's markup for just that text."""
    from rich.markup import escape

    return escape(clean(text))


def show_error(error: MoorageError, *, as_json: bool) -> None:
    """On standard error: message, what is wrong where, and what to do; or one JSON object."""
    if as_json:
        sys.stderr.write(
            json.dumps(error_document(error), indent=2, ensure_ascii=False, default=str) + "\n"
        )
        return
    for line in error_lines(error):
        console(error=True).print(line)


def error_document(error: MoorageError) -> dict[str, Any]:
    field = getattr(error, "field", "")
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        **({"field": field} if field else {}),
        **error.details,
    }


def error_lines(error: MoorageError) -> list[str]:
    """The error for a person, in rich's markup."""
    field = getattr(error, "field", "")
    detail = str(error.details.get("detail") or "").splitlines()
    lines = [
        f"[bold red]error:[/] {markup(error.message)}" + (f" ({markup(field)})" if field else "")
    ]
    lines += [f"  [dim]|[/] {markup(line)}" for line in detail]
    for problem in error.details.get("problems") or []:
        lines.append("  " + markup(problem_line(problem)))
        if problem.get("hint"):
            lines.append(f"    [dim]{markup(problem['hint'])}[/]")
    if left_out := error.details.get("left_out"):
        lines.append(f"  {words.more_problems(left_out)}")
    if error.hint:
        lines.append(f"[cyan]hint:[/] {markup(error.hint)}")
    return lines


def problem_line(problem: dict[str, Any]) -> str:
    """One problem of a devfile: where it is, as `line:column`, and what."""
    place = ":".join(
        str(problem[key]) for key in ("source", "field", "line", "column") if problem.get(key)
    )
    place = f"{place}: " if place else ""
    path = f" ({problem['path']})" if problem.get("path") else ""
    return f"{place}{problem.get('message', '')}{path}"
