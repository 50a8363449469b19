"""The end of a container, and its cause."""

from __future__ import annotations

import pytest

from moorage.agent import causes

EXITS = [
    (1, "Traceback: boom", "", False, "container-crashed", False),
    (0, "", "", False, "container-crashed", False),
    (137, "", "", True, "out-of-memory", False),
    (137, "", "", False, "container-crashed", False),
    (127, "sh: serve: not found", "", False, "command-not-found", True),
    (126, "sh: serve: Permission denied", "", False, "command-not-executable", True),
    (1, "exec /bin/serve: exec format error", "", False, "wrong-architecture", True),
    (127, "moorage: no-glibc: the editor needs", "", False, "image-without-glibc", True),
    (127, "Error relocating /opt/node: __res_init: symbol not found", "", False, "image-without-glibc", True),
    (1, "node: /lib/libc.so.6: version `GLIBC_2.28' not found (required by node)", "", False, "image-glibc-too-old", True),
    (1, "Error: ENOSPC: no space left on device, write", "", False, "no-space", True),
    (1, "Error: ENOSPC: System limit for number of file watchers reached, watch '/projects'\n  code: 'ENOSPC',", "", False, "file-watchers-exhausted", False),
    (1, "inotify_add_watch: No space left on device", "", False, "file-watchers-exhausted", False),
    (1, "OSError: [Errno 24] inotify instance limit reached", "", False, "file-watchers-exhausted", False),
    (1, "  File \"watchdog/inotify.py\", line 3\nKeyError: 'no such limit'", "", False, "container-crashed", False),
    (137, "tail: inotify resources exhausted", "", True, "out-of-memory", False),
    (0, "bye\nmoorage: own-command-ended: exit code 0", "", False, "own-command-ended", False),
    (5, "x\nmoorage: editor-gave-up: it ended 3 times", "", False, "editor-crashed", True),
]  # fmt: skip


@pytest.mark.parametrize("row", EXITS)
def test_exits(row: tuple[int, str, str, bool, str, bool]) -> None:
    """An exit code and the last lines become a cause that keeps the lines."""
    code, lines, error, oom, cause, final = row
    verdict = causes.of_exit("py", code, lines, oom=oom, error=error)
    assert (verdict.cause.code, verdict.final) == (cause, final)
    assert lines.strip() in verdict.cause.detail


def test_exit_code_and_signal_are_told() -> None:
    """A crash tells its exit code, and the signal where it was one."""
    assert "exit code 3" in causes.of_exit("py", 3, "x").cause.message
    assert "exit code 139 (SIGSEGV)" in causes.of_exit("py", 139, "x").cause.message
