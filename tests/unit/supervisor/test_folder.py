"""Owners and modes in the state folder: the table, and what is done with a folder that is
otherwise."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import Home, write_private
from moorage.supervisor import folder
from moorage.supervisor.accounts import Account, Accounts
from moorage.supervisor.folder import Rule, rule

ACCOUNTS = Accounts(
    {
        "server": Account(11, 21),
        "gateway": Account(12, 22, (25,)),
        "haproxy": Account(13, 23, (25,)),
        "agent": Account(0, 24),
    },
    25,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize(
    ("path", "is_folder", "expected"),
    [
        ("", True, Rule(0, 21, 0o1771)),
        ("moorage.db", False, Rule(11, 21, 0o600)),
        ("moorage.db-wal", False, Rule(11, 21, 0o600)),
        ("settings.toml", False, Rule(0, 0, 0o600)),
        ("client.json", False, Rule(0, 0, 0o600)),
        ("editors.toml", False, Rule(0, 0, 0o600)),
        ("secrets", True, Rule(0, 0, 0o700)),
        ("secrets/agent-token", False, Rule(0, 0, 0o600)),
        ("logs", True, Rule(0, 0, 0o700)),
        ("logs/server.log", False, Rule(0, 0, 0o600)),
        ("run", True, Rule(0, 0, 0o711)),
        ("run/server.lock", False, Rule(11, 21, 0o600)),
        ("run/supervisor.json", False, Rule(0, 0, 0o600)),
        ("gateway", True, Rule(0, 25, 0o3770)),
        ("gateway/routes.json", False, Rule(12, 25, 0o640)),
        ("gateway/haproxy.cfg", False, Rule(13, 23, 0o600)),
        ("gateway/errors", True, Rule(13, 23, 0o700)),
        ("gateway/errors/nothing_listens.html", False, Rule(13, 23, 0o600)),
    ],
)
def test_whose_a_file_is(path: str, is_folder: bool, expected: Rule) -> None:
    """With accounts of their own each file has one reader; with one account, nobody else gets
    anything."""
    parts = Path(path).parts
    assert rule(parts, folder=is_folder, split=ACCOUNTS) == expected
    assert rule(parts, folder=is_folder, split=None) == Rule(-1, -1, 0o700 if is_folder else 0o600)


@pytest.mark.parametrize("before", [0o755, 0o777, 0o2775, 0o711])
def test_a_folder_that_was_open_becomes_strict(tmp_path: Path, before: int) -> None:
    """Folders, database, logs and secrets of a lax umask; what is not Moorage's stays as it is."""
    home = Home(tmp_path / "h")
    for made in (
        home.path,
        home.run,
        home.logs,
        home.gateway,
        home.gateway / "errors",
        home.path / "secrets",
    ):
        made.mkdir()
        made.chmod(before)
    files = [
        home.database,
        home.path / "moorage.db-wal",
        home.settings,
        home.client,
        home.logs / "server.log",
    ]
    files += [home.gateway / "errors/away.html", home.secret_file("admin-token")]
    theirs = home.path / "notes.txt"
    for file in (*files, theirs):
        file.write_text("")
        file.chmod(0o644)
    folder.tighten(home)
    assert {
        mode(made) for made in (home.path, home.run, home.logs, home.gateway, home.path / "secrets")
    } == {0o700}
    assert {mode(file) for file in files} == {0o600}
    assert mode(theirs) == 0o644


def test_by_a_symbolic_link(tmp_path: Path) -> None:
    """The folder behind the link is made strict."""
    (tmp_path / "disk").mkdir(mode=0o755)
    (tmp_path / "h").symlink_to(tmp_path / "disk")
    folder.tighten(Home(tmp_path / "h"))
    assert mode(tmp_path / "disk") == 0o700


def test_a_folder_that_everybody_uses(tmp_path: Path) -> None:
    """Nobody's /tmp is closed: it is refused, and stays as it is."""
    tmp_path.chmod(0o1777)
    with pytest.raises(Misconfigured, match="everybody uses"):
        folder.tighten(Home(tmp_path))
    assert mode(tmp_path) == 0o1777
    with pytest.raises(Misconfigured, match="everybody uses"):
        folder.tighten(Home(Path("/")))


def test_links_in_it_are_not_followed(tmp_path: Path) -> None:
    """What a link deep in it leads to, or has a second name elsewhere, is not Moorage's to
    change."""
    home = Home(tmp_path / "h")
    home.make()
    outside = tmp_path / "outside"
    outside.write_text("")
    outside.chmod(0o644)
    (home.gateway / "routes.json").symlink_to(outside)
    folder.tighten(home)
    assert mode(outside) == 0o644
    os.link(outside, home.path / "moorage.db-wal")
    with pytest.raises(Misconfigured, match="second name"):
        folder.tighten(home)
    assert mode(outside) == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_somebody_elses(tmp_path: Path) -> None:
    """A folder of another user, or a file of theirs that was put into an open one, is refused in
    words."""
    home = Home(tmp_path / "h")
    home.path.mkdir(mode=0o777)
    home.settings.write_text("[agent]\n")
    os.chown(home.settings, 65534, 65534)
    with pytest.raises(
        Misconfigured, match=r"settings\.toml belongs to somebody else \(user 65534\)"
    ):
        folder.tighten(home)
    os.chown(home.path, 65534, 65534)
    with pytest.raises(Misconfigured) as caught:
        folder.tighten(home)
    assert caught.value.code == "home-foreign"
    assert f"chown -R 0 {home.path}" in caught.value.hint


def test_a_trap_for_what_is_written(tmp_path: Path) -> None:
    """A link that waits under the name of the file to come is not written through."""
    target = tmp_path / "target"
    (tmp_path / f".client.json.{os.getpid()}.new").symlink_to(target)
    write_private(tmp_path / "client.json", "secret")
    assert not target.exists()
    assert (tmp_path / "client.json").read_text() == "secret"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("moorage.db-wal", {0, 11}),
        ("settings.toml", {0}),
        ("client.json", {0}),
        ("editors.toml", {0}),
        ("secrets/agent-token", {0}),
        ("run/server.lock", {0, 11}),
        ("run/server/settings.toml", {0}),
        ("gateway/routes.json", {0, 12, 13}),
        ("gateway/.routes.json.77.new", {0, 12, 13}),
    ],
)
def test_who_may_have_put_it_there(path: str, expected: set[int]) -> None:
    """What an account left where it may write; never something of its own in the place of
    root's."""
    assert folder.owners(Path(path).parts, folder=False, split=ACCOUNTS) == expected
    assert folder.owners(Path(path).parts, folder=False, split=None) == {os.geteuid()}
