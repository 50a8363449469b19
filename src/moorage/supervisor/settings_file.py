"""Sets values in `settings.toml` and leaves the rest of the file, comments included, as a person
wrote it. Pure."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping

from moorage.kernel.errors import Misconfigured

Value = str | int | list[str]
Tables = Mapping[str, Mapping[str, Value]]

_TABLE = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]\s*(#.*)?")


def with_values(text: str, tables: Tables) -> str:
    """The text of a TOML file in which each table's values are set; a table that is not there is
    added at the end.

    Raises `Misconfigured` when the text is no TOML, or is written so that this cannot be done line
    by line (a table written inline, a dotted key).
    """
    wanted = parse(text)
    for table, values in tables.items():
        wanted[table] = {**wanted.get(table, {}), **values}
    lines = text.splitlines()
    for table, values in tables.items():
        for key, value in values.items():
            lines = _set(lines, table, key, value)
    result = "\n".join(lines).strip("\n") + "\n"
    try:
        as_wanted = tomllib.loads(result) == wanted
    except tomllib.TOMLDecodeError:
        as_wanted = False
    if not as_wanted:
        raise Misconfigured(
            "The settings file is written in a way that cannot be changed by line.",
            code="settings-unreadable",
            hint="Write each table as [server], [agent], [gateway] with one `key = value` a line.",
        )
    return result


def parse(text: str) -> dict[str, dict[str, object]]:
    """Raises `Misconfigured` when the text is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(
            f"The settings file is no TOML: {error}.", code="settings-unreadable"
        ) from error


def _set(lines: list[str], table: str, key: str, value: Value) -> list[str]:
    # A JSON string without escaped slashes is a TOML basic string, a JSON number a TOML integer, a
    # list of strings is one in both.
    entry = f"{key} = {json.dumps(value, ensure_ascii=False)}"
    begin, end = _span(lines, table)
    if begin < 0:
        return [*lines, *([""] if lines and lines[-1] else []), f"[{table}]", entry]
    assignment = re.compile(rf"\s*{re.escape(key)}\s*=")
    for number in range(begin, end):
        if assignment.match(lines[number]):
            return [*lines[:number], entry, *lines[number + 1 :]]
    last = end
    while last > begin and not lines[last - 1].strip():
        last -= 1
    return [*lines[:last], entry, *lines[last:]]


def _span(lines: list[str], table: str) -> tuple[int, int]:
    """The first line after a table's heading, and the line after its last; (-1, -1) when it is not
    there."""
    begin = -1
    for number, line in enumerate(lines):
        heading = _TABLE.fullmatch(line)
        if begin >= 0 and line.lstrip().startswith("["):
            return begin, number
        if heading and heading[1] == table:
            begin = number + 1
    return (begin, len(lines)) if begin >= 0 else (-1, -1)
