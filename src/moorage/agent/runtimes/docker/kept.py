"""What a start keeps of the run that is there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.docker.observe import labels_of, role_of, state_of
from moorage.agent.runtimes.port import digest_of
from moorage.agent.runtimes.projects import STAGE
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.contract import ContainerState, DesiredWorkspace
from moorage.workspace_settings import decode


def may_stay(inspected: Mapping[str, Any], desired: DesiredWorkspace) -> bool:
    """Whether a container was made for this very run, and may run (on)."""
    labels = labels_of(inspected)
    return (
        not _clones_in_reach(inspected)
        and labels.get(ownership.SPEC) == digest_of(desired.spec)
        and labels.get(ownership.RESTARTS) == str(desired.restarts)
        and inspected["State"].get("Status") not in ("dead", "removing")
    )


def _clones_in_reach(inspected: Mapping[str, Any]) -> bool:
    """Whether it is a sandbox that, started again, would clone where the other containers can reach
    it: an agent of an earlier version made it."""
    if role_of(inspected) != "sandbox" or state_of(inspected) is ContainerState.RUNNING:
        return False
    return not any(mount.get("Destination") == STAGE for mount in inspected.get("Mounts") or ())


def kept_settings(existing: Mapping[str, Any]) -> VersionedSettings | None:
    """The settings that the containers of a run were made by; None: there are none, or they do not
    say it."""
    for inspected in existing.values():
        labels = labels_of(inspected)
        settings, version = (
            decode(labels.get(ownership.SETTINGS, "")),
            labels.get(ownership.SETTINGS_VERSION, ""),
        )
        if settings is not None:
            return VersionedSettings(settings, int(version) if version.isdigit() else 0)
    return None
