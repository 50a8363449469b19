"""Reads the devfile of a repository."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from moorage.devfile import FILE_NAMES, FOLDER
from moorage.kernel import log
from moorage.kernel.addresses import Egress, bracketed, is_address
from moorage.kernel.errors import MoorageError
from moorage.kernel.proxies import proxy_of
from moorage.server.metrics import Metrics
from moorage.server.repositories import complaints, redirects, rules
from moorage.server.repositories.git import Git, GitFailed, Limits, Objects, Way, repository_of
from moorage.server.repositories.line import Bounds, Line
from moorage.server.repositories.rules import Repository
from moorage.server.repositories.ssh import SshHosts, place
from moorage.server.settings import Credentials, Settings
from moorage.translation.devcontainer import FILE_NAMES as DEVCONTAINER_NAMES

REDIRECTS = 3
_TREE_LIMIT = 8_000_000
_COMMIT_LIMIT = 1_000_000

_log = log.get(part="server.repositories")

Resolve = Callable[[str], Coroutine[Any, Any, list[str]]]


@dataclass(frozen=True)
class Reading:
    """What was read, and where: `url` is the repository as Git was given it, `commit` the whole 40 digits."""

    url: str
    ref: str
    commit: str
    path: str
    text: str


class RepositoryReader:
    """`resolve`: host name → addresses; a parameter, so that a test can make a name lead anywhere."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        metrics: Metrics,
        *,
        ssh_hosts: SshHosts | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._ssh_hosts = ssh_hosts or {}
        self._metrics = metrics
        self._egress = Egress.of(settings.repository_networks)
        self._line = Line(Bounds(settings.repository_reads, settings.repository_reads_per_user))
        self._resolve = resolve or addresses_of

    async def read(self, url: str, ref: str = "", path: str = "", *, person: str = "") -> Reading:
        """`person`: who asks; each has so many turns at a time.

        Raises `InvalidInput` (`field` says which of the three), `TooLarge`, `Forbidden` by the settings; `LimitReached` or
        `Unavailable` when others are read first for too long.
        """
        repository = rules.check_repository(url)
        rules.check_ref(ref)
        rules.check_path(path)
        async with self._line.turn(person):
            return await self._measured(repository, ref, path)

    async def _measured(self, repository: Repository, ref: str, path: str) -> Reading:
        started, outcome = time.perf_counter(), "failed"
        seconds = self._settings.repository_seconds
        try:
            async with asyncio.timeout(seconds):
                reading = await self._read(repository, ref, path)
            outcome = "read"
        except TimeoutError as error:
            outcome = "timeout"
            raise complaints.timed_out(repository, seconds) from error
        except MoorageError:
            outcome = "refused"
            raise
        finally:
            self._metrics.git_seconds.labels(outcome).observe(time.perf_counter() - started)
        return reading

    async def _read(self, repository: Repository, ref: str, path: str) -> Reading:
        asked = repository.url
        for _ in range(REDIRECTS):
            way = await self._way(repository, asked)
            limits = Limits(self._settings.repository_transfer)
            async with repository_of(repository, way, limits) as git:
                try:
                    await git.fetch(ref)
                    async with git.objects() as objects:
                        return await self._pick(objects, repository, ref, path)
                except GitFailed as failure:
                    if complaints.is_missing_ref(failure.words):
                        raise complaints.missing_ref(ref, await _branches(git)) from failure
                    target = await self._redirect(repository, way, failure.words)
                    if target is None:
                        raise complaints.error_of(
                            failure.words, repository, limit=limits.transfer
                        ) from failure
            repository = target
        raise complaints.error_of("it redirects too often", repository, limit=0)

    async def _way(self, repository: Repository, asked: str) -> Way:
        """How it is reached; `asked`: the URL that came before any redirect. Raises `Forbidden` for what the settings do not allow."""
        settings = self._settings
        rules.check_host(
            repository, allowed=settings.repository_hosts, denied=settings.repository_hosts_denied
        )
        known = None
        if repository.scheme == "ssh":
            known = self._ssh_hosts.get(place(repository.host, repository.port))
            if known is None:
                raise complaints.no_ssh(repository)
        proxy = "" if known else _proxy(repository)
        addresses = await self._addresses(repository, by_proxy=bool(proxy))
        return Way(
            addresses=addresses if not proxy else (),
            proxy=proxy,
            credential=self._credentials.of(repository.url, asked=asked),
            ssh=known,
            ca_bundle=settings.ca_bundle,
        )

    async def _addresses(self, repository: Repository, *, by_proxy: bool) -> list[str]:
        """Where the host is; behind a proxy, which resolves names itself, one that is not known here is the proxy's to judge.

        Raises `Forbidden` for what may not be reached.
        """
        try:
            addresses = await _to_its_end(self._resolve(repository.host))
        except OSError as error:
            if by_proxy and not is_address(repository.host):
                return []
            raise complaints.not_reached(repository) from error
        if not self._egress.permits(repository.host, repository.reached_at, addresses):
            _log.info(
                "a repository is not read: an address of its host is not public, nor in repository_networks",
                host=repository.host,
                port=repository.reached_at,
                addresses=addresses[:8],
            )
            raise complaints.not_reached(repository)
        return addresses

    async def _pick(self, objects: Objects, repository: Repository, ref: str, path: str) -> Reading:
        commit = await objects.get("FETCH_HEAD^{commit}", most=_COMMIT_LIMIT)
        for candidate in [path] if path else await _candidates(objects):
            blob = await objects.get(f"FETCH_HEAD:{candidate}", most=self._settings.devfile_limit)
            if blob.kind != "blob":
                continue
            if blob.size > self._settings.devfile_limit:
                raise complaints.devfile_too_large(candidate, blob.size, self._settings.devfile_limit)
            try:
                text = blob.data.decode()
            except UnicodeDecodeError as error:
                raise complaints.no_text(candidate) from error
            return Reading(url=repository.url, ref=ref, commit=commit.oid, path=candidate, text=text)
        raise complaints.no_devfile(path, (*FILE_NAMES, f"{FOLDER}/*.yaml", *DEVCONTAINER_NAMES), ref)

    async def _redirect(self, repository: Repository, way: Way, words: str) -> Repository | None:
        """Where the host sends Git instead, if it does. Git itself follows nothing: each place is checked as the first."""
        if "returned error: 30" not in words and "redirect" not in words.lower():
            return None
        found = await redirects.target_of(repository, way)
        return None if found is None else rules.check_repository(found)


async def _to_its_end(asking: Coroutine[Any, Any, list[str]]) -> list[str]:
    """A thread that asks the DNS cannot be ended, and all of the server's work shares a few: whoever hangs up, or has no time left,
    keeps their turn until it has ended by itself. Or one person's slow names would have all of the threads."""
    task = asyncio.create_task(asking, name="addresses")
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # nobody waits for it
        raise cancelled
    return task.result()


async def addresses_of(host: str) -> list[str]:
    """Raises `OSError` when the name is not known."""
    if host.endswith(".localhost"):
        return ["127.0.0.1"]  # RFC 6761, 6.3: whatever a resolver says, programs may take it for this machine
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _candidates(objects: Objects) -> list[str]:
    """The devfile's usual names that are there, at the top, then in the folder `.devfile`; then a devcontainer's."""
    top = await _names(objects, "FETCH_HEAD^{tree}")
    if found := [name for name in FILE_NAMES if name in top]:
        return found
    inside = await _names(objects, f"FETCH_HEAD:{FOLDER}") if FOLDER in top else set()
    devfiles = [f"{FOLDER}/{name}" for name in sorted(inside) if name.endswith((".yaml", ".yml"))]
    return [*devfiles, *(name for name in DEVCONTAINER_NAMES if name.partition("/")[0] in top)]


async def _names(objects: Objects, tree: str) -> set[str]:
    """Names in a tree object: `<mode> <name>` NUL, 20 bytes (Git, "Tree objects")."""
    entry = await objects.get(tree, most=_TREE_LIMIT)
    if entry.kind != "tree":
        return set()
    names, data, place = set(), entry.data, 0
    width = len(entry.oid) // 2
    while place < len(data):
        space, end = data.find(b" ", place), data.find(b"\0", place)
        if not place < space < end:
            break  # no tree, whatever its host says
        name = data[space + 1 : end].decode(errors="replace")
        if name.isprintable():  # a line of its own for Git, and to be shown
            names.add(name)
        place = end + 1 + width
    return names


async def _branches(git: Git) -> list[str]:
    try:
        return await git.branches()
    except GitFailed:
        return []


def _proxy(repository: Repository) -> str:
    """The URL of the proxy on the way; "" when there is none."""
    return proxy_of(f"{repository.scheme}://{bracketed(repository.host)}:{repository.reached_at}") or ""
