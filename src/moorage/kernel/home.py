"""The one folder that holds an installation's state, and where each thing lies in it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from moorage.kernel.errors import Misconfigured

SOCKET_PATH_LIMIT = 107
"""Bytes of a Unix socket's path that Linux takes (unix(7))."""


GIVEN = "MOORAGE_GIVEN"
"""Names, for a process that runs under an account of its own, the folder with what it may read of
the state folder's secrets and settings: `supervisor.handover` writes it."""
FINGERPRINT = ".sha256"
"""Ends the name of a secret's fingerprint in there."""


def default_home() -> Path:
    """`MOORAGE_HOME`, else `/var/lib/moorage` for root, else `moorage` under `XDG_STATE_HOME`
    (`~/.local/state`)."""
    if given := os.environ.get("MOORAGE_HOME"):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/moorage")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "moorage"


@dataclass(frozen=True)
class Home:
    path: Path

    @property
    def database(self) -> Path:
        return self.path / "moorage.db"

    @property
    def settings(self) -> Path:
        """`settings.toml`, one table per process; it need not exist."""
        return self.path / "settings.toml"

    @property
    def editors(self) -> Path:
        """`editors.toml`: further editors; it need not exist."""
        return given("editors.toml") or self.path / "editors.toml"

    @property
    def client(self) -> Path:
        """`client.json`: `{"server": URL or "unix:<path>", "token": …, "url": the browser's}`, for
        the CLI."""
        return self.path / "client.json"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def gateway(self) -> Path:
        """HAProxy's configuration and maps, and the last route table."""
        return self.path / "gateway"

    def socket(self, name: str) -> Path:
        """The Unix socket of a process. Raises `Misconfigured` when the folder's path is too long
        for one."""
        path = self.run / f"{name}.sock"
        if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
            raise Misconfigured(
                f"The state folder's path is too long for a Unix socket: {path} has more than {SOCKET_PATH_LIMIT} bytes.",
                code="home-path-too-long",
                hint="Choose a shorter folder with --home.",
            )
        return path

    def secret_file(self, name: str) -> Path:
        return given(name) or self.path / "secrets" / name

    def fingerprint(self, name: str) -> str:
        """Of the secret in `secrets/<name>`; "" when there is none. A process may know this without
        knowing the secret."""
        known = given(f"{name}{FINGERPRINT}")
        if known is not None and known.exists():
            return known.read_text().strip()
        from moorage.kernel import (
            ids,
        )  # it brings OpenSSL with it, which the resident supervisor does without

        return ids.fingerprint(self.secret(name)) if self.secret_file(name).exists() else ""

    def secret(self, name: str) -> str:
        """The secret in `secrets/<name>`. Raises `Misconfigured` when it is not there."""
        try:
            return self.secret_file(name).read_text().strip()
        except OSError as error:
            raise Misconfigured(
                f"The secret {self.secret_file(name)} cannot be read: {error.strerror}.",
                code="secret-missing",
            ) from error

    def make(self) -> None:
        """Makes the folders, readable by their owner alone. Raises `Misconfigured` when they cannot
        be made."""
        try:
            for folder in (self.path, self.run, self.logs, self.gateway, self.path / "secrets"):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Misconfigured(
                f"The state folder {self.path} cannot be written: {error.strerror} ({error.filename}).",
                code="home-not-writable",
                hint=f"It must be a folder that user {os.geteuid()} or group {os.getegid()} may write to.",
            ) from error


def given(name: str) -> Path | None:
    """Where this process finds what it was given by that name; None when it reads the state folder
    itself."""
    folder = os.environ.get(GIVEN)
    return Path(folder) / name if folder else None


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replaces the file at once, readable by its owner alone: nobody ever sees half of it.

    `mode`: what it has at most; the process's umask takes from it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    # A file of that name is an earlier process's, or a trap: what is written goes to one that was
    # made just now.
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)


def narrow_umask(mask: int = 0o077) -> None:
    """What this process makes from now on has none of these rights, whatever whoever started it
    thought of that."""
    os.umask(os.umask(mask) | mask)


def write_client(home: Home, *, server: str, url: str, token: str) -> None:
    write_private(
        home.client, json.dumps({"server": server, "url": url, "token": token}, indent=2) + "\n"
    )
