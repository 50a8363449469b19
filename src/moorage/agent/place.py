"""Where an agent is: tells two agents of one identity apart, of which one was started from a copy
of the other's state."""

from __future__ import annotations

import hashlib
from pathlib import Path

MACHINE = Path("/etc/machine-id")


def place_of(home: Path, namespace: str = "", machine: Path = MACHINE) -> str:
    """As a person knows it.

    It stays the same through restarts and updates. `namespace`: of the pod that the agent runs in;
    its state folder is nobody's to copy. The machine's own id is not told (machine-id(5)).
    """
    if namespace:
        return f"the namespace {namespace}"
    folder = f"the state folder {home.resolve()}"
    try:
        identity = machine.read_text().strip()
    except OSError:
        return folder  # a container, whose name and files are made anew
    return (
        f"{folder} on machine {hashlib.sha256(b'moorage' + identity.encode()).hexdigest()[:8]}"
        if identity
        else folder
    )
