"""Numbers and states as a person reads them."""

from __future__ import annotations

import time
from typing import Any

from moorage.wording import badge, duration


def size(count: int) -> str:
    """Bytes: `0 B`, `312 KB`, `18.4 MB`, `20 GB` (powers of 1000)."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def since(then: float, now: float | None = None) -> str:
    """The time since then, as a duration."""
    return duration((time.time() if now is None else now) - then)


def more_problems(count: int) -> str:
    """A sentence for problems that are left out: the search of a devfile ends after some."""
    return f"At least {count} more problem{' is' if count == 1 else 's are'} not shown."


def state_word(workspace: dict[str, Any]) -> str:
    """A workspace's state as the pages say it."""
    troubled = bool(workspace.get("trouble") or workspace["cause"])
    rescue = bool(workspace.get("rescue"))
    return badge(workspace["desired"], workspace["state"], troubled=troubled, rescue=rescue).label


_TAKES_NO_BROWSER = frozenset({"tcp", "udp"})


def exposure_words(port: dict[str, Any]) -> str:
    """For whom a port is. A devfile's `public` and `internal` mean the same here: it is its
    owner's, behind the sign-in. Nothing is open to the public."""
    if port["exposure"] == "none":
        return "its containers"
    if port["protocol"] in _TAKES_NO_BROWSER:
        return f"its containers ({port['protocol']})"
    return "its owner"


def changed_words(workspace: dict[str, Any]) -> str:
    """That there is another devfile by now, and what takes it."""
    return (
        "The devfile in the repository has changed. "
        f"`moor rebuild {workspace['title']}` shows how, and takes it."
    )
