"""The state folder's owners and modes: made strict at every start, whatever they were.

What a service account may have put there is treated as an attempt: no symbolic link of its own is
followed, no file with a second name is given away.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import Home
from moorage.supervisor import accounts
from moorage.supervisor.accounts import Accounts

AT_REST = 0o700
"""Mode of the folder while nothing runs."""
DATABASE = "moorage.db*"
KNOWN = (
    DATABASE,
    "settings.toml",
    "client.json",
    "editors.toml",
    "secrets",
    "run",
    "logs",
    "gateway",
)
"""Names of Moorage's own files and folders in there. Nothing else is touched: somebody may keep
other things beside it."""


class Rule(NamedTuple):
    owner: int
    """User id; -1: left as it is."""
    group: int
    mode: int


def rule(parts: tuple[str, ...], *, folder: bool, split: Accounts | None) -> Rule:
    """Whose something in the state folder is, by its path from there; (): the folder itself. Pure.
    `split`: the accounts that the processes run under; None: they all run as the present user.

    The sticky bit keeps who may add a file from taking another's away: without it, the server could
    replace settings.toml. What is made in the gateway's folder is its group's.
    """
    if split is None:
        return Rule(-1, -1, 0o700 if folder else 0o600)
    server, gateway, haproxy = split.server, split.gateway, split.haproxy
    match parts:
        case ():
            return Rule(0, server.gid, 0o1771)
        case (name,) if fnmatch.fnmatch(name, DATABASE):
            return Rule(server.uid, server.gid, 0o600)
        case ("run",):
            return Rule(0, 0, 0o711)
        case ("run", "server.lock"):
            return Rule(server.uid, server.gid, 0o600)
        case ("gateway",):
            return Rule(0, split.front, 0o3770)
        case ("gateway", "routes.json"):
            return Rule(gateway.uid, split.front, 0o640)
        case ("gateway", *_):
            return Rule(haproxy.uid, haproxy.gid, 0o700 if folder else 0o600)
    return Rule(0, 0, 0o700 if folder else 0o600)


def tighten(home: Home, split: Accounts | None = None) -> None:
    """Gives everything that is there its owner and mode. Raises `Misconfigured` where that is not
    to be had, or not safe."""
    with _opened(home) as descriptor:
        check(home, os.fstat(descriptor))
        os.fchmod(descriptor, AT_REST)  # first: nobody adds anything from here on
        for name in _names(descriptor):
            if any(fnmatch.fnmatch(name, known) for known in KNOWN):
                _settle(home, descriptor, (name,), split)
        if split is not None:
            _apply(descriptor, rule((), folder=True, split=split))


def rest(home: Home) -> None:
    """When nothing runs any more: nobody but the owner gets in. Another version, older ones too,
    finds its folder as it was."""
    with _opened(home) as descriptor:
        os.fchmod(descriptor, AT_REST)


def check(home: Home, status: os.stat_result) -> None:
    """Whether a folder like that may be this user's state folder. Raises `Misconfigured`."""
    if status.st_uid != os.geteuid():
        raise _foreign(str(home.path), status.st_uid)
    if home.path.resolve() == home.path.resolve().parent or (
        status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH
    ):
        raise Misconfigured(
            f"The state folder {home.path} is one that everybody uses.",
            code="home-shared",
            hint="Choose a folder of its own with --home: nobody else may read what is in it.",
        )


def owners(parts: tuple[str, ...], *, folder: bool, split: Accounts | None) -> frozenset[int]:
    """Users who may own something in there before it is settled: the present one, and whose it is
    when there are accounts. Pure.

    Nobody else: a file that the server put in the place of a missing settings.toml would become
    root's word by being given to root.
    """
    if split is None:
        return frozenset((os.geteuid(),))
    # what was half written when its process died is there, too
    if len(parts) > 1 and parts[0] == "gateway":
        return frozenset((0, split.gateway.uid, split.haproxy.uid))
    return frozenset((0, rule(parts, folder=folder, split=split).owner))


def found() -> Accounts | None:
    """The accounts that an earlier start may have run under."""
    if not accounts.is_root():
        return None
    try:
        return accounts.find()
    except accounts.Missing:
        return None


@contextmanager
def _opened(home: Home) -> Iterator[int]:
    try:
        descriptor = os.open(home.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Misconfigured(
            f"The state folder {home.path} cannot be opened: {error.strerror}.",
            code="home-not-writable",
            hint="Choose another one with --home, or change its owner.",
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(descriptor: int) -> list[str]:
    with os.scandir(descriptor) as entries:
        return sorted(entry.name for entry in entries)


def _settle(home: Home, parent: int, parts: tuple[str, ...], split: Accounts | None) -> None:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    where = home.path.joinpath(*parts)
    try:
        seen = os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
        if stat.S_ISLNK(seen.st_mode) and len(parts) == 1 and seen.st_uid == os.geteuid():
            # the operator's own: a disk of its own for the logs, for instance
            flags &= ~os.O_NOFOLLOW
        elif not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
            return
        descriptor = os.open(parts[-1], flags, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Misconfigured(
            f"{where} cannot be opened: {error.strerror}.",
            code="home-not-writable",
            hint=_hint(str(home.path)),
        ) from error
    try:
        _settle_open(home, descriptor, parts, split)
    finally:
        os.close(descriptor)


def _settle_open(
    home: Home, descriptor: int, parts: tuple[str, ...], split: Accounts | None
) -> None:
    status = os.fstat(descriptor)
    folder = stat.S_ISDIR(status.st_mode)
    where = home.path.joinpath(*parts)
    if not folder and not stat.S_ISREG(status.st_mode):
        return
    if status.st_uid not in owners(parts, folder=folder, split=found()):
        raise _foreign(str(where), status.st_uid)
    wanted = rule(parts, folder=folder, split=split)
    if not folder and status.st_nlink > 1:
        raise Misconfigured(
            f"{where} has a second name somewhere else.",
            code="home-linked",
            hint=f"Find it with `find / -xdev -samefile {where}`, and remove the one that is not Moorage's.",
        )
    _apply(descriptor, wanted)
    if folder:
        for name in _names(descriptor):
            _settle(home, descriptor, (*parts, name), split)


def _apply(descriptor: int, wanted: Rule) -> None:
    """Closed before it is given away: between the two, the new owner finds nothing open that should
    not be."""
    status = os.fstat(descriptor)
    if (wanted.owner, wanted.group) != (-1, -1) and (status.st_uid, status.st_gid) != wanted[:2]:
        os.fchmod(descriptor, wanted.mode & 0o700)
        os.fchown(descriptor, wanted.owner, wanted.group)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != wanted.mode:
        os.fchmod(descriptor, wanted.mode)


def _foreign(path: str, owner: int) -> Misconfigured:
    return Misconfigured(
        f"{path} belongs to somebody else (user {owner}), and Moorage runs as user {os.geteuid()}.",
        code="home-foreign",
        hint=_hint(path),
    )


def _hint(path: str) -> str:
    return f"Choose another folder with --home; or, if it is to be this user's, as root: chown -R {os.geteuid()} {path}"
