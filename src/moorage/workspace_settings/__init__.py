"""A platform team's settings for the workspaces of one agent, in the format of
`.gitlab/agents/<name>/config.yaml`.

The server stores and checks it, and acts on quotas and hours; the agent makes workspaces by it. A
workspace keeps the settings that it was started with (`encode` puts them beside it, `decode` reads
them back) until it is restarted.

Must not: do I/O, or know what becomes of a setting.
"""

from moorage.workspace_settings.model import (
    AgentConfiguration,
    Amounts,
    EgressRule,
    Gateway,
    NetworkPolicySettings,
    Proxy,
    PullSecret,
    RemoteDevelopment,
    ResourceSettings,
    Storage,
    Toleration,
)
from moorage.workspace_settings.reading import decode, encode, parse
from moorage.workspace_settings.writing import complete, left_aside, sooner_ended, without_effect

__all__ = [
    "AgentConfiguration",
    "Amounts",
    "EgressRule",
    "Gateway",
    "NetworkPolicySettings",
    "Proxy",
    "PullSecret",
    "RemoteDevelopment",
    "ResourceSettings",
    "Storage",
    "Toleration",
    "complete",
    "decode",
    "encode",
    "left_aside",
    "parse",
    "sooner_ended",
    "without_effect",
]
