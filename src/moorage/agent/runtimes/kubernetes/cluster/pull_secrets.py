"""Reads image pull secrets as their owners have them now.

Their copies in workspaces follow, since tokens for registries expire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import Secret
from moorage.agent.runtimes.kubernetes.api.resources import SECRET
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Cause
from moorage.kernel import log
from moorage.kernel.errors import MoorageError
from moorage.workspace_settings import PullSecret, RemoteDevelopment

_log = log.get(part="agent.kubernetes.pull_secrets")
LOOK_EVERY = 60.0
"""Seconds between two looks at each source: they lie in others' namespaces, where nothing of ours
is watched."""
TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")
"""The types that a node can pull with. Nothing else is copied: settings may name any Secret, and
most hold something else."""


class PullSecrets:
    """`changed()` is called when a source is not what it was. `namespaces()`: where sources may lie
    now; of one elsewhere, the copy that a workspace has stays as it is."""

    def __init__(
        self, client: Client, changed: Callable[[], None], namespaces: Callable[[], frozenset[str]]
    ) -> None:
        self._client, self._changed, self._namespaces = client, changed, namespaces
        self._sources: dict[PullSecret, Secret | None] = {}

    def _allowed(self, settings: RemoteDevelopment) -> list[PullSecret]:
        namespaces = self._namespaces()
        return [source for source in settings.image_pull_secrets if source.namespace in namespaces]

    def known(self, settings: RemoteDevelopment) -> dict[PullSecret, Secret]:
        """As far as they have been read. The others are read at the next look."""
        found = {}
        for source in self._allowed(settings):
            if (secret := self._sources.setdefault(source, None)) is not None:
                found[source] = secret
        return found

    async def read(
        self, settings: RemoteDevelopment, *, needed: bool = True
    ) -> dict[PullSecret, Secret]:
        """Reads them all. Raises `RuntimeFault` (final) when one is not there, or is for something
        else; where they are not `needed`, since there are copies, such a one is what it was when it
        was read last, or left out."""
        found = {}
        for source in self._allowed(settings):
            try:
                secret = await self._client.get(SECRET, source.namespace, source.name)
                if secret is None:
                    raise RuntimeFault(missing(source), final=True)
                if secret.type not in TYPES:
                    raise RuntimeFault(_no_pull_secret(source), final=True)
            except MoorageError as error:
                if needed:
                    raise
                _log.info("a pull secret cannot be read", secret=source.name, error=str(error))
                if (secret := self._sources.get(source)) is None:
                    continue
            self._sources[source] = found[source] = secret
        return found

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for source, before in list(self._sources.items()):
                if source.namespace not in self._namespaces():
                    del self._sources[source]
                    continue
                try:
                    now = await self._client.get(SECRET, source.namespace, source.name)
                except MoorageError as error:
                    _log.info("a pull secret cannot be read", secret=source.name, error=str(error))
                    continue
                if now is None or now.type not in TYPES:
                    continue  # its copies stay as they are: what runs goes on
                self._sources[source] = now
                if before is None or _content(now) != _content(before):
                    self._changed()


def _content(secret: Secret) -> object:
    return secret.type, secret.data


def missing(source: PullSecret) -> Cause:
    return Cause(
        code="pull-secret-missing",
        message=f"The image pull secret {source.namespace}/{source.name} is not in the cluster.",
        hint="Make it, or correct image_pull_secrets in the agent's settings.",
    )


def _no_pull_secret(source: PullSecret) -> Cause:
    return Cause(
        code="pull-secret-type",
        message=f"The Secret {source.namespace}/{source.name} is not one to pull images with.",
        hint=f"Only Secrets of the types {' and '.join(TYPES)} are copied into workspaces: make one by "
        "`kubectl create secret docker-registry`, or correct image_pull_secrets in the agent's settings.",
    )
