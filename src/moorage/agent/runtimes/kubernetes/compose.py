"""Puts the runtime together from the agent's settings."""

from __future__ import annotations

from moorage.agent.runtimes.bounds import of_agent
from moorage.agent.runtimes.kubernetes import access
from moorage.agent.runtimes.kubernetes.runtime import KubernetesRuntime
from moorage.agent.runtimes.versioned_settings import completed
from moorage.agent.settings import AgentSettings
from moorage.kernel.clock import Clock
from moorage.workspace_settings import RemoteDevelopment


def runtime(chosen: AgentSettings, clock: Clock) -> KubernetesRuntime:
    """Raises `Misconfigured` when the cluster's access or a file of the agent's settings is not usable."""
    return KubernetesRuntime(
        access.find(chosen.kubeconfig, chosen.kubernetes_context),
        chosen,
        completed(RemoteDevelopment(), chosen),
        clock,
        of_agent(chosen, access.own_namespace()),
    )
