"""The accounts of this machine that an installation of root's runs under: one per process, so that none can read, end or become
another.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import time
from typing import NamedTuple

NAMES = ("server", "gateway", "haproxy", "agent")
PREFIX = "moorage-"
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_TRIES = 20
_PAUSE = 0.25
"""Seconds; `useradd` gives up at once while another one has the list of accounts."""


class Account(NamedTuple):
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    """Supplementary ones."""


class Accounts(NamedTuple):
    server: Account
    gateway: Account
    haproxy: Account
    """Its group of the gateway's lets it read the last route table, and the gateway's sockets know it by that."""
    agent: Account
    """Root, as whoever has the engine is; its group of its own tells it from root's other programs."""

    @property
    def uids(self) -> frozenset[int]:
        return frozenset(account.uid for account in self)

    @property
    def reach_workspaces(self) -> tuple[str, ...]:
        """Who may connect to workspaces, as the agent's setting `reachable_by` has it: `uid` or `uid:gid`."""
        return (str(self.haproxy.uid), f"{self.agent.uid}:{self.agent.gid}")


class Missing(Exception):
    """Says in words why there are none."""


def find() -> Accounts:
    """Raises `Missing`."""
    try:
        server, gateway, haproxy = (_account(name) for name in NAMES[:3])
        agent = grp.getgrnam(f"{PREFIX}agent").gr_gid
    except KeyError as error:
        raise Missing(f"there is no account {error.args[0].rsplit(' ', 1)[-1]}") from error
    if 0 in (server.uid, gateway.uid, haproxy.uid, server.gid, gateway.gid, haproxy.gid, agent):
        raise Missing("an account of Moorage's is root's")
    if (
        len({server.uid, gateway.uid, haproxy.uid}) < 3
        or len({server.gid, gateway.gid, haproxy.gid, agent}) < 4
    ):
        raise Missing("two accounts of Moorage's are the same")
    return Accounts(server, gateway, haproxy._replace(groups=(gateway.gid,)), Account(0, agent))


def ensure() -> Accounts:
    """Makes those that are missing. Only for root. Raises `Missing`."""
    for name in NAMES:
        _ensure(f"{PREFIX}{name}")
    return find()


def _ensure(name: str) -> None:
    if _there(name):
        return
    program = shutil.which("useradd", path=SYSTEM_FOLDERS)
    if program is None:
        raise Missing(f"there is no account {name}, and no useradd to make it with")
    command = [program, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    said = ""
    for _ in range(_TRIES):
        done = subprocess.run(  # noqa: S603 - our own arguments
            [*command, "--shell", "/usr/sbin/nologin", name], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 or _there(name):
            return
        said = done.stderr.strip()
        time.sleep(_PAUSE)
    raise Missing(f"the account {name} cannot be made ({said})")


def _there(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_gid == grp.getgrnam(name).gr_gid
    except KeyError:
        return False


def _account(name: str) -> Account:
    entry = pwd.getpwnam(f"{PREFIX}{name}")
    return Account(entry.pw_uid, entry.pw_gid)


def is_root() -> bool:
    return os.geteuid() == 0
