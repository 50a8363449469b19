"""Puts the runtime together from the agent's settings."""

from __future__ import annotations

from pathlib import Path

import msgspec

from moorage import agent_settings as settings
from moorage.agent.runtimes.kubernetes import access
from moorage.agent.runtimes.kubernetes.runtime import KubernetesRuntime
from moorage.agent.settings import AgentSettings
from moorage.kernel.clock import Clock
from moorage.kernel.errors import Misconfigured


def runtime(chosen: AgentSettings, clock: Clock) -> KubernetesRuntime:
    """Raises `Misconfigured` when the cluster's access is not usable, `InvalidInput` when the workspaces' settings are not."""
    return KubernetesRuntime(
        access.find(chosen.kubeconfig, chosen.kubernetes_context),
        chosen,
        workspace_settings(chosen),
        clock,
    )


def workspace_settings(chosen: AgentSettings) -> settings.RemoteDevelopment:
    """The file `workspace_settings`; what it leaves out of proxies and CA bundle is `[agent]`'s own."""
    found = settings.RemoteDevelopment()
    if chosen.workspace_settings:
        file = Path(chosen.workspace_settings)
        found = settings.parse(_text(file, "workspace_settings"), str(file)).remote_development
    if chosen.ca_bundle and not found.ca_bundle:
        found = msgspec.structs.replace(found, ca_bundle=_text(Path(chosen.ca_bundle), "ca_bundle"))
    if found.proxy == settings.Proxy():
        proxy = settings.Proxy(http=chosen.http_proxy, https=chosen.https_proxy, no_proxy=chosen.no_proxy)
        found = msgspec.structs.replace(found, proxy=proxy)
    return found


def _text(file: Path, setting: str) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise Misconfigured(
            f"The file {file} cannot be read: {error.strerror}.",
            code="settings-unreadable",
            hint=f"Correct {setting} under [agent].",
        ) from error
