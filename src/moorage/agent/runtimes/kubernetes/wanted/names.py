"""Names of the objects and containers of a workspace, and annotations of a cluster alone. Pure.

Labels and annotations of all runtimes are in `runtimes.ownership`.
"""

from __future__ import annotations

import hashlib

from moorage.agent.runtimes.ownership import (
    AGENT,
    INSTALLATION,
    MANAGED_BY,
    PREFIX,
    WORKSPACE,
    labels_for,
)
from moorage.agent.runtimes.port import Identity
from moorage.workspace_settings import PullSecret, RemoteDevelopment

OWN_LABELS = (MANAGED_BY, INSTALLATION, AGENT, WORKSPACE)
"""The labels that tell whose an object is; see `ownership`."""
CA_BUNDLE = f"{PREFIX}ca-bundle"
"""The digest of the settings' CA bundle, which lies in a Secret: annotations of an object may have
256 KiB in all."""
MAIN = f"{PREFIX}main"
HALTED = f"{PREFIX}halted"
LEFT_OUT = f"{PREFIX}left-out"
"""Side containers that a run goes without, and why; absent where there are none."""
RUN = f"{PREFIX}run"
"""On the pod template: when this run was asked for, in seconds since the epoch. It names one life
of the containers: another value makes new ones."""
TEMPLATE = f"{PREFIX}template"
"""The digest of the pod template as it was applied. An agent of another version, which would write
it otherwise, sees from it that nothing is wrong: a run keeps its template until it is restarted."""

SANDBOX = "moorage-sandbox"
"""The name of the container that clones."""
TOOLS_STEP = "moorage-tools"
"""The name of the init container that brings the first of the tools where images cannot be mounted.
"""
CLONE_STEP = "moorage-clone"
"""The name of the init container that clones, when the devfile has preStart steps: these may work
on the projects."""
NAME_LIMIT = 63
"""Characters of an object's name."""


def namespace_of(name: str, settings: RemoteDevelopment) -> str:
    """The namespace that a workspace gets: the shared one, or one of its own, which has its
    name."""
    return settings.shared_namespace or name


def selector(identity: Identity) -> str:
    """The label selector of all that this agent may touch."""
    return ",".join(f"{label}={value}" for label, value in labels_for(identity).items())


def part_name(name: str, part: str) -> str:
    """`<name>-<part>`, shortened with a digest where that is too long for an object's name."""
    whole = f"{name}-{part.lower()}"
    if len(whole) <= NAME_LIMIT:
        return whole
    return f"{whole[: NAME_LIMIT - 9]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def pull_secrets(settings: RemoteDevelopment) -> tuple[PullSecret, ...]:
    """The image pull secrets that the settings name, each once."""
    return tuple(dict.fromkeys(settings.image_pull_secrets))


def record_name(workspace: str) -> str:
    return part_name(workspace, "record")


def bundle_name(workspace: str) -> str:
    """The name of the Secret with the CA bundle."""
    return part_name(workspace, "extra-ca")


def bundle_digest(bundle: str) -> str:
    return hashlib.sha256(bundle.encode()).hexdigest() if bundle else ""
