"""A real sshd on a port of this machine's loopback addresses, that says who came with what; and an
account whose home has keys."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ports import free_port

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
USER = getpass.getuser()
BANNER = "the-banner-of-this-host"


def key(folder: Path, name: str) -> Path:
    """A new key pair; the private one's path."""
    file = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(file)], check=True
    )
    return file


def public(file: Path) -> str:
    return file.with_name(f"{file.name}.pub").read_text().strip()


def fingerprint(file: Path) -> str:
    told = subprocess.run(
        ["ssh-keygen", "-l", "-f", f"{file}.pub"], check=True, capture_output=True, text=True
    )
    return told.stdout.split()[1]


class SshHost:
    """Lets in whoever has one of the keys of `let_in`, as the account that runs this."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="moorage-sshd-"))
        self.key = key(self.folder, "host")
        self.port = free_port()
        self._authorized = self.folder / "authorized"
        self._authorized.touch()
        self._log = self.folder / "log"
        (self.folder / "banner").write_text(f"{BANNER}\n")
        configuration = self.folder / "sshd_config"
        configuration.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nListenAddress ::1\nHostKey {self.key}\n"
            f"AuthorizedKeysFile {self._authorized}\nPidFile none\nLogLevel DEBUG1\nStrictModes no\nUsePAM no\n"
            f"PermitRootLogin yes\nKbdInteractiveAuthentication yes\nPasswordAuthentication yes\n"
            f"Banner {self.folder}/banner\nAcceptEnv GIT_PROTOCOL\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(
                mode=0o755, exist_ok=True
            )  # where sshd is chrooted before anybody signs in
        self._process = subprocess.Popen(
            [SSHD, "-D", "-f", str(configuration), "-E", str(self._log)]
        )
        self._until_it_listens()

    def let_in(self, *keys: Path) -> None:
        self._authorized.write_text("".join(f"{public(file)}\n" for file in keys))

    def url(self, path: Path, host: str = "127.0.0.1") -> str:
        return f"ssh://{USER}@{host}:{self.port}{path}"

    def said(self) -> str:
        """Its log since the last call, when all who came have gone."""
        deadline = time.monotonic() + 20
        while (text := self._log.read_text()).count("Connection from") > len(_ENDED.findall(text)):
            assert time.monotonic() < deadline, text
            time.sleep(0.02)
        os.truncate(self._log, 0)
        return text

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _until_it_listens(self) -> None:
        deadline = time.monotonic() + 20
        while "Server listening on ::1" not in (
            self._log.read_text() if self._log.exists() else ""
        ):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)


_ENDED = re.compile(
    r"^(?:Connection (?:closed|reset) by|Disconnected from|Received disconnect from .* 11: disconnected by user)",
    re.MULTILINE,
)


def methods(log: str) -> set[str]:
    """What anybody tried to sign in by."""
    return set(
        re.findall(r"userauth-request for user \S+ service ssh-connection method ([a-z]+)", log)
    )


def offered(log: str) -> set[str]:
    """Fingerprints of the keys that anybody offered."""
    return set(
        re.findall(r"(?:Failed|Accepted|Postponed) publickey for .* (SHA256:\S+)", log)
    ) | set(re.findall(r"userauth_pubkey: publickey test: .* (SHA256:\S+)", log))


class Account:
    """This account with another home, in a mount namespace of its own, where passwd names `home`,
    and `ssh_config` is /etc/ssh/ssh_config."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="moorage-account-"))
        self.ssh_config = self.home / "system_ssh_config"
        self.ssh_config.touch()
        (self.home / ".ssh").mkdir(mode=0o700)
        self._passwd = self.home / "passwd"
        self._passwd.write_text(
            f"{USER}:x:0:0::{self.home}:/bin/sh\n"
        )  # in the namespace, this account is its root
        self.environ = dict(os.environ)

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        mount = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/ssh/ssh_config && shift 2 && exec "$@"'
        return subprocess.run(
            [
                "unshare",
                *own,
                "--mount",
                "sh",
                "-ec",
                mount,
                "sh",
                str(self._passwd),
                str(self.ssh_config),
                *command,
            ],
            input=stdin,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def read(self, url: str, **settings: Any) -> dict[str, Any]:
        """What the server makes of a repository's URL: the fields of a reading, or of an error."""
        tests = Path(__file__).parents[2]
        done = self.run(
            sys.executable,
            "-c",
            _READ,
            str(tests),
            stdin=json.dumps({"url": url, "settings": settings}),
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)


_READ = """
import asyncio, json, sys
from moorage.kernel.errors import MoorageError
from moorage.server.metrics import Metrics
from moorage.server.repositories.devfiles import read_devfile
from moorage.server.repositories.services import RepositoryReader
from moorage.server.repositories.ssh import load_hosts
from moorage.server.settings import Settings, load_credentials

asked = json.load(sys.stdin)
settings = Settings(repository_networks=("127.0.0.0/8", "::1"), **asked["settings"])
reader = RepositoryReader(
    settings, load_credentials(settings.git_credentials), Metrics(), ssh_hosts=load_hosts(settings.git_ssh)
)
try:
    reading = asyncio.run(read_devfile(reader, asked["url"]))
    print(json.dumps({"text": reading.file.text, "url": reading.url}))
except MoorageError as error:
    print(json.dumps({"code": error.code, "message": error.message, "hint": error.hint}))
"""
