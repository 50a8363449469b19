"""Whom the processes run as: an account each where root starts them and the machine lets it, else
all as whoever starts them, which is said.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from moorage.kernel.errors import MoorageError
from moorage.kernel.home import Home
from moorage.supervisor import accounts, folder
from moorage.supervisor.accounts import Accounts
from moorage.supervisor.children import Enter
from moorage.supervisor.processes import PROCESSES, Process

LOOK_EVERY = 15.0
"""Seconds between two looks at the certificates' files: as often as the gateway looks at the
copies."""


class Renewals:
    """Certificates are renewed by others, in files that are root's: their copies follow."""

    def __init__(self, home: Home, split: Accounts) -> None:
        self._home = home
        self._split = split
        self.due = time.monotonic() + LOOK_EVERY

    def follow(self) -> str:
        """Copies what is new when it is time for that. What was in the way, or ""."""
        if time.monotonic() < self.due:
            return ""
        from moorage.supervisor import handover  # only where there are any

        self.due = time.monotonic() + LOOK_EVERY
        try:
            handover.copy_certificates(
                self._home, self._split, handover.certificates(self._home, os.environ)
            )
        except (OSError, MoorageError) as error:
            return str(error)
        return ""


class Privileges(NamedTuple):
    split: Accounts | None = None
    text: str = ""
    """For a person."""
    obstacle: str = ""
    """The reason why they all run as root; "" when they do not, or root is not who starts them."""
    renewals: Renewals | None = None

    def enter(self, home: Home, process: Process) -> Enter | None:
        """The function that a child calls before its program; None: it stays as it is."""
        split = self.split
        if split is None:
            return None

        # Imported by children alone: the resident process needs none of it.
        def enter(environment: dict[str, str], parent: int) -> dict[str, str]:
            from moorage.supervisor import confine

            return confine.enter(home, process, split, environment, parent)

        return enter


def choose(home: Home) -> Privileges:
    """Makes accounts that are missing, tries them out, and gives the state folder's files to them.
    Raises `Misconfigured`."""
    if not accounts.is_root():
        return Privileges(text=f"all processes run as user {os.geteuid()}, who started them")
    try:
        split = accounts.ensure()
        folder.tighten(home, split)
        problem = _obstacle(home, split)
    except accounts.Missing as error:
        problem = str(error)
    if problem:
        folder.tighten(home)
        return Privileges(
            text=f"all processes run as root: {problem}. Install Moorage where every account may read it (/opt/moorage, with a "
            "Python of the system's), and let the state folder be /var/lib/moorage.",
            obstacle=problem,
        )
    own = [process.name for process in PROCESSES if process.given]
    roots = [process.name for process in PROCESSES if not process.given]
    names = ", ".join(
        [
            *(f"{name} as {accounts.PREFIX}{name}" for name in own),
            *(f"{name} as root" for name in roots),
        ]
    )
    renewals = Renewals(home, split) if _has_certificates(home) else None
    return Privileges(split, f"each process has its own: {names}", renewals=renewals)


def _has_certificates(home: Home) -> bool:
    """Without reading more than is needed to know: most have none."""
    if os.environ.get("MOORAGE_GATEWAY_TLS_CERTIFICATE"):
        return True
    try:
        return "tls_certificate" in home.settings.read_text()
    except (OSError, UnicodeDecodeError):
        return False


def _obstacle(home: Home, split: Accounts) -> str:
    """Asked in a child, which alone imports what that takes."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            import compileall

            from moorage.supervisor import confine

            # Accounts that may not write to Moorage's own folder would compile it anew at each of
            # their starts.
            os.umask(0o022)
            compileall.compile_dir(Path(__file__).parents[1], quiet=2)
            os.write(writing, (confine.obstacle(home, split, os.environ) or "none").encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(pid, 0)
    return "" if said == "none" else said or "trying it out failed"
