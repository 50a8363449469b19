"""Opens what a process listens on: a Unix socket that nobody but its own user (or whom its starter
let in) connects to, or a TCP address."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INHERITED = "MOORAGE_LISTEN_FD"
"""Names the descriptor of a socket that whoever started this process has bound for it, with owner
and mode."""
BACKLOG = 1024
_LAST_PORT = 65535


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """The one that was inherited, or one that is bound here. One that an earlier process left
    behind is replaced at once."""
    there = inherited()
    with socket.socket(fileno=there[0]) if there else bind(path, 0o600) as found:
        found.set_inheritable(False)
        found.listen(BACKLOG)
        yield found


def inherited() -> tuple[int, ...]:
    """The descriptor of the inherited one, if there is one."""
    text = os.environ.get(INHERITED, "")
    return (int(text),) if text else ()


def bind(path: Path, mode: int, *, group: int = -1) -> socket.socket:
    """Not listening yet. Nobody can connect before it has its group and mode: it has its name only
    then."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(new))
        os.chown(new, -1, group)
        new.chmod(mode)
        new.rename(path)
    except BaseException:
        made.close()
        raise
    return made


def parse_address(text: str) -> tuple[str, int]:
    """Host and port out of `host:port`; an IPv6 host stands in brackets, and is returned without.

    Raises `ValueError`. The host may be empty, or `*`: what that means is for the caller to say.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
        raise ValueError(f"{text!r} is not host:port")
    return host.strip("[]"), int(port)


def format_address(host: str, port: int) -> str:
    """`host:port`, with an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
