"""A PostgreSQL server of the tests' own: on a Unix socket, in a temporary folder, as a user who is
not root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from ports import free_port

PASSWORD = "of-the-tests"
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/bin")


def _programs() -> Path:
    found = [
        path.parent for place in _PLACES for path in sorted(Path("/").glob(f"{place[1:]}/initdb"))
    ]
    if not found:
        raise RuntimeError(
            "PostgreSQL's initdb is not on this machine (Debian: apt-get install postgresql)"
        )
    return next((path for path in found if (path / "postgres").exists()), found[0])


class Postgres:
    def __init__(self, listen: str = "", tls: tuple[Path, Path] | None = None) -> None:
        """`listen`: addresses at which it can be reached by TCP as well, with the password
        `PASSWORD`. `tls`: certificate and key; it then takes nothing else by TCP."""
        self.folder = Path(tempfile.mkdtemp(prefix="moorage-pg-"))
        self._bin = _programs()
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._count = 0
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb",
            "-D",
            f"{self.folder}/data",
            "-U",
            "moorage",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
        )
        self.port = free_port() if listen else 5432
        rules = "local all all trust\nhostssl all all all scram-sha-256\n"
        if tls is None:
            rules = (
                self.folder / "data/pg_hba.conf"
            ).read_text() + "host all all all scram-sha-256\n"
        (self.folder / "data/pg_hba.conf").write_text(rules)
        for name, file in zip(("server.crt", "server.key"), tls or (), strict=False):
            shutil.copyfile(file, self.folder / "data" / name)
            (self.folder / "data" / name).chmod(0o600)
            if self._user:
                os.chown(self.folder / "data" / name, self._user.pw_uid, self._user.pw_gid)
        options = f"-c listen_addresses={listen} -c port={self.port} -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=200 -c ssl={'on' if tls else 'off'}"
        self._run(
            "pg_ctl",
            "-D",
            f"{self.folder}/data",
            "-o",
            options,
            "-l",
            f"{self.folder}/log",
            "-w",
            "start",
        )

    def new_database(self) -> str:
        """The URL of a fresh database, as the setting `database` takes it."""
        self._count += 1
        name = f"moorage_{self._count}"
        self._run(
            "psql",
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-U",
            "moorage",
            "-d",
            "postgres",
            "-qc",
            f"CREATE DATABASE {name}",
        )
        return f"postgresql://moorage@/{name}?host={self.folder}"

    def execute(self, url: str, sql: str) -> str:
        """Runs SQL by psql and returns what it prints, unaligned."""
        name = url.split("@/")[1].split("?", maxsplit=1)[0]
        arguments = [
            "psql",
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-U",
            "moorage",
            "-d",
            name,
            "-qAtc",
            sql,
        ]
        return self._run(*arguments).strip()

    def new_database_at(self, host: str) -> str:
        """As `new_database`, for clients that reach it by TCP."""
        name = self.new_database().split("@/")[1].partition("?")[0]
        self.execute(f"postgresql://moorage@/{name}", f"ALTER ROLE moorage PASSWORD '{PASSWORD}'")
        return f"postgresql://moorage:{PASSWORD}@{host}:{self.port}/{name}"

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        self._run(
            "pg_ctl",
            "-D",
            f"{self.folder}/data",
            "-m",
            "fast",
            "-w",
            "-l",
            f"{self.folder}/log",
            "restart",
        )

    def _run(self, program: str, *arguments: str) -> str:
        switch = (
            {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
            if self._user
            else {}
        )
        done = subprocess.run(
            [self._bin / program, *arguments],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=program != "pg_ctl",
            text=True,
            check=False,
            **switch,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")
        return done.stdout or ""


def wait_until(condition: object, seconds: float = 60.0) -> None:
    """Polls until the condition, a function, is true."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError("it did not become true")
        time.sleep(0.02)
