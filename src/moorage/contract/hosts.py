"""Host names that users see: `<port>-<workspace>.<zone>`; the gateway's own host is the zone
itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

ONE_MACHINE_ZONE = "moorage.localhost"
"""The zone of one machine. Browsers find what lies below `localhost` on the machine itself, and
take two names directly below it for two sites, so that one port of a workspace could not call
another; what lies below `moorage.localhost` is one site to them."""
LOCALHOST = "localhost"
"""The zone of one machine in earlier versions."""

_LABEL = re.compile(r"(?P<port>[1-9][0-9]{0,4})-(?P<workspace>workspace-[0-9]+-[0-9]+-[0-9a-z]{6})")
_NAME = re.compile(r"workspace-[0-9]{1,19}-(?P<owner>[0-9]{1,19})-[0-9a-z]{6}")


@dataclass(frozen=True)
class WorkspaceHost:
    workspace: str
    port: int


def host_of(workspace: str, port: int | str, zone: str) -> str:
    return f"{port}-{workspace}.{zone}"


PORT = "{port}"
"""Stands for a port's number in a `port_pattern`."""


def port_pattern(zone_url: str, workspace: str) -> str:
    """URL of any port of a workspace, such as
    `https://{port}-workspace-1-2-abc123.dev.example.com/`.

    `zone_url`: the origin of the zone's own host.
    """
    scheme, _, zone = zone_url.partition("://")
    return f"{scheme}://{host_of(workspace, PORT, zone)}/"


def port_url(pattern: str, port: int, path: str = "/") -> str:
    """URL of one port, by its `port_pattern`."""
    return pattern.replace(PORT, str(port)).rstrip("/") + path


def parse_host(host: str, zone: str) -> WorkspaceHost | None:
    """What a `Host` header names: None when it is no workspace's host in this zone. A `:port` at
    its end is ignored."""
    name = host.lower().rsplit(":", 1)[0].rstrip(".")
    if not name.endswith(f".{zone}"):
        return None
    match = _LABEL.fullmatch(name[: -len(zone) - 1])
    if match is None or int(match["port"]) > 65535:
        return None
    return WorkspaceHost(workspace=match["workspace"], port=int(match["port"]))


def is_name(workspace: str) -> bool:
    """Whether it is a workspace's name, of whatever agent."""
    return _NAME.fullmatch(workspace) is not None


def is_workspace_name(name: str, agent_id: int) -> bool:
    """Whether a server gives that name to a workspace of this agent."""
    return re.fullmatch(rf"workspace-{agent_id}-[0-9]{{1,19}}-[0-9a-z]{{6}}", name) is not None


def workspace_name(agent_id: int, user_id: int, suffix: str) -> str:
    return f"workspace-{agent_id}-{user_id}-{suffix}"


def owner_of(workspace: str) -> int | None:
    """The user's id that `workspace_name` was given; None for what is no such name."""
    match = _NAME.fullmatch(workspace)
    return int(match["owner"]) if match is not None else None
