"""The first process of a container: an init, which reaps what others leave behind and passes
signals on. Pure.

The kernel gives process 1 no signal that it does not handle: without an init, `sleep`, a shell or
Node as that process lives until SIGKILL.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from moorage.contract.spec import TOOLS_ROOT

INIT = (f"{TOOLS_ROOT}/bin/tini", "--")
_INITS = frozenset(
    {
        "catatonit",
        "docker-init",
        "dumb-init",
        "init",
        "my_init",
        "runit-init",
        "runsvdir",
        "s6-overlay-init",
        "s6-svscan",
        "systemd",
        "tini",
        "tini-static",
    }
)
"""Programs that do the same; some of them (s6-overlay's `/init`, systemd) run as process 1
alone."""


def under_init(words: Sequence[str]) -> list[str]:
    """A container's whole command with an init before it, unless it begins with one."""
    if not words or posixpath.basename(words[0]) in _INITS:
        return list(words)
    return [*INIT, *words]
