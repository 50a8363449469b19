"""From `AgentConfiguration` to text: all settings with their values, as YAML; and those of them
that a runtime leaves aside. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from moorage.workspace_settings.model import AgentConfiguration, RemoteDevelopment

_ON_DOCKER = frozenset(
    {
        "enabled",
        "dns_zone",
        "default_resources_per_workspace_container",
        "max_resources_per_workspace",
        "workspaces_quota",
        "workspaces_per_user_quota",
        "labels",
        "max_active_hours_before_stop",
        "max_stopped_hours_before_termination",
        "ca_bundle",
        "proxy",
    }
)
"""Settings that hold on a Docker or Podman engine, too."""


def complete(settings: AgentConfiguration) -> str:
    """YAML with every setting, the defaults among them. `reading.parse` gives the same settings
    again."""
    values = {section: value for section, value in _plain(settings).items() if value is not None}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1000)


def left_aside(settings: AgentConfiguration) -> list[str]:
    """Names of what is set and has no effect anywhere: it is read since files from GitLab hold
    it."""
    sections = [
        field.name for field in msgspec.structs.fields(AgentConfiguration) if field.default is None
    ]
    found = [name for name in sections if getattr(settings, name) is not None]
    theirs = settings.remote_development.gitlab_workspaces_proxy
    plain = type(theirs)()
    ways = [
        name
        for name in ("http_enabled", "ssh_enabled")
        if getattr(theirs, name) != getattr(plain, name)
    ]
    return [*found, *(f"gitlab_workspaces_proxy.{name}" for name in ways)]


def sooner_ended(before: RemoteDevelopment, after: RemoteDevelopment) -> list[str]:
    """In words, what settings end by themselves which the settings before left alone, or ended
    later."""
    ends = (
        ("max_active_hours_before_stop", "workspaces that run are stopped"),
        (
            "max_stopped_hours_before_termination",
            "stopped workspaces are deleted, with their files,",
        ),
    )
    words = []
    for name, what in ends:
        earlier, now = getattr(before, name), getattr(after, name)
        if now and (not earlier or now < earlier):
            words.append(
                f"from this version on, {what} after {_hours(now)} (before: {_hours(earlier)}); "
                f"{name}: 0 means never"
            )
    return words


def _hours(count: int) -> str:
    days = f" ({count / 24:g} days)" if count >= 48 and count % 24 == 0 else ""
    return f"{count} hours{days}" if count else "never"


def without_effect(settings: RemoteDevelopment, runtime: str) -> list[str]:
    """Names of what is set but has no effect there; `runtime` as agents say it in their `Hello`."""
    if runtime not in ("docker", "podman"):
        return []
    plain = RemoteDevelopment()
    return [
        field.name
        for field in msgspec.structs.fields(RemoteDevelopment)
        if field.name not in _ON_DOCKER
        and getattr(settings, field.name) != getattr(plain, field.name)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        return {field.encode_name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
