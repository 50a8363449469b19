"""The settings of every process: fields, defaults, and what their docstrings say."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from moorage.agent.settings import AgentSettings
from moorage.gateway.settings import GatewaySettings
from moorage.server.settings import Settings as ServerSettings

TABLES: dict[str, type[msgspec.Struct]] = {
    "server": ServerSettings,
    "agent": AgentSettings,
    "gateway": GatewaySettings,
}
"""Table of `settings.toml` → what it is read into."""
UNITS = ("seconds", "minutes", "hours", "days", "MB")
"""A number's unit, where its name ends with it."""


def made() -> str:
    lines = []
    for table, kind in TABLES.items():
        lines += [
            f"## `[{table}]`",
            "",
            f"In the environment: `MOORAGE_{table.upper()}_<FIELD>`.",
            "",
        ]
        lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
        meanings = docstrings(kind)
        for field in msgspec.structs.fields(kind):
            meaning = meanings.get(field.name, "").replace("|", "\\|")
            cells = (f"`{field.name}`", _type(field), _default(field), meaning)
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def docstrings(kind: type) -> dict[str, str]:
    """The string that follows each field of a class."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def _type(field: msgspec.structs.FieldInfo) -> str:
    words = _words(field.type)
    unit = next((unit for unit in UNITS if field.name.endswith(f"_{unit}")), "")
    return f"{words}, {unit}" if unit else words


def _words(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind) if value)
    if origin is tuple:
        return f"list of {_words(get_args(kind)[0])}s"
    if origin in (Union, types.UnionType):
        return _words(next(each for each in get_args(kind) if each is not type(None)))
    return {str: "text", int: "integer", float: "number", bool: "true or false"}.get(
        kind, str(kind)
    )


def _default(field: msgspec.structs.FieldInfo) -> str:
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if default is None or default == ():
        return ""
    if isinstance(default, tuple):
        return f"`[{', '.join(map(_value, default))}]`"
    return f"`{_value(default)}`"


def _value(value: Any) -> str:
    """As TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f'"{value}"'
        if isinstance(value, str)
        else f"{value:_}"
        if isinstance(value, int)
        else f"{value:g}"
    )
