"""Runs in a child between fork and exec, as root: gives it an account of its own, and takes
everything else away.

Where the way to what it needs leads through a folder of root's that nobody else may pass (root's
home above all), the child gets a view of its own (mount_namespaces(7)): in the place of that folder
an empty one, and in it, at their own paths, what it needs and nothing else.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from moorage.kernel import sockets
from moorage.kernel.home import Home
from moorage.supervisor import handover
from moorage.supervisor.accounts import SYSTEM_FOLDERS, Account, Accounts
from moorage.supervisor.processes import PROCESSES, Given, Process

NET_BIND_SERVICE = 10
"""capabilities(7): listening on a port below 1024."""
_FIRST_FREE_PORT = 1024
_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_MS_BIND, _MS_REC, _MS_SLAVE = 4096, 16384, 1 << 19
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAPBSET_DROP = 1, 8, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 38, 47, 2
_CAPABILITY_VERSION = 0x20080522
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")
_libc = ctypes.CDLL(None, use_errno=True)


class Tree(NamedTuple):
    path: Path
    writable: bool = False


def enter(
    home: Home, process: Process, split: Accounts, environ: Mapping[str, str], parent: int
) -> dict[str, str]:
    """Makes this process one of an installation, but for its program; returns the environment for
    that.

    Raises `MoorageError`, `OSError`: then this process is of no use any more.
    """
    account = split.by_process[process.name]
    given = process.given
    passed = dict(environ)
    if given:
        passed = handover.give(home, process, given, split, environ)
    else:
        passed["MOORAGE_AGENT_REACHABLE_BY"] = ",".join(split.reach_workspaces)
    for name in given.locks if given else ():
        _touch(home.run / name, account)
    group = split.front if process.open_to_front else split.haproxy.gid
    bound = sockets.bind(home.socket(process.name), 0o660, group=group)
    os.set_inheritable(bound.fileno(), True)
    passed[sockets.INHERITED] = str(bound.detach())
    if given:
        kept = _low_port(home, passed) if given.low_port else ()
        isolate(trees(home, process, passed), account)
        os.chdir("/")
        become(account, kept, parent)
        os.umask(given.umask)
    else:
        os.setgid(account.gid)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _mind(parent)
    return passed


def obstacle(home: Home, split: Accounts, environ: Mapping[str, str]) -> str:
    """Tries it out for all of them, in children that then end. Why it cannot be done, as a clause
    for a person; "": it can."""
    for process in PROCESSES:
        if process.given is None:
            continue
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writing, _try(home, process, split, environ).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            said = answer.read().decode()
        os.waitpid(pid, 0)
        if said != "able":
            return said or f"the {process.name} ended at it"
    return ""


def trees(home: Home, process: Process, environ: Mapping[str, str]) -> list[Tree]:
    """Folders that the process reads: Python and its libraries, Moorage itself, the state folder,
    HAProxy."""
    found = [
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(__file__).parents[2],
        Path(sys.executable).parent,
    ]
    found += [Path(os.path.realpath(sys.executable)).parents[1]]
    if process.given and (setting := process.given.program):
        program = _given_program(process, setting, environ)
        program = program or handover.table_of(home, process.settings).get(setting, setting)
        found += [Path(where).parent for where in (shutil.which(str(program)),) if where]
    both = {each for path in found for each in (path, path.resolve())} - {Path("/")}
    return [
        *map(Tree, sorted(both)),
        *(Tree(path, True) for path in {home.path, home.path.resolve()}),
    ]


def covers(wanted: list[Tree], account: Account) -> list[Path]:
    """The topmost folders on the way to these that the account may not pass; none is below
    another."""
    found = set()
    for tree in wanted:
        for folder in reversed(tree.path.parents):
            if not handover.allowed(folder.stat(), account, 0o1):
                found.add(folder)
                break
    return sorted(path for path in found if found.isdisjoint(path.parents))


def isolate(wanted: list[Tree], account: Account) -> None:
    """Puts, in this process's view alone, a passable folder in the place of each that is not, with
    these trees in it."""
    hidden = covers(wanted, account)
    if not hidden:
        return
    _call("unshare", _CLONE_NEWNS)
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    below = [(tree, cover) for tree in wanted for cover in hidden if cover in tree.path.parents]
    # What lies in another one comes with it.
    roots = {tree.path for tree, _ in below}
    below = [
        (tree, cover)
        for tree, cover in below
        if roots.isdisjoint(tree.path.parents) or tree.writable
    ]
    opened = [(tree, os.open(tree.path, os.O_PATH | os.O_DIRECTORY)) for tree, _ in below]
    for cover in hidden:
        _mount("none", str(cover), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0711,size=256k")
    before = os.umask(
        0o066
    )  # which holds for the parents of a folder that is made, too: passable, and no more
    for tree, descriptor in opened:
        tree.path.mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", str(tree.path), None, _MS_BIND | _MS_REC)
        os.close(descriptor)
        if not tree.writable:
            _mount(
                None,
                str(tree.path),
                None,
                _MS_REMOUNT | _MS_BIND | _MS_RDONLY | _MS_NOSUID | _MS_NODEV,
            )
    os.umask(before)


def become(account: Account, kept: tuple[int, ...], parent: int) -> None:
    """From root to this account, for good, with no capability but `kept`."""
    for number in range(int(_LAST_CAPABILITY.read_text()) + 1):
        if number not in kept:
            _prctl(_PR_CAPBSET_DROP, number)
    if kept:
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if kept:
        mask = sum(1 << number for number in kept)
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
        sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
        _call("capset", header, sets)
        for number in kept:
            _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _mind(parent)


def _mind(parent: int) -> None:
    """Ends with whoever started it: the kernel forgets that when the account changes."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)


def _try(home: Home, process: Process, split: Accounts, environ: Mapping[str, str]) -> str:
    account = split.by_process[process.name]
    given = process.given or Given()
    passed = handover.environment(process, given, environ)
    wanted = trees(home, process, passed)
    libraries = [
        importlib.util.find_spec(each) for each in ("msgspec", "structlog", process.module)
    ]
    files = [
        os.__file__,
        __file__,
        *(found.origin for found in libraries if found and found.origin),
    ]
    try:
        try:
            isolate(wanted, account)
        except OSError as error:
            names = ", ".join(map(str, covers(wanted, account)))
            return f"nobody else may pass {names}, and a view of its own without that cannot be made ({error.strerror})"
        become(account, (), os.getppid())
    except OSError as error:
        return f"user {account.uid} cannot be become ({error.strerror})"
    if not os.access(sys.executable, os.X_OK):
        return f"user {account.uid} cannot run {sys.executable}"
    denied = [file for file in files if not os.access(file, os.R_OK)]
    if not os.access(home.run, os.X_OK):
        denied.append(str(home.run))
    if given.program:
        program = _given_program(process, given.program, passed) or given.program
        if shutil.which(program, path=f"{passed.get('PATH', '')}:{SYSTEM_FOLDERS}") is None:
            denied.append(program)
    return f"user {account.uid} cannot read {denied[0]}" if denied else "able"


def _given_program(process: Process, setting: str, environ: Mapping[str, str]) -> str:
    """The program that the environment names; "" when it names none."""
    return environ.get(f"MOORAGE_{process.settings.upper()}_{setting.upper()}", "")


def _low_port(home: Home, environ: Mapping[str, str]) -> tuple[int, ...]:
    table = handover.table_of(home, "gateway")
    port, metrics = (
        int(environ.get(f"MOORAGE_GATEWAY_{key.upper()}") or table.get(key, default))
        for key, default in (("port", 8080), ("metrics_port", 0))
    )
    return (NET_BIND_SERVICE,) if min(port, metrics or port + 1) < _FIRST_FREE_PORT else ()


def _touch(path: Path, account: Account) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchown(descriptor, account.uid, account.gid)
    os.close(descriptor)


def _prctl(option: int, *arguments: int) -> None:
    _call("prctl", option, *(ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:4]))


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
) -> None:
    texts = [None if each is None else os.fsencode(each) for each in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), None if data is None else data.encode())


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
