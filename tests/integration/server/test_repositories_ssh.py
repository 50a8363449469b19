"""Repositories by SSH, on a real sshd, from an account that has everything of its own that `ssh`
and Git might lend."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.server.git_host import DEVFILE, PASSWORD, GitHost
from integration.server.git_host import USER as GIT_USER
from integration.server.ssh_host import (
    BANNER,
    USER,
    Account,
    SshHost,
    fingerprint,
    key,
    methods,
    offered,
    public,
)


@dataclass
class Keys:
    account: Path
    """In the account's home, by the name that `ssh` looks for."""
    agent: Path
    """In its agent."""
    system: Path
    """Named by the machine's configuration of `ssh`."""
    operator: Path
    """That the operator's file may name."""


@pytest.fixture(scope="module")
def sshd() -> Iterator[SshHost]:
    host = SshHost()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def account(sshd: SshHost) -> Iterator[Account]:
    made = Account()
    made.ssh_config.write_text(f"IdentityFile {made.home}/system\nStrictHostKeyChecking no\n")
    told = subprocess.run(
        ["ssh-agent", "-s", "-a", f"{made.home}/agent.sock"],
        check=True,
        capture_output=True,
        text=True,
    )
    pid = told.stdout.split("SSH_AGENT_PID=")[1].split(";")[0]
    made.environ["SSH_AUTH_SOCK"] = f"{made.home}/agent.sock"
    yield made
    subprocess.run(["kill", pid], check=True)
    made.remove()


@pytest.fixture(scope="module")
def keys(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    made = Keys(
        key(account.home / ".ssh", "id_ed25519"),
        key(folder, "agent"),
        key(account.home, "system"),
        key(folder, "operator"),
    )
    subprocess.run(
        ["ssh-add", "-q", str(made.agent)], check=True, capture_output=True, env=account.environ
    )
    made.agent.unlink()
    return made


@pytest.fixture
def all_let_in(sshd: SshHost, keys: Keys) -> None:
    """Every key of the account's would open the host, as deploy keys of a company's do."""
    sshd.let_in(keys.account, keys.agent, keys.system, keys.operator)
    sshd.said()


def hosts_file(
    folder: Path,
    sshd: SshHost,
    *,
    host: str = "127.0.0.1",
    key: Path | None = None,
    host_key: str = "",
) -> str:
    file = folder / "hosts.toml"
    named = f'key = "{key}"\n' if key else ""
    file.write_text(
        f'["{host}:{sshd.port}"]\nhost_keys = ["{host_key or public(sshd.key)}"]\n{named}'
    )
    return str(file)


@pytest.mark.usefixtures("all_let_in")
def test_the_accounts_own_keys_open_the_host(account: Account, sshd: SshHost, keys: Keys) -> None:
    """What the other tests rest on: in this account, `ssh` by itself finds keys in passwd's home
    whatever HOME says, in the agent and by the machine's configuration, and each of them opens the
    host."""
    plain = (
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=no",
        "-p",
        str(sshd.port),
        f"{USER}@127.0.0.1",
        "true",
    )
    without_agent = ("env", "-u", "SSH_AUTH_SOCK", "HOME=/nowhere", "ssh")
    for opening, command in (
        (keys.account, (*without_agent, "-F", "/dev/null")),
        (keys.agent, ("env", "HOME=/nowhere", "ssh", "-F", "/dev/null")),
        (keys.system, without_agent),
    ):
        sshd.let_in(opening)
        done = account.run(*command, *plain)
        assert done.returncode == 0, done.stderr
        assert fingerprint(opening) in offered(sshd.said())


@pytest.mark.usefixtures("all_let_in")
def test_the_servers_own_identity_is_lent_to_nobody(
    account: Account, sshd: SshHost, git_host: GitHost, tmp_path: Path
) -> None:
    """Of a host that the operator's file names without a key, nothing is read that takes one:
    neither a key nor any other method of the account's is even tried."""
    url = sshd.url(git_host.folder / "example.git")
    error = account.read(url, git_ssh=hosts_file(tmp_path, sshd))
    assert (error["code"], "git_ssh" in error["hint"]) == ("repository-private", True)
    log = sshd.said()
    assert "Connection from" in log
    assert (methods(log), offered(log)) == ({"none"}, set())
    assert BANNER not in str(error)


@pytest.mark.usefixtures("all_let_in")
@pytest.mark.parametrize(
    "form",
    [
        "ssh://{user}@127.0.0.1:{port}{path}",
        "ssh://localhost:{port}{path}",
        "ssh://[::1]:{port}{path}",
    ],
)
def test_a_host_that_no_file_names_is_not_connected_to(
    account: Account, sshd: SshHost, git_host: GitHost, tmp_path: Path, *, form: str
) -> None:
    """By SSH, only hosts of the operator's file are spoken to, by name and port; the error says so,
    whether they are there or not."""
    path = git_host.folder / "example.git"
    url = form.format(user=USER, port=sshd.port, path=path)
    other = hosts_file(tmp_path, sshd, host="git.example.com")
    for settings in ({}, {"git_ssh": other}):
        assert account.read(url, **settings)["code"] == "repository-ssh-denied"
    assert account.read("ssh://nobody.invalid/x.git")["code"] == "repository-ssh-denied"
    assert account.read(f"{USER}@localhost:x.git")["code"] == "repository-ssh-denied"
    assert "Connection from" not in sshd.said()


@pytest.mark.usefixtures("all_let_in")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_the_operators_key_opens_its_host(
    account: Account, sshd: SshHost, keys: Keys, git_host: GitHost, tmp_path: Path, *, host: str
) -> None:
    """A repository is read with the key that the file names, and no other is offered; also at an
    IPv6 address with a port."""
    url = sshd.url(git_host.folder / "example.git", host)
    reading = account.read(url, git_ssh=hosts_file(tmp_path, sshd, host=host, key=keys.operator))
    assert reading == {"text": DEVFILE, "url": url}
    log = sshd.said()
    assert methods(log) == {"none", "publickey"}
    assert offered(log) == {fingerprint(keys.operator)}


@pytest.mark.usefixtures("all_let_in")
def test_a_key_that_is_not_let_in_is_not_helped_by_others(
    account: Account, sshd: SshHost, keys: Keys, git_host: GitHost, tmp_path: Path
) -> None:
    """When the host refuses the operator's key, the account's are not tried after it."""
    sshd.let_in(keys.account, keys.agent, keys.system)
    url = sshd.url(git_host.folder / "example.git")
    error = account.read(url, git_ssh=hosts_file(tmp_path, sshd, key=keys.operator))
    assert error["code"] == "repository-private"
    assert offered(sshd.said()) <= {fingerprint(keys.operator)}


@pytest.mark.usefixtures("all_let_in")
def test_a_host_with_another_key_gets_nothing(
    account: Account, sshd: SshHost, keys: Keys, git_host: GitHost, tmp_path: Path
) -> None:
    """A host key that differs from the file's is refused in words, before anybody signs in; what
    the account's known hosts say of that host counts for nothing."""
    known = f"[127.0.0.1]:{sshd.port} {public(sshd.key)}\n"
    (account.home / ".ssh" / "known_hosts").write_text(known)
    url = sshd.url(git_host.folder / "example.git")
    wrong = hosts_file(tmp_path, sshd, key=keys.operator, host_key=public(keys.operator))
    error = account.read(url, git_ssh=wrong)
    assert error["code"] == "repository-host-key"
    assert error["message"].startswith("127.0.0.1 shows another host key than")
    log = sshd.said()
    assert "Connection from" in log
    assert methods(log) == set()


def test_git_takes_nothing_of_the_accounts_over_http(
    account: Account, git_host: GitHost, tmp_path: Path
) -> None:
    """Neither `.netrc`, `.gitconfig`, `.git-credentials`, cookies nor variables of Git's in the
    server's environment open a private repository, or lead elsewhere; the host is shown nothing of
    them."""
    if not (git_host.folder / "lent.git").exists():
        git_host.make("lent", {".devfile.yaml": DEVFILE})
    opens = f"http://{GIT_USER}:{PASSWORD}@127.0.0.1:{git_host.port}"
    cookies = tmp_path / "cookies"
    cookies.write_text(f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{PASSWORD}\n")
    (account.home / ".netrc").write_text(
        f"machine 127.0.0.1 login {GIT_USER} password {PASSWORD}\n"
    )
    (account.home / ".git-credentials").write_text(f"{opens}\n")
    gitconfig = account.home / ".gitconfig"
    gitconfig.write_text(
        f"[credential]\n\thelper = store\n[http]\n\tcookieFile = {cookies}\n\textraHeader = X-Lent: yes\n"
        f'[url "{opens}/"]\n\tinsteadOf = http://127.0.0.1:{git_host.port}/\n'
    )
    account.environ |= {
        "HOME": str(account.home),
        "NETRC": str(account.home / ".netrc"),
        "GIT_CONFIG_GLOBAL": str(gitconfig),
        "GIT_CONFIG_SYSTEM": str(gitconfig),
        "GIT_CONFIG_PARAMETERS": f"'http.extraHeader=X-Lent: yes' 'credential.helper=store' 'include.path={gitconfig}'",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "include.path",
        "GIT_CONFIG_VALUE_0": str(gitconfig),
        "GIT_ASKPASS": "/bin/echo",
        "GIT_SSL_NO_VERIFY": "1",
    }
    private = git_host.url("lent", "private/")
    control = account.run("git", "ls-remote", private)
    assert control.returncode == 0, control.stderr
    git_host.authorizations.clear()
    git_host.headers.clear()
    assert account.read(private)["code"] == "repository-private"
    assert account.read(git_host.url("lent", "moved/"))["text"] == DEVFILE
    assert set(git_host.authorizations) == {""}
    assert not {"x-lent", "cookie"} & {name for names in git_host.headers for name in names}
