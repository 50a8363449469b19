"""The port's `Backend`: a Kubernetes cluster."""

from __future__ import annotations

from typing import Self

from moorage.agent.runtimes.bounds import Bounds, of_agent
from moorage.agent.runtimes.kubernetes.api.access import Access, own_namespace
from moorage.agent.runtimes.kubernetes.api.access import find as find_access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.faults import faults
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.apply.connection import Connection
from moorage.agent.runtimes.kubernetes.cluster import discovery
from moorage.agent.runtimes.kubernetes.runtime import KubernetesRuntime
from moorage.agent.runtimes.port import Identity, Listener, RuntimeInfo
from moorage.agent.runtimes.registries import Registries
from moorage.agent.runtimes.versioned_settings import VersionedSettings, completed
from moorage.agent.settings import AgentSettings
from moorage.kernel.clock import Clock
from moorage.workspace_settings import RemoteDevelopment


class KubernetesBackend:
    """`options`: what the agent was told about its own work; `settings`: about workspaces that
    start from now on (see `apply.planning` for those that run); `bounds`: what those that run may
    have kept."""

    caveat = ""
    """NetworkPolicies decide who reaches its workspaces."""

    def __init__(
        self,
        access: Access,
        options: AgentSettings,
        settings: RemoteDevelopment,
        clock: Clock,
        bounds: Bounds | None = None,
    ) -> None:
        self._registries = Registries(options.image_networks)
        rate = options.requests_per_second
        self.client = Client(access, TokenBucket(rate, max(1, int(rate * 2)), clock))
        self._settings = VersionedSettings(settings)
        self._options, self._clock, self._bounds = options, clock, bounds

    @classmethod
    def from_settings(cls, options: AgentSettings, clock: Clock) -> Self:
        """Raises `Misconfigured` when the cluster's access or a file of the agent's settings is not
        usable."""
        return cls(
            find_access(options.kubeconfig, options.kubernetes_context),
            options,
            completed(RemoteDevelopment(), options),
            clock,
            of_agent(options, own_namespace()),
        )

    def configure(self, settings: RemoteDevelopment, version: int) -> None:
        self._settings = VersionedSettings(settings, version)

    async def describe(self) -> RuntimeInfo:
        with faults("asking what the cluster is"):
            self.client.open()
            return await discovery.describe(self.client)

    def runtime_for(self, identity: Identity, listener: Listener) -> KubernetesRuntime:
        connection = Connection(
            self.client,
            options=self._options,
            settings=lambda: self._settings,
            bounds=self._bounds,
            clock=self._clock,
            identity=identity,
            listener=listener,
            registries=self._registries,
        )
        return KubernetesRuntime(connection)

    async def close(self) -> None:
        await self.client.close()
