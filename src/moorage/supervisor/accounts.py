"""The accounts of this machine that an installation of root's runs under: one per process, so that
none can read, end or become another.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from moorage.supervisor.processes import PROCESSES, Process

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
    """Supplementary groups."""


class Accounts(NamedTuple):
    by_process: Mapping[str, Account]
    """Those of processes that stay root have root's id; a group of its own tells each from root's
    other programs."""
    front: int
    """The group of gateway and HAProxy, for what they share: the last route table, certificates,
    and the way to the server."""

    @property
    def server(self) -> Account:
        return self.by_process["server"]

    @property
    def gateway(self) -> Account:
        return self.by_process["gateway"]

    @property
    def haproxy(self) -> Account:
        return self.by_process["haproxy"]

    @property
    def agent(self) -> Account:
        """Root, as whoever has the engine is."""
        return self.by_process["agent"]

    @property
    def uids(self) -> frozenset[int]:
        return frozenset(account.uid for account in self.by_process.values())

    @property
    def reach_workspaces(self) -> tuple[str, ...]:
        """Users who may connect to workspaces, as the agent's setting `reachable_by` has it: `uid`
        or `uid:gid`."""
        return (str(self.haproxy.uid), f"{self.agent.uid}:{self.agent.gid}")


class Missing(Exception):
    """There are no accounts to run under; the text says why."""


def find(processes: Sequence[Process] = PROCESSES) -> Accounts:
    """Finds the accounts that there are. Raises `Missing`."""
    try:
        by_process = {process.name: _of(process) for process in processes}
        front = grp.getgrnam(FRONT).gr_gid
    except KeyError as error:
        raise Missing(f"there is no account {error.args[0].rsplit(' ', 1)[-1]}") from error
    users = [by_process[process.name].uid for process in processes if process.given]
    groups = [front, *(account.gid for account in by_process.values())]
    if 0 in (*users, *groups):
        raise Missing("an account of Moorage's is root's")
    if len(set(users)) < len(users) or len(set(groups)) < len(groups):
        raise Missing("two accounts of Moorage's are the same")
    by_process |= {
        process.name: by_process[process.name]._replace(groups=(front,))
        for process in processes
        if process.in_front
    }
    return Accounts(by_process, front)


def ensure(processes: Sequence[Process] = PROCESSES) -> Accounts:
    """Makes those that are missing. Only for root. Raises `Missing`."""
    for process in processes:
        _ensure(f"{PREFIX}{process.name}", _user, "useradd", *_NEW_USER)
    _ensure(FRONT, _group, "groupadd", "--system")
    return find(processes)


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


def _of(process: Process) -> Account:
    """The account of one process. Raises `KeyError`."""
    name = f"{PREFIX}{process.name}"
    if process.given is None:
        return Account(0, grp.getgrnam(name).gr_gid)
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def is_root() -> bool:
    return os.geteuid() == 0
