"""The parts that all causes are made of. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from moorage.contract import Cause

DETAIL_LIMIT = 4000
"""Characters of an engine's or a program's own words that a cause carries: the last ones."""


class Verdict(NamedTuple):
    """A cause, and whether it is final: nothing changes until somebody does something."""

    cause: Cause
    final: bool


def make_cause(code: str, message: str, detail: str = "", hint: str = "") -> Cause:
    return Cause(code=code, message=message, detail=detail.strip()[-DETAIL_LIMIT:], hint=hint)


def matches(text: str, *patterns: str) -> bool:
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)


NO_SPACE = ("no space left on device", "enospc", "disk quota exceeded")


FILE_WATCHERS = (
    "number of file watchers",
    "number of inotify",
    "inotify.*(no space left|enospc|limit|exhausted|too many)",
)
"""Words about a limit of the kernel's, for which it has no error of its own: it says that there is
no space."""


def no_watchers(what: str, detail: str) -> Verdict:
    return Verdict(
        make_cause(
            "file-watchers-exhausted",
            f"{what}: no more files may be watched for changes.",
            detail,
            "Raise fs.inotify.max_user_watches (or max_user_instances) on the machine that runs the workspaces, or let the "
            "program watch fewer files.",
        ),
        False,
    )


def no_space(where: str, detail: str) -> Verdict:
    return Verdict(
        make_cause(
            "no-space",
            f"There is no space left {where}.",
            detail,
            "Make room on the machine that runs the workspaces (large or unused images, old workspaces), then start it again.",
        ),
        True,
    )
