"""Which hosts a repository is read from: real connections, or none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from address_forms import METADATA, forms_of
from integration.server.git_host import DEVFILE, PASSWORD, USER, GitHost
from integration.server.harness import LOOPBACK, DevfileReader
from moorage.kernel.errors import MoorageError
from moorage.server.metrics import Metrics
from moorage.server.repositories.services import RepositoryReader
from moorage.server.repositories.ssh import SshHost, place
from moorage.server.settings import Credentials, Settings, load_credentials


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def reader(
    *, credentials: Credentials | None = None, resolve: Any = None, ssh: Any = None, **settings: Any
) -> DevfileReader:
    made = RepositoryReader(
        Settings(**settings),
        credentials or Credentials({}),
        Metrics(),
        ssh_hosts=ssh,
        resolve=resolve,
    )
    return DevfileReader(made)


async def failure(reading: Any) -> MoorageError:
    with pytest.raises(MoorageError) as caught:
        await reading
    return caught.value


class Inside:
    """A port of every address of this machine's that somebody would find open."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    def was_reached(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def inside() -> Iterator[Inside]:
    made = Inside()
    yield made
    made.close()


CLOSED_PORT = 9
"""Nobody listens on it."""
SPELLINGS = (
    "127.0.0.1", "127.0.0.1.", "127.8.8.8", "localhost", "LocalHost.", "any.localhost", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]",
)  # fmt: skip
GUESSES = (
    "127.1", "0", "0.0.0.0", "2130706433", "017700000001", "0x7f000001", "0x7f.1", "127.0.0.01", "[::]", "[fe80::1%25lo]", "[::1%25lo]",
    "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u217cocalhost", "localhos\u1d57",
)  # fmt: skip


@pytest.mark.parametrize("host", [*SPELLINGS, *GUESSES])
async def test_this_machine_is_not_reached(inside: Inside, host: str) -> None:
    """However its address is written: refused, and no connection is made, by http, https or ssh,
    even to a host that the operator's files know."""
    for scheme in ("http", "https", "ssh"):
        known = {
            place(name, inside.port): SshHost(("ssh-ed25519 AAAA",))
            for name in ("127.0.0.1", "::1", "localhost")
        }
        error = await failure(reader(ssh=known).read(f"{scheme}://{host}:{inside.port}/x.git"))
        assert error.code in (
            "repository-host-denied",
            "repository-ssh-denied",
            "repository-invalid",
        )
        assert not inside.was_reached()


@pytest.mark.parametrize("host", SPELLINGS)
async def test_what_is_open_inside_cannot_be_told(inside: Inside, host: str) -> None:
    """An open port, a closed one and, for a name, one that is not known: the same answer, but for
    what was asked for."""
    first, second = [
        await failure(reader().read(f"http://{host}:{port}/x.git"))
        for port in (inside.port, CLOSED_PORT)
    ]
    assert first.message.replace(f"{inside.port}: ", "…") == second.message.replace(
        f"{CLOSED_PORT}: ", "…"
    )
    unknown = await failure(reader().read(f"http://nobody.invalid:{CLOSED_PORT}/x.git"))
    assert (first.code, first.status, first.hint) == (second.code, second.status, second.hint)
    assert (first.code, first.status, first.hint) == (unknown.code, unknown.status, unknown.hint)
    assert (
        unknown.message
        == "Nothing is read from nobody.invalid:9: it is not known here, or is no public address."
    )


async def test_the_refusal_says_what_an_administrator_does() -> None:
    """Whoever read from a private network before is told the setting, and where the address is
    found."""
    error = await failure(reader().read("https://10.1.2.3/team/app.git"))
    assert (error.code, error.status) == ("repository-host-denied", 403)
    assert "repository_networks under [server]" in error.hint
    assert "the server's log has the address" in error.hint


@pytest.mark.parametrize(
    "address",
    [METADATA, *forms_of(METADATA).values(), "fe80::1%eth0",
     "fd00:ec2::254", "168.63.129.16", "100.100.100.200", "10.0.0.1", "100.64.0.1", "192.0.0.1", "198.18.0.1", "127.0.0.1"],
)  # fmt: skip
async def test_a_name_that_leads_inside_is_not_reached(address: str) -> None:
    """Whatever a host is called, and whatever else it leads to."""

    async def resolve(_host: str) -> list[str]:
        return ["8.8.8.8", address]

    error = await failure(reader(resolve=resolve).read("http://innocent.example.com/x.git"))
    assert error.code == "repository-host-denied"


async def test_a_redirect_inside_is_not_followed(git_host: GitHost, inside: Inside) -> None:
    """A host that may be read cannot lead to one that may not, whichever way it is written."""
    allowed = reader(repository_networks=(f"127.0.0.1:{git_host.port}",))
    assert (await allowed.read(git_host.url("example", "moved/"))).file.text == DEVFILE
    for host in SPELLINGS:
        url = f"http://127.0.0.1:{git_host.port}/elsewhere/http/{host}:{inside.port}/x.git"
        error = await failure(allowed.read(url))
        assert error.code in ("repository-host-denied", "repository-invalid")
        assert not inside.was_reached()


async def test_one_port_of_one_host(git_host: GitHost, inside: Inside) -> None:
    """The entry `address:port` opens nothing beside it, as the quickstart's for its example."""
    allowed = reader(repository_networks=(f"127.0.0.1:{git_host.port}",))
    assert (await allowed.read(git_host.url("example"))).file.text == DEVFILE
    assert (
        await failure(allowed.read(f"http://127.0.0.1:{inside.port}/x"))
    ).code == "repository-host-denied"
    assert not inside.was_reached()


async def test_a_name_is_looked_up_once(git_host: GitHost) -> None:
    """The connection goes to what was checked: a DNS that answers otherwise a moment later gains
    nothing, also when the name ends with a dot."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]

    async def resolve(host: str) -> list[str]:
        assert host == "only-we-know.invalid"
        return answers.pop(0)

    read = reader(resolve=resolve, repository_networks=("127.0.0.1",))
    reading = await read.read(f"http://Only-We-Know.invalid.:{git_host.port}/example.git")
    assert (reading.url, reading.file.text) == (
        f"http://only-we-know.invalid:{git_host.port}/example.git",
        DEVFILE,
    )
    assert answers == [["10.0.0.1"]]


@pytest.fixture(scope="module")
def git_host_6() -> Iterator[GitHost]:
    host = GitHost("::1")
    host.make("example", {".devfile.yaml": DEVFILE})
    yield host
    host.stop()


@pytest.mark.parametrize("host", ["[::1]", "[0:0::0001]", "only-we-know.invalid"])
async def test_a_host_by_ipv6(git_host_6: GitHost, tmp_path: Path, host: str) -> None:
    """A Git host by its IPv6 address, or with nothing else: read, also after a redirect, and with
    the credential of just that host."""

    async def resolve(_host: str) -> list[str]:
        return ["::1"]

    file = tmp_path / "credentials.toml"
    place = f"{host if host[0] != '[' else '[::1]'}:{git_host_6.port}"
    file.write_text(f'["http://{place}"]\nusername = "{USER}"\npassword = "{PASSWORD}"\n')
    file.chmod(0o600)
    read = reader(
        resolve=resolve, repository_networks=("::1",), credentials=load_credentials(str(file))
    )
    for prefix in ("", "moved/", "private/"):
        reading = await read.read(f"http://{host}:{git_host_6.port}/{prefix}example.git")
        assert reading.file.text == DEVFILE
        assert reading.url.startswith(f"http://{place}/")
    assert git_host_6.hosts[-1] == place


async def test_through_a_proxy(
    git_host: GitHost, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is not known here goes to the proxy, which finds and judges it, redirects
    included; one that is known is checked here first, and an address in any case."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{git_host.port}")
    git_host.proxied.clear()
    reading = await reader().read("http://git.nowhere.invalid/example.git")
    assert reading.file.text == DEVFILE
    reading = await reader().read("http://git.nowhere.invalid/moved/example.git")
    assert reading.url == "http://git.nowhere.invalid/example.git"
    assert set(git_host.proxied) == {"git.nowhere.invalid"}
    for host in SPELLINGS:
        error = await failure(reader().read(f"http://{host}:{inside.port}/example.git"))
        assert error.code == "repository-host-denied"
    assert set(git_host.proxied) == {"git.nowhere.invalid"}
    assert not inside.was_reached()


@pytest.mark.parametrize(
    "entry",
    ["git.example.com", ".example.com", "*", "127.0.0.1/32", "127.0.0.1", "git.example.com:{port}"],
)
async def test_past_the_proxy(
    git_host: GitHost, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """What NO_PROXY names is connected to as it was checked; Git does not read the variable in a
    way of its own."""
    proxy = GitHost()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", entry.format(port=git_host.port))
    host = "127.0.0.1" if entry[0].isdigit() else "git.example.com"

    async def resolve(_host: str) -> list[str]:
        return ["127.0.0.1"]

    try:
        read = reader(resolve=resolve, repository_networks=LOOPBACK)
        assert (
            await read.read(f"http://{host}:{git_host.port}/moved/example.git")
        ).file.text == DEVFILE
        assert proxy.proxied == []
    finally:
        proxy.stop()
