"""The accounts of this machine that an installation of root's runs under: one per process, so that none can read, end or become
another.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from typing import NamedTuple

NAMES = ("server", "gateway", "haproxy", "agent")
PREFIX = "moorage-"
FRONT = f"{PREFIX}front"
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_NEW_USER = (
    "--system",
    "--user-group",
    "--no-create-home",
    "--home-dir",
    "/nonexistent",
    "--shell",
    "/usr/sbin/nologin",
)
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
    agent: Account
    """Root, as whoever has the engine is; its group of its own tells it from root's other programs."""
    front: int
    """The group of gateway and HAProxy, for what they share: the last route table, certificates, and the way to the server."""

    @property
    def uids(self) -> frozenset[int]:
        return frozenset((self.server.uid, self.gateway.uid, self.haproxy.uid, self.agent.uid))

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
        agent, front = (grp.getgrnam(name).gr_gid for name in (f"{PREFIX}agent", FRONT))
    except KeyError as error:
        raise Missing(f"there is no account {error.args[0].rsplit(' ', 1)[-1]}") from error
    users, groups = (
        {server.uid, gateway.uid, haproxy.uid},
        {server.gid, gateway.gid, haproxy.gid, agent, front},
    )
    if 0 in users | groups:
        raise Missing("an account of Moorage's is root's")
    if len(users) < 3 or len(groups) < 5:
        raise Missing("two accounts of Moorage's are the same")
    shared = (front,)
    return Accounts(
        server, gateway._replace(groups=shared), haproxy._replace(groups=shared), Account(0, agent), front
    )


def ensure() -> Accounts:
    """Makes those that are missing. Only for root. Raises `Missing`."""
    for name in NAMES:
        _ensure(f"{PREFIX}{name}", _user, "useradd", *_NEW_USER)
    _ensure(FRONT, _group, "groupadd", "--system")
    return find()


def _ensure(name: str, there: Callable[[str], bool], program: str, *options: str) -> None:
    if there(name):
        return
    # Imported only here: the resident process, which comes by at each start, stays without them.
    import shutil
    import subprocess
    import time

    path = shutil.which(program, path=SYSTEM_FOLDERS)
    if path is None:
        raise Missing(f"there is no account {name}, and no {program} to make it with")
    said = ""
    for _ in range(_TRIES):
        done = subprocess.run([path, *options, name], capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
        if done.returncode == 0 or there(name):
            return
        said = done.stderr.strip()
        time.sleep(_PAUSE)
    raise Missing(f"the account {name} cannot be made ({said})")


def _user(name: str) -> bool:
    try:
        return pwd.getpwnam(name).pw_gid == grp.getgrnam(name).gr_gid
    except KeyError:
        return False


def _group(name: str) -> bool:
    try:
        return bool(grp.getgrnam(name))
    except KeyError:
        return False


def _account(name: str) -> Account:
    entry = pwd.getpwnam(f"{PREFIX}{name}")
    return Account(entry.pw_uid, entry.pw_gid)


def is_root() -> bool:
    return os.geteuid() == 0
