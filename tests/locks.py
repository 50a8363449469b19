"""What one worker at a time may do on this machine, such as building an image that the others are
about to use."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Waits until no other process is in a block of that name. The kernel lets the next one in when
    this process ends."""
    file = Path(tempfile.gettempdir()) / f"moorage-test-{os.geteuid()}-{name}.lock"
    with file.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
