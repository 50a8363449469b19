"""Settings: a frozen msgspec Struct per process, read once, from `settings.toml` and the
environment.

A field `zone` of the table `gateway` is set by `zone = …` under `[gateway]`, or by
`MOORAGE_GATEWAY_ZONE`, which wins. In the environment, the items of a list are apart by commas.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_origin

import msgspec

from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import given

S = TypeVar("S", bound=msgspec.Struct)


def load(
    kind: type[S], table: str, file: Path, environ: dict[str, str] | None = None, **overrides: Any
) -> S:
    """Reads `table` into `kind`; `overrides` (of a command line; None is no override) win over all.

    Raises `Misconfigured`, which names the file or variable and the field at fault.
    """
    values: dict[str, Any] = _from_file(kind, table, file) | _from_environment(
        kind, table, dict(environ or os.environ)
    )
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Misconfigured(
            f"The settings of [{table}] are not usable: {error}.",
            code="settings-invalid",
            hint=f"Look at {file} and the variables MOORAGE_{table.upper()}_….",
        ) from error


def _from_file(kind: type[msgspec.Struct], table: str, file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads((given(file.name) or file).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"The settings file {file} cannot be read: {error}.", code="settings-unreadable"
        ) from error
    values: dict[str, Any] = document.get(table, {})
    known = {field.name for field in msgspec.structs.fields(kind)}
    if unknown := sorted(values.keys() - known):
        raise Misconfigured(
            f"{file} sets {', '.join(unknown)} under [{table}], which it does not have.",
            code="settings-unknown",
            hint=f"It has: {', '.join(sorted(known))}.",
        )
    return values


def _from_environment(
    kind: type[msgspec.Struct], table: str, environ: dict[str, str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name = f"MOORAGE_{table.upper()}_{field.name.upper()}"
        if name in environ:
            found[field.name] = _value(field.type, environ[name])
    return found


def _value(kind: Any, text: str) -> Any:
    """A tuple's items are written apart by commas."""
    if get_origin(kind) is not tuple:
        return text
    return [item.strip() for item in text.split(",") if item.strip()]
