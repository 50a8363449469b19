"""The user's entry in an image's files."""

from __future__ import annotations

import pytest

from moorage.agent.runtimes.users import group_with, passwd_with

ROOT = "root:x:0:0:root:/root:/bin/bash\n"
ENTRY = "moorage:*:5001:0:Moorage:/projects/.home:/bin/sh\n"

PASSWD = [
    ("", ENTRY),
    (ROOT, ROOT + ENTRY),
    (ROOT.strip(), ROOT + ENTRY),
    (f"{ROOT}dev:x:5001:0::/home/dev:/bin/zsh\n", f"{ROOT}dev:x:5001:0::/home/dev:/bin/zsh\n"),
    ("moorage:x:7:7::/:\n", "moorage:x:7:7::/:\n" + ENTRY.replace("moorage:", "moorage2:", 1)),
    ("a:x:15001:5001::/:\n", "a:x:15001:5001::/:\n" + ENTRY),
    ("+::::::\n# x\n\n", "+::::::\n# x\n\n" + ENTRY),
]


@pytest.mark.parametrize(("text", "expected"), PASSWD)
def test_passwd(text: str, expected: str) -> None:
    """A user without an entry gets one at the end, under a name that is free; an entry that the
    image has stays as it is."""
    made = passwd_with(text, uid=5001, gid=0, home="/projects/.home", shell="/bin/sh")
    assert made == expected
    assert passwd_with(made, uid=5001, gid=0, home="/x", shell="/y") == made


def test_an_entry_is_one_line() -> None:
    """What a devfile says of its home ends neither the field nor the line."""
    made = passwd_with("", uid=5001, gid=0, home="/a:/b\nroot2::0:0", shell="/bin/sh")
    assert made == "moorage:*:5001:0:Moorage:/a/broot200:/bin/sh\n"


def test_group() -> None:
    """A group without an entry gets one; one with an entry keeps it."""
    assert group_with("", gid=0) == "root:x:0:\n"
    assert group_with("wheel:x:0:\n", gid=0) == "wheel:x:0:\n"
    assert group_with("root:x:1:\n", gid=0) == "root:x:1:\nroot2:x:0:\n"
    assert group_with("root:x:0:\n", gid=1000) == "root:x:0:\nmoorage:x:1000:\n"
