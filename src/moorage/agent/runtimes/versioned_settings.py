"""The settings by which workspaces are made, with their version.

Pure but for reading the agent's own files.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from moorage.agent.settings import AgentSettings
from moorage.kernel.errors import Misconfigured
from moorage.workspace_settings import Proxy, RemoteDevelopment


class VersionedSettings(msgspec.Struct, frozen=True):
    """Settings of workspaces, and the version as which the server knows them."""

    settings: RemoteDevelopment = RemoteDevelopment()
    version: int = 0
    """0: the defaults, or the agent's own before the server has given them a version."""


def completed(settings: RemoteDevelopment, own: AgentSettings) -> RemoteDevelopment:
    """The settings, with the agent's own proxies, CA bundle and shared namespace where they name
    none.

    Raises `Misconfigured` when the agent's CA bundle cannot be read.
    """
    if own.ca_bundle and not settings.ca_bundle:
        settings = msgspec.structs.replace(settings, ca_bundle=text_of(own.ca_bundle, "ca_bundle"))
    proxy = Proxy(http=own.http_proxy, https=own.https_proxy, no_proxy=own.no_proxy)
    if settings.proxy == Proxy() != proxy:
        settings = msgspec.structs.replace(settings, proxy=proxy)
    if own.only_namespace and not settings.shared_namespace:
        settings = msgspec.structs.replace(settings, shared_namespace=own.only_namespace)
    return settings


def text_of(file: str, setting: str) -> str:
    """The text of a file that a setting names. Raises `Misconfigured`, which names the setting."""
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Misconfigured(
            f"The file {file} cannot be read: {reason}.",
            code="settings-unreadable",
            hint=f"Correct {setting} under [agent].",
        ) from error
