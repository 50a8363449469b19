"""The user and group that a workspace's programs run as, in an image's /etc/passwd and /etc/group.
Pure.

Programs such as ssh, initdb and Java's ask for the name of their user, and many end where there is
none. An entry that the image has stays as it is.
"""

from __future__ import annotations

NAME = "moorage"
PASSWD, GROUP = "etc/passwd", "etc/group"
SHELLS = ("/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/bin/sh", "/usr/bin/sh")
"""The first of them that an image has is its user's."""


def passwd_with(text: str, *, uid: int, gid: int, home: str, shell: str) -> str:
    """The file with an entry for `uid`.

    Its password is `*`, which none matches: an `x` would mean a line in /etc/shadow, and sudo ends
    where that is missing.
    """
    rows = _rows(text)
    if any(row[2:3] == [str(uid)] for row in rows):
        return text
    name = _free(NAME, {row[0] for row in rows})
    return _appended(text, f"{name}:*:{uid}:{gid}:Moorage:{_field(home)}:{_field(shell)}")


def group_with(text: str, *, gid: int) -> str:
    """The file with an entry for `gid`."""
    rows = _rows(text)
    if any(row[2:3] == [str(gid)] for row in rows):
        return text
    name = _free("root" if gid == 0 else NAME, {row[0] for row in rows})
    return _appended(text, f"{name}:x:{gid}:")


def _rows(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.split("\n")]


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}{number}"
    return free


def _field(text: str) -> str:
    """A field of an entry: what would end it is left out."""
    return text.replace(":", "").replace("\n", "")


def _appended(text: str, line: str) -> str:
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"
