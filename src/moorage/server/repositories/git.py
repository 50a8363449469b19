"""Git as a program, within limits: time, bytes, protocols, and an environment of its own.

Nothing of the server's account reaches it: no configuration, credentials, `.netrc`, cookies,
certificates, keys, agent or Kerberos ticket, and no variable but those named here.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from moorage.kernel.addresses import bracketed, is_address
from moorage.server.repositories import ssh
from moorage.server.repositories.refs import HEAD, Listed
from moorage.server.repositories.rules import Repository
from moorage.server.repositories.ssh import SshHost

_PASSED_ON = ("PATH", "LD_LIBRARY_PATH")
_CONFIG = """\
[core]
\trepositoryformatversion = 1
\tbare = true
\thooksPath = /dev/null
[extensions]
\tpartialClone = origin
[remote "origin"]
\turl = {url}
\tpromisor = true
[protocol]
\tversion = 2
[http]
\tfollowRedirects = false
\temptyAuth = false
\tlowSpeedLimit = 1000
\tlowSpeedTime = 10
[fetch]
\tunpackLimit = 1
\twriteCommitGraph = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[advice]
\tdetachedHead = false
"""
_LIMITED = 'ulimit -c 0 && ulimit -f "$1" && ulimit -d "$2" && shift 2 && exec git "$@"'
"""Set by a shell, before Git or what it starts can do anything: a function that ran in the child
would cost a copy of this process. Who meets a limit is ended by a signal that dumps the process,
and its environment has the credential."""
MEMORY = 512 * 1024 * 1024
"""Bytes of memory that each process of Git's may use: it holds what a host says of itself, packed a
thousand times at that."""
COMPLAINT = 10_000
"""Bytes of what Git says that are kept."""


class GitFailed(Exception):
    """Git ended with an error. `words`: what it wrote on standard error."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True)
class Limits:
    transfer: int
    """Bytes of one file that Git may write: of what it receives, that is."""


@dataclass(frozen=True)
class Way:
    """How a host is reached: what was checked, so that Git itself finds out nothing."""

    addresses: Sequence[str]
    """Where the host is; nothing else is connected to, whatever its name comes to meanwhile. Empty
    behind a proxy."""
    proxy: str = ""
    """URL of the HTTP proxy; "": there is none on the way."""
    credential: tuple[str, str] | None = field(default=None, repr=False)
    """User and password, over HTTP."""
    ssh: SshHost | None = None
    """The operator's entry for the host, over SSH."""
    ca_bundle: str = ""


@dataclass(frozen=True)
class Blob:
    kind: str
    """`blob`, `tree`, `commit`, …; "missing" when there is no such thing."""
    oid: str
    size: int
    data: bytes
    """Content; empty when it is larger than what was asked for."""


class Git:
    """A bare repository in a temporary folder that knows one remote, and holds nothing but what is
    asked for."""

    def __init__(self, folder: Path, environment: dict[str, str], limits: Limits) -> None:
        self._folder = folder
        self._environment = environment
        self._limits = limits

    async def fetch(self, name: str) -> None:
        """The commit and its topmost folder, if the host can filter; else all of that commit.
        Raises `GitFailed`."""
        await self._run(
            "fetch", "--depth=1", "--filter=tree:1", "--no-tags", "--quiet", "origin", name
        )

    async def refs(self, names: Sequence[str]) -> Listed:
        """Those of these full names that the host has; without names, what is behind its HEAD.
        Raises `GitFailed`."""
        # A host that is asked for branches and tags leaves out the rest, which may be much.
        asked = ("--heads", "--tags", "origin", *names) if names else ("--symref", "origin", HEAD)
        output = await self._run("ls-remote", "--quiet", *asked)
        found: dict[str, str] = {}
        head = ""
        for line in output.splitlines():
            oid, _, name = line.partition("\t")
            if name == HEAD and oid.startswith("ref: "):
                head = oid.removeprefix("ref: ")
            elif name in (*names, HEAD):
                found[name] = oid
        return Listed(found, head)

    async def branches(self) -> list[str]:
        """Raises `GitFailed`."""
        output = await self._run("ls-remote", "--quiet", "--heads", "origin")
        return [
            line.split("refs/heads/", 1)[1] for line in output.splitlines() if "refs/heads/" in line
        ]

    @asynccontextmanager
    async def objects(self) -> AsyncIterator[Objects]:
        """Reads objects; what is not here is fetched by Git, each on its own."""
        process = await self._start("cat-file", "--batch", "--follow-symlinks", stdin=True)
        try:
            yield Objects(process)
        finally:
            await _end(process)

    async def _run(self, *arguments: str) -> str:
        process = await self._start(*arguments)
        try:
            output, words = await process.communicate()
        finally:
            await _end(process)
        if process.returncode != 0:
            said = words[-COMPLAINT:].decode(errors="replace")
            raise GitFailed(said or f"git died of signal {-(process.returncode or 0)}")
        return output.decode(errors="replace")

    async def _start(self, *arguments: str, stdin: bool = False) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            _LIMITED,
            "sh",
            str(max(1, self._limits.transfer // 512)),
            str(MEMORY // 1024),
            f"--git-dir={self._folder}",
            *arguments,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            cwd=self._folder,
            start_new_session=True,
        )


class Objects:
    """`git cat-file --batch`, one question at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def get(self, name: str, *, most: int) -> Blob:
        """The object that `name` (gitrevisions(7)) stands for; its data, when they are `most` bytes
        or fewer. Raises `GitFailed`."""
        try:
            return await self._answer(name, most)
        except (ConnectionError, EOFError, ValueError) as error:
            raise await self._failure() from error

    async def _answer(self, name: str, most: int) -> Blob:
        """Raises `ConnectionError`, `EOFError`, `ValueError` when Git ends, or answers otherwise
        than it does."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name}\n".encode())
        await process.stdin.drain()
        header = (await process.stdout.readline()).decode(errors="replace")
        if not header:
            raise EOFError
        words = header.split()
        if len(words) != 3 or not words[2].isdigit():
            # "<name> missing", or of a symbolic link that leads nowhere "dangling <size>" and the
            # name on a line
            if words and words[0] in ("dangling", "loop", "notdir", "symlink"):
                await process.stdout.readexactly(int(words[1]) + 1)
            return Blob("missing", "", 0, b"")
        oid, kind, size = words[0], words[1], int(words[2])
        if size <= most:
            data = await process.stdout.readexactly(size + 1)
            return Blob(kind, oid, size, data[:-1])
        left = size + 1
        while left:  # or it would be taken for the next answer
            left -= len(await process.stdout.readexactly(min(left, 65_536)))
        return Blob(kind, oid, size, b"")

    async def _failure(self) -> GitFailed:
        assert self._process.stderr is not None
        words = (await self._process.stderr.read(COMPLAINT)).decode(errors="replace")
        return GitFailed(words)


@asynccontextmanager
async def repository_of(repository: Repository, way: Way, limits: Limits) -> AsyncIterator[Git]:
    folder = Path(tempfile.mkdtemp(prefix="moorage-git-"))
    try:
        for name in ("objects", "refs", "home"):
            (folder / name).mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "config").write_text(_CONFIG.format(url=_quoted(repository.url)))
        yield Git(folder, _environment(repository, folder, way), limits)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(repository: Repository, folder: Path, way: Way) -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {
        "HOME": str(folder / "home"),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "GIT_ALLOW_PROTOCOL": repository.scheme,
        "GIT_SSH_COMMAND": "/bin/false",
        "GIT_SSH_VARIANT": "ssh",
        # The account's ticket, and the one that Kerberos would fetch with the machine's keys
        "KRB5CCNAME": "MEMORY:",
        "KRB5_CLIENT_KTNAME": "/dev/null",
    }
    if repository.scheme == "ssh":
        environment["GIT_SSH_COMMAND"] = _ssh(repository, folder, way)
        settings = []
    else:
        settings = _http(repository, way)
    if way.ca_bundle:
        environment["GIT_SSL_CAINFO"] = way.ca_bundle
    environment["GIT_CONFIG_COUNT"] = str(len(settings))
    for index, (key, value) in enumerate(settings):
        environment[f"GIT_CONFIG_KEY_{index}"] = key
        environment[f"GIT_CONFIG_VALUE_{index}"] = value
    return environment


def _http(repository: Repository, way: Way) -> list[tuple[str, str]]:
    """Settings of Git's; they go by the environment, which only this user can read: an argument
    would be everybody's."""
    settings = [("http.proxy", way.proxy)]
    if way.credential is not None:
        token = base64.b64encode(":".join(way.credential).encode()).decode()
        name = f"http.{repository.scheme}://{repository.authority}/.extraHeader"
        settings.append((name, f"Authorization: Basic {token}"))
    if way.addresses and not is_address(repository.host):  # an address is connected to as it is
        listed = ",".join(map(bracketed, way.addresses))
        settings.append(
            ("http.curloptResolve", f"{repository.host}:{repository.reached_at}:{listed}")
        )
    return settings


def _ssh(repository: Repository, folder: Path, way: Way) -> str:
    """The command, with a configuration that holds all there is to know."""
    if way.ssh is None or not way.addresses:
        return "/bin/false"
    known_hosts, configuration = folder / "known_hosts", folder / "ssh_config"
    known_hosts.write_text(ssh.known_hosts_of(way.ssh, repository.host))
    configuration.write_text(
        ssh.configuration(
            way.ssh, host=repository.host, address=way.addresses[0], known_hosts=known_hosts
        )
    )
    return f"ssh -F {shlex.quote(str(configuration))}"


def _quoted(value: str) -> str:
    """As a value in Git's configuration (git-config(1), "Values")."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends it with all that it has started, and waits."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
