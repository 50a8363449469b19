"""What of the devfile specification is supported."""

from __future__ import annotations

from moorage.translation.support import table


def made() -> str:
    return table()
