"""Where a request may send its browser on to: a path of the host that answers, and nothing else.
Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote

_HERE = re.compile(r"\.|%2e", re.IGNORECASE)
_UP = re.compile(r"(?:\.|%2e){2}", re.IGNORECASE)
_DECODED = 3
"""How often what is encoded is decoded: whoever handles a path on its way may do so once."""


def own_path(text: str) -> str:
    """`text` when every reader takes it for a path (with query and fragment) of the host that it is
    used on; else `/`.

    A browser takes `//host`, `/\\host`, and both with tabs, line ends or folders that mean nothing
    (`/.//host`) before the host for another one (the URL standard, "relative slash state"; RFC
    3986, 5.2.4); and it is no use to refuse these if the next program decodes the path and sends it
    on.
    """
    if (
        not text.startswith("/")
        or not text.isascii()
        or any(c <= " " or c in '\\"<>\x7f' for c in text)
    ):
        return "/"
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    for _ in range(_DECODED):
        if any(c < " " or c in "\\\x7f" for c in path) or _leads_away(path):
            return "/"
        path = unquote(path, errors="replace")
    return text


def _leads_away(path: str) -> bool:
    """Whether it begins with `//` once folders that mean nothing are gone, however many slashes a
    reader takes for one."""
    parts: list[str] = []
    for part in path.split("/")[1:]:
        if _UP.fullmatch(part):
            parts = parts[:-1]
        elif not _HERE.fullmatch(part):
            parts.append(part)
    return len(parts) > 1 and not parts[0]
