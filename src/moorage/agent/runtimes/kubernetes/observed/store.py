"""Keeps this agent's objects of the cluster in memory, in compact form, by one labelled list and
watch per kind.

A watch is resumed where it ended; when the server no longer remembers that point (410 Gone, after
an etcd compaction), the kind is listed anew. Objects are held as JSON text without what nobody
reads: a thousand workspaces take a few megabytes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, overload

import msgspec

from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.errors import ApiError
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject
from moorage.agent.runtimes.kubernetes.api.resources import (
    WATCHED,
    Kind,
    Object,
    T,
    key_of,
    kind_of,
)
from moorage.agent.runtimes.kubernetes.observed.managed_fields import foreign_fields
from moorage.agent.runtimes.ownership import WORKSPACE
from moorage.kernel import log
from moorage.kernel.errors import MoorageError
from moorage.kernel.tasks import Backoff

_log = log.get(part="agent.kubernetes.store")
Key = tuple[str, str, str]
"""(kind, namespace, name)."""
REPAIRED = frozenset(
    {"Secret", "Service", "ResourceQuota", "LimitRange", "NetworkPolicy", "Deployment"}
)
"""Kinds from which additions by others are taken away."""
PULSE = "pulse"
PULSE_SECONDS = 10.0
PULSE_TIMEOUT = 5.0
_REMEMBERED = 5000
"""Deleted objects whose version is remembered, so that a late answer does not bring them back."""


class Held(msgspec.Struct, frozen=True):
    """An object as it is kept in memory."""

    kind: Kind[Any]
    key: Key
    text: bytes
    """JSON as the API server sent it, but for `managedFields`."""
    foreign: tuple[str, ...] = ()
    """JSON Pointers (RFC 6901) to what others added."""

    @property
    def read(self) -> ClusterObject:
        """The parts that the agent reads."""
        item: ClusterObject = self.kind.decode(self.text)
        return item

    @property
    def sent(self) -> Object:
        """The whole, as the API server sent it: to be compared with what is wanted."""
        return msgspec.json.decode(self.text, type=dict[str, Any])


class Store:
    """The agent's objects. Each is read from its JSON when it is asked for.

    `namespace`: the only one that is looked at; "": all. `changed(workspace)` is called after each
    change of one of its objects, `lost` when the API server stops to answer a watch, and `found`
    when all kinds have been listed (again).
    """

    def __init__(
        self,
        client: Client,
        selector: str,
        *,
        changed: Callable[[str], None],
        lost: Callable[[MoorageError], None],
        found: Callable[[], None],
        namespace: str = "",
        kinds: Sequence[Kind[Any]] = WATCHED,
    ) -> None:
        self.ready = asyncio.Event()
        """Set while every kind has been listed and is watched."""
        self.relists = 0
        self._client, self._selector, self._namespace = client, selector, namespace
        self._kinds = tuple(kind for kind in kinds if kind.namespaced or not namespace)
        self._changed, self._lost, self._found = changed, lost, found
        self._items: dict[Key, Held] = {}
        self._versions: dict[Key, int] = {}
        self._gone: dict[Key, int] = {}
        self._by_workspace: dict[str, set[Key]] = defaultdict(set)
        self._workspace_of: dict[Key, str] = {}
        self._current: set[str] = set()

    async def run(self) -> None:
        """Follows all kinds until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self._kinds:
                tasks.create_task(self._follow(kind), name=f"watch {kind.plural}")
            tasks.create_task(self._pulse(), name="pulse of the API server")

    def names(self) -> frozenset[str]:
        """Workspaces that have any object."""
        return frozenset(self._by_workspace)

    @overload
    def of(self, workspace: str) -> list[ClusterObject]: ...
    @overload
    def of(self, workspace: str, kind: Kind[T]) -> list[T]: ...
    def of(self, workspace: str, kind: Kind[Any] | None = None) -> list[Any]:
        """A workspace's objects, in the order of their keys."""
        return [held.read for held in self.held(workspace) if kind is None or held.kind is kind]

    def held(self, workspace: str) -> list[Held]:
        """A workspace's objects as they are kept, for whoever compares or cleans them."""
        return [self._items[key] for key in sorted(self._by_workspace.get(workspace, ()))]

    def get(self, key: Key) -> Held | None:
        return self._items.get(key)

    def put(self, item: Object) -> None:
        """Takes an object as the API server gave it back, unless a newer one is known. Raises
        `Unavailable` when it cannot be read."""
        key, version = key_of(item), _version(item)
        if version <= max(self._versions.get(key, 0), self._gone.get(key, 0)):
            return
        held = hold(item)
        workspace = held.read.metadata.labels.get(WORKSPACE, "")
        self._forget(key)
        self._items[key] = held
        self._versions[key] = version
        self._workspace_of[key] = workspace
        self._by_workspace[workspace].add(key)
        self._changed(workspace)

    def _remove(self, key: Key, version: int) -> None:
        self._gone[key] = max(version, self._gone.get(key, 0))
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]
        workspace = self._workspace_of.get(key)
        self._forget(key)
        if workspace is not None:
            self._changed(workspace)

    def _forget(self, key: Key) -> None:
        self._items.pop(key, None)
        self._versions.pop(key, None)
        if (workspace := self._workspace_of.pop(key, None)) is not None:
            keys = self._by_workspace[workspace]
            keys.discard(key)
            if not keys:
                del self._by_workspace[workspace]

    async def _pulse(self) -> None:
        """A watch on which nothing comes looks the same whether nothing happens or nobody is there
        any more."""
        while True:
            try:
                await self._client.read("/version", timeout=PULSE_TIMEOUT)
                self._is_current(PULSE)
            except MoorageError as error:
                self._is_lost(PULSE, error)
            await asyncio.sleep(PULSE_SECONDS)

    async def _follow(self, kind: Kind[Any]) -> None:
        backoff = Backoff(first=0.2, most=5.0)
        since = ""
        while True:
            try:
                if not since:
                    since = await self._list(kind)
                watched = self._client.watch(
                    kind,
                    namespace=self._namespace,
                    labels=self._selector,
                    since=since,
                    opened=lambda: self._is_current(kind.name),
                )
                async for event, item in watched:
                    since = item["metadata"]["resourceVersion"]
                    self._take(kind, event, item)
                    backoff.reset()
            except ApiError as error:
                since = self._after_refusal(kind, error, since)
                await asyncio.sleep(backoff.delay())
            except MoorageError as error:
                self._is_lost(kind.name, error)
                await asyncio.sleep(backoff.delay())

    def _after_refusal(self, kind: Kind[Any], error: ApiError, since: str) -> str:
        """The version to go on from; "": from a list. 410: the server no longer knows that
        point."""
        if error.http_status == 410:
            _log.info("listing anew", kind=kind.name, reason=error.text)
            self.relists += 1
            return ""
        self._is_lost(kind.name, error)
        return since

    async def _list(self, kind: Kind[Any]) -> str:
        found: set[Key] = set()
        version = ""
        async for items, at in self._client.pages(
            kind, namespace=self._namespace, labels=self._selector
        ):
            version = version or at
            for item in items:
                found.add(key_of(item))
                self.put(item)
        for key in [key for key in self._items if key[0] == kind.name and key not in found]:
            if self._versions[key] <= int(version):
                self._remove(key, int(version))
        return version

    def _take(self, kind: Kind[Any], event: str, item: Object) -> None:
        item["kind"], item["apiVersion"] = kind.name, kind.api
        if event == "DELETED":
            self._remove(key_of(item), _version(item))
        elif event in ("ADDED", "MODIFIED"):
            self.put(item)

    def _is_current(self, part: str) -> None:
        self._current.add(part)
        if not self.ready.is_set() and len(self._current) == len(self._kinds) + 1:
            self.ready.set()
            self._found()

    def _is_lost(self, part: str, error: MoorageError) -> None:
        self._current.discard(part)
        if self.ready.is_set() or not self._items:
            self._lost(error)
        self.ready.clear()


def hold(item: Object) -> Held:
    """An object that the API server sent, as it is kept."""
    foreign = foreign_fields(item) if item["kind"] in REPAIRED else []
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    text = msgspec.json.encode({**item, "metadata": metadata})
    return Held(kind_of(item), key_of(item), text, tuple(foreign))


def _version(item: Object) -> int:
    """The resource version of an object, as a number.

    The API server documents that they are compared as such since 1.35, and they always were.
    """
    text = item["metadata"].get("resourceVersion") or ""
    return int(text) if text.isdigit() else 0
