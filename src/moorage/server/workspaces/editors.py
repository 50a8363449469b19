"""The editors that this installation offers: `server/editors.toml`, or the state folder's own
`editors.toml` instead."""

from __future__ import annotations

from pathlib import Path

import msgspec

from moorage.contract import EditorSpec
from moorage.kernel.errors import Misconfigured


class Editors(dict[str, EditorSpec]):
    """By name; the first is the default."""

    @property
    def default(self) -> EditorSpec:
        return next(iter(self.values()))


SHIPPED = Path(__file__).parent.parent / "editors.toml"


def load_editors(own: Path) -> Editors:
    """In the file's order. Raises `Misconfigured`."""
    file = own if own.exists() else SHIPPED
    try:
        tables = msgspec.toml.decode(file.read_bytes(), type=dict[str, dict[str, object]])
        editors = Editors(
            {
                name: msgspec.convert({"name": name, **table}, EditorSpec)
                for name, table in tables.items()
            }
        )
    except (OSError, msgspec.MsgspecError) as error:
        raise Misconfigured(
            f"The editors in {file} cannot be used: {error}.", code="editors-unusable"
        ) from error
    if not editors:
        raise Misconfigured(f"{file} defines no editor.", code="editors-unusable")
    return editors
