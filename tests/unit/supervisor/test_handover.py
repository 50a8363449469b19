"""What each process is given of root's: its own table, secrets and environment, and no others'."""

from __future__ import annotations

import os
import stat
import tempfile
import tomllib
from pathlib import Path

import pytest

from moorage.kernel.home import Home
from moorage.kernel.ids import fingerprint
from moorage.supervisor import confine, handover
from moorage.supervisor.accounts import Account, Accounts
from moorage.supervisor.confine import Tree
from moorage.supervisor.processes import PROCESSES, Given, Process

OTHERS = Accounts(
    {
        "server": Account(61, 71),
        "gateway": Account(62, 72, (75,)),
        "haproxy": Account(63, 73, (75,)),
        "agent": Account(0, 74),
    },
    75,
)


def own(name: str) -> tuple[Process, Given]:
    """A process with an account of its own, and what it is given."""
    process = next(process for process in PROCESSES if process.name == name)
    assert process.given is not None
    return process, process.given


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("server", {"PATH", "LC_ALL", "https_proxy", "MOORAGE_SERVER_DATABASE", "PGPASSWORD"}),
        ("gateway", {"PATH", "LC_ALL", "https_proxy", "MOORAGE_GATEWAY_ZONE"}),
        ("haproxy", {"PATH", "LC_ALL", "https_proxy", "MOORAGE_GATEWAY_ZONE"}),
    ],
)
def test_environment(name: str, kept: set[str]) -> None:
    """One process's password is not in another's environment; what is nobody's stays root's."""
    names = [
        "PATH",
        "LC_ALL",
        "https_proxy",
        "MOORAGE_SERVER_DATABASE",
        "MOORAGE_GATEWAY_ZONE",
        "PGPASSWORD",
    ]
    names += [
        "MOORAGE_AGENT_DOCKER_HOST",
        "DOCKER_HOST",
        "AWS_SECRET_ACCESS_KEY",
        "SSH_AUTH_SOCK",
        "HOME",
        "MOORAGE_TOKEN",
    ]
    assert set(handover.environment(*own(name), dict.fromkeys(names, "x"))) == kept


def test_no_secret_is_two_processes_but_the_gateways_key() -> None:
    """The agent's token and the administrator's are nobody's; the server knows them again by their
    fingerprints alone."""
    assert {process.name: process.given.secrets for process in PROCESSES if process.given} == {
        "server": (),
        "gateway": ("gateway-token", "gateway-key"),
        "haproxy": ("gateway-key",),
    }


def test_a_table_survives_being_written() -> None:
    """Text with quotes and control characters, numbers, truth, lists and tables."""
    values = {
        "a": 'x"\\\n\x7fü',
        "b": 3,
        "c": True,
        "d": 1.5,
        "e": ["x", "y,z"],
        "f": {"g-h": [1]},
        "i j": "",
    }
    assert tomllib.loads(handover.as_toml(values)) == values


@pytest.mark.parametrize(
    ("mode", "owner", "group", "bit", "expected"),
    [
        (0o700, 0, 0, 1, False),
        (0o711, 0, 0, 1, True),
        (0o710, 0, 75, 1, True),
        (0o701, 0, 75, 1, False),
        (0o077, 62, 0, 1, False),
        (0o100, 62, 0, 1, True),
        (0o644, 0, 0, 4, True),
        (0o640, 0, 72, 4, True),
    ],
)
def test_rights(mode: int, owner: int, group: int, bit: int, expected: bool) -> None:
    """The first of owner, group and others that the account is decides, as in the kernel."""
    status = os.stat_result((stat.S_IFDIR | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))
    assert handover.allowed(status, OTHERS.gateway, bit) == expected


def test_what_bars_the_way() -> None:
    """The topmost folder that is barred, once for all that lies behind it; what is not barred needs
    nothing."""
    with tempfile.TemporaryDirectory() as made:
        passable = Path(made)
        passable.chmod(0o755)
        barred = passable / "barred"
        deeper = barred / "also" / "tree"
        deeper.mkdir(parents=True)
        (barred / "tree").mkdir()
        (passable / "tree").mkdir()
        barred.chmod(0o700)
        (barred / "also").chmod(0o700)
        trees = [Tree(deeper), Tree(barred / "tree"), Tree(passable / "tree")]
        assert confine.covers(trees, OTHERS.server) == [barred]
        assert confine.covers(trees[2:], OTHERS.server) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_key_that_a_file_of_hosts_names(tmp_path: Path) -> None:
    """The key goes over with the file, which then names the copy; a host's keys stay as they
    are."""
    home = Home(tmp_path / "h")
    home.make()
    key, hosts = tmp_path / "id", tmp_path / "ssh.toml"
    key.write_text("the key")
    key.chmod(0o600)
    hosts.write_text(f'["git.example.com:22"]\nhost_keys = ["ssh-ed25519 AAAA"]\nkey = "{key}"\n')
    home.settings.write_text(f'[server]\ngit_ssh = "{hosts}"\n')
    for name in ("agent-token", "gateway-token", "admin-token"):
        home.secret_file(name).write_text(name)
    handover.give(home, *own("server"), OTHERS, {})
    given = tomllib.loads((home.run / "server" / "settings.toml").read_text())["server"]["git_ssh"]
    entry = tomllib.loads(Path(given).read_text())["git.example.com:22"]
    assert entry["host_keys"] == ["ssh-ed25519 AAAA"]
    assert Path(entry["key"]).parent == home.run / "server"
    assert Path(entry["key"]).read_text() == "the key"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_is_written(tmp_path: Path) -> None:
    """A process's folder has its table, its secrets, copies of barred files, nothing of before; and
    is its group's alone."""
    home = Home(tmp_path / "h")
    home.make()
    barred = tmp_path / "barred.toml"
    barred.write_text("barred")
    barred.chmod(0o600)
    home.settings.write_text(
        f'[server]\ngit_credentials = "{barred}"\nport = 81\n[agent]\ntools_image = "x"\n'
    )
    for name in ("agent-token", "gateway-token", "admin-token", "gateway-key"):
        home.secret_file(name).write_text(f"{name}-value\n")
    (home.run / "server").mkdir()
    (home.run / "server" / "stale").write_text("")
    environment = handover.give(home, *own("server"), OTHERS, {"PATH": "/bin"})
    folder = home.run / "server"
    assert environment["MOORAGE_GIVEN"] == str(folder)
    assert (folder / "agent-token.sha256").read_text() == fingerprint("agent-token-value")
    settings = tomllib.loads((folder / "settings.toml").read_text())
    copied = Path(settings["server"]["git_credentials"])
    assert settings == {"server": {"git_credentials": str(copied), "port": 81}}
    assert copied.read_text() == "barred"
    assert "stale" not in {path.name for path in folder.iterdir()}
    for path in (folder, *folder.iterdir()):
        status = path.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (
            0,
            71,
            0o750 if path == folder else 0o640,
        )
