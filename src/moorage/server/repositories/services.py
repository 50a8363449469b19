"""Reads files of repositories by Git, without cloning."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from moorage.contract.git_failures import names_missing_ref
from moorage.kernel import log
from moorage.kernel.addresses import Egress, bracketed, is_address
from moorage.kernel.errors import MoorageError
from moorage.kernel.proxies import proxy_of
from moorage.server.metrics import Metrics
from moorage.server.repositories import errors, redirects, rules
from moorage.server.repositories.commits import (
    Choose,
    Commit,
    NoCommitError,
    NoPathError,
    Reading,
)
from moorage.server.repositories.git import Git, GitFailed, Limits, Way, repository_of
from moorage.server.repositories.line import Bounds, Line
from moorage.server.repositories.refs import Found, Wanted
from moorage.server.repositories.refs import choose as choose_ref
from moorage.server.repositories.rules import Repository
from moorage.server.repositories.ssh import SshHosts, place
from moorage.server.repositories.web_addresses import read_address
from moorage.server.settings import Credentials, Settings

REDIRECTS = 3

_log = log.get(part="server.repositories")

Resolve = Callable[[str], Coroutine[Any, Any, list[str]]]


class RepositoryReader:
    """`resolve`: host name → addresses; a parameter, so that a test can make a name lead
    anywhere."""

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

    async def read(
        self, url: str, ref: str, choose: Choose, *, named: str = "", person: str = ""
    ) -> Reading:
        """The files that `choose` reads, all of the one commit that `ref` names; "": of the default
        branch.

        `named`: the folder or file that an address named, where `url` names none. `person`: who
        asks; each has so many turns at a time. Raises `InvalidInput` (`field` says which of the
        two), `TooLarge`, `Forbidden` by the settings; `LimitReached` or `Unavailable` when others
        are read first for too long; and what `choose` raises.
        """
        address = read_address(url)
        repository = rules.check_repository(address.repository)
        wanted = rules.check_wanted(address, ref)
        if named:
            wanted = replace(wanted, path=rules.check_path(named))
        async with self._line.turn(person):
            return await self._measured(repository, wanted, choose)

    async def _measured(self, repository: Repository, wanted: Wanted, choose: Choose) -> Reading:
        started, outcome = time.perf_counter(), "failed"
        seconds = self._settings.repository_seconds
        try:
            async with asyncio.timeout(seconds):
                reading = await self._read(repository, wanted, choose)
            outcome = "read"
        except TimeoutError as error:
            outcome = "timeout"
            raise errors.timed_out(repository, seconds) from error
        except MoorageError:
            outcome = "refused"
            raise
        finally:
            self._metrics.git_seconds.labels(outcome).observe(time.perf_counter() - started)
        return reading

    async def _read(self, repository: Repository, wanted: Wanted, choose: Choose) -> Reading:
        asked = repository.url
        for _ in range(REDIRECTS):
            way = await self._way(repository, asked)
            limits = Limits(self._settings.repository_transfer)
            async with repository_of(repository, way, limits) as git:
                try:
                    found = await _found(git, wanted)
                    await git.fetch(found.ref.fetched_as)
                    return await self._chosen(git, repository, found, choose)
                except GitFailed as failure:
                    if names_missing_ref(failure.words):
                        raise errors.missing_ref(wanted.said, await _branches(git)) from failure
                    target = await self._redirect(repository, way, failure.words)
                    if target is None:
                        raise errors.error_of(
                            failure.words, repository, limit=limits.transfer
                        ) from failure
            repository = target
        raise errors.error_of("it redirects too often", repository, limit=0)

    async def _chosen(
        self, git: Git, repository: Repository, found: Found, choose: Choose
    ) -> Reading:
        ref = found.ref
        async with git.objects() as objects:
            try:
                commit = await Commit.fetched(
                    objects, limit=self._settings.devfile_limit, path=found.path
                )
            except NoCommitError as error:
                raise errors.no_commit(ref.name) from error
            except NoPathError as error:
                raise errors.no_path(found.path, ref.name) from error
            files = tuple(await choose(commit))
            missing = await commit.missing()
        return Reading(
            url=repository.url,
            ref=replace(ref, commit=commit.oid),
            commit=commit.oid,
            files=files,
            folder=commit.folder,
            named=found.path,
            missing=missing,
        )

    async def _way(self, repository: Repository, asked: str) -> Way:
        """How it is reached; `asked`: the URL that came before any redirect. Raises `Forbidden` for
        what the settings do not allow."""
        settings = self._settings
        rules.check_host(
            repository, allowed=settings.repository_hosts, denied=settings.repository_hosts_denied
        )
        known = None
        if repository.scheme == "ssh":
            known = self._ssh_hosts.get(place(repository.host, repository.port))
            if known is None:
                raise errors.no_ssh(repository)
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
        """Where the host is; behind a proxy, which resolves names itself, one that is not known
        here is the proxy's to judge.

        Raises `Forbidden` for what may not be reached.
        """
        try:
            addresses = await _to_its_end(self._resolve(repository.host))
        except OSError as error:
            if by_proxy and not is_address(repository.host):
                return []
            raise errors.not_reached(repository) from error
        if not self._egress.permits(repository.host, repository.reached_at, addresses):
            _log.info(
                "a repository is not read: an address of its host is not public, nor in repository_networks",
                host=repository.host,
                port=repository.reached_at,
                addresses=addresses[:8],
            )
            raise errors.not_reached(repository)
        return addresses

    async def _redirect(self, repository: Repository, way: Way, words: str) -> Repository | None:
        """Where the host sends Git instead, if it does. Git itself follows nothing: each place is
        checked as the first."""
        if "returned error: 30" not in words and "redirect" not in words.lower():
            return None
        found = await redirects.target_of(repository, way)
        return None if found is None else rules.check_repository(found)


async def _to_its_end(asking: Coroutine[Any, Any, list[str]]) -> list[str]:
    """A thread that asks the DNS cannot be ended, and all of the server's work shares a few:
    whoever hangs up, or has no time left, keeps their turn until it has ended by itself. Or one
    person's slow names would have all of the threads."""
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
    """Addresses of a host's name. Raises `OSError` when it is not known."""
    if host.endswith(".localhost"):
        # RFC 6761, 6.3: whatever a resolver says, programs may take it for this machine
        return ["127.0.0.1"]
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _found(git: Git, wanted: Wanted) -> Found:
    """What the host has of that name. Raises `GitFailed`, `InvalidInput`."""
    if wanted.exact is not None:
        return Found(wanted.exact, wanted.path)
    found = choose_ref(wanted, await git.refs(wanted.names))
    if found is None:
        raise errors.missing_ref(wanted.said, await _branches(git))
    return found


async def _branches(git: Git) -> list[str]:
    try:
        return await git.branches()
    except GitFailed:
        return []


def _proxy(repository: Repository) -> str:
    """The URL of the proxy on the way; "" when there is none."""
    return (
        proxy_of(f"{repository.scheme}://{bracketed(repository.host)}:{repository.reached_at}")
        or ""
    )
