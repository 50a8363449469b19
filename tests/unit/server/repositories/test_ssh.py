"""What `ssh` is told when it reads a repository, and the operator's file behind it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from moorage.kernel.errors import Misconfigured
from moorage.server.repositories.ssh import (
    SshHost,
    configuration,
    known_hosts_of,
    load_hosts,
    place,
)

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKvQ1w0m3zdHlQYkFqHhtHZw3eXqHoqNlFV8Rdr1Wc1e"


def effective(folder: Path, known: SshHost) -> dict[str, list[str]]:
    """What `ssh` itself says that it would do (`ssh -G`), by that configuration."""
    file = folder / "ssh_config"
    file.write_text(
        configuration(
            known, host="git.example.com", address="192.0.2.1", known_hosts=folder / "known hosts"
        )
    )
    told = subprocess.run(
        [
            "ssh",
            "-G",
            "-F",
            str(file),
            "-o",
            "SendEnv=GIT_PROTOCOL",
            "-p",
            "2222",
            "git.example.com",
        ],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "SSH_AUTH_SOCK": "/nowhere/agent"},
    )
    found: dict[str, list[str]] = {}
    for line in told.stdout.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(("key", "methods"), [("", "none"), ("/etc/moorage/key", "publickey")])
def test_ssh_takes_nothing_by_itself(tmp_path: Path, key: str, methods: str) -> None:
    """`ssh` reads its options as they are meant: one key or none, no agent, no other method, no
    other file, no command, and the address that was checked."""
    told = effective(tmp_path, SshHost((HOST_KEY,), key))
    assert told["preferredauthentications"] == [methods]
    assert told["identityfile"] == [key or "none"]
    assert (told["identitiesonly"], told["identityagent"]) == (["yes"], ["none"])
    assert told["pubkeyauthentication"] == ["true" if key else "false"]
    for name in (
        "passwordauthentication",
        "kbdinteractiveauthentication",
        "gssapiauthentication",
        "hostbasedauthentication",
    ):
        assert told[name] == ["no"]
    assert (told["hostname"], told["hostkeyalias"], told["port"]) == (
        ["192.0.2.1"],
        ["git.example.com"],
        ["2222"],
    )
    assert told["user"] == ["git"]
    assert told["stricthostkeychecking"] in (["true"], ["yes"])
    assert told["userknownhostsfile"] == [str(tmp_path / "known hosts")]
    assert told["globalknownhostsfile"] == ["/dev/null"]
    assert (told["controlmaster"], told["permitlocalcommand"], told["batchmode"]) == (
        ["false"],
        ["no"],
        ["yes"],
    )
    assert told["forwardagent"] == ["no"]
    assert not {"proxycommand", "proxyjump", "controlpath", "knownhostscommand"} & told.keys()


def test_the_operators_file(tmp_path: Path) -> None:
    """Hosts by name or address, with a port when it is not SSH's own; host keys without comments;
    the key stays where it lies."""
    key = tmp_path / "key"
    key.write_text("PRIVATE")
    key.chmod(0o600)
    file = tmp_path / "hosts.toml"
    file.write_text(
        f'["Git.Example.com"]\nhost_keys = ["{HOST_KEY} a comment"]\nkey = "{key}"\n'
        f'["git.example.com:2222"]\nhost_keys = ["{HOST_KEY}"]\n'
        f'["[2001:DB8::0:1]:2222"]\nhost_keys = ["{HOST_KEY}"]\n'
    )
    hosts = load_hosts(str(file))
    assert set(hosts) == {"git.example.com:22", "git.example.com:2222", "[2001:db8::1]:2222"}
    known = hosts[place("git.example.com", None)]
    assert (known.key, known.host_keys) == (str(key), (HOST_KEY,))
    assert str(key) not in repr(known)
    assert known_hosts_of(known, "git.example.com") == f"git.example.com {HOST_KEY}\n"
    assert load_hosts("") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "hosts.toml"),
        ('["git.example.com"]\nkey = "/etc/key"\n', "host_keys"),
        ('["git.example.com"]\nhost_keys = []\n', "host_keys is empty"),
        ('["git.example.com"]\nhost_keys = ["AAAA"]\n', "host key is written"),
        (
            '["git.example.com"]\nhost_keys = ["@cert-authority * ssh-ed25519 AAAA"]\n',
            "host key is written",
        ),
        (
            '["git.example.com"]\nhost_keys = ["ssh-ed25519 AAAA\\nevil ssh-ed25519 AAAA"]\n',
            "host key is written",
        ),
        ('["git.example.com"]\nhost_keys = ["KEY"]\nidentity = "/x"\n', "identity"),
        ('["git.example.com"]\nhost_keys = ["KEY"]\nkey = "id_ed25519"\n', "not absolute"),
        ('["git.example.com"]\nhost_keys = ["KEY"]\nkey = "~/.ssh/id_ed25519"\n', "not absolute"),
        ('["git.example.com"]\nhost_keys = ["KEY"]\nkey = "/etc/%d/${HOME}"\n', "has a character"),
        (
            '["git.example.com"]\nhost_keys = ["KEY"]\nkey = "/etc/key\\nProxyCommand id"\n',
            "has a character",
        ),
        ('["git.example.com"]\nhost_keys = ["KEY"]\nkey = "/no/such/key"\n', "/no/such/key"),
        ('["git.example.com"]\nhost_keys = ["KEY"]\nkey = "OPEN"\n', "can be read by others"),
        ('["*.example.com"]\nhost_keys = ["KEY"]\n', "is no host"),
        ('["127.1"]\nhost_keys = ["KEY"]\n', "is no host"),
        ('["git.example.com:0"]\nhost_keys = ["KEY"]\n', "is no host"),
        ('["a b"]\nhost_keys = ["KEY"]\n', "is no host"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    """The server does not start by half of it: what is wrong is said, with the form that is
    right."""
    open_key = tmp_path / "open"
    open_key.write_text("PRIVATE")
    open_key.chmod(0o644)
    file = tmp_path / "hosts.toml"
    file.write_text(text.replace("KEY", HOST_KEY).replace("OPEN", str(open_key)))
    with pytest.raises(Misconfigured) as refused:
        load_hosts(str(file))
    assert refused.value.code == "git-ssh-unusable"
    assert said in refused.value.message
    assert "host_keys = " in refused.value.hint
    assert "PRIVATE" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The server does not start without what it was told to use."""
    with pytest.raises(Misconfigured):
        load_hosts(str(tmp_path / "none.toml"))
