"""How an agent's objects are marked in every engine, so that it touches no others. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.agent.runtimes.port import Identity

MANAGED_BY = "app.kubernetes.io/managed-by"
MOORAGE = "moorage"
PREFIX = "moorage.dev/"
INSTALLATION = f"{PREFIX}installation"
AGENT = f"{PREFIX}agent"
WORKSPACE = f"{PREFIX}workspace"

OWNER = f"{PREFIX}owner"
GENERATION = f"{PREFIX}generation"
RESTARTS = f"{PREFIX}restarts"
SPEC = f"{PREFIX}spec"
"""Digest of the spec that a run was made from."""
SETTINGS = f"{PREFIX}settings"
"""The settings that a run was made by, but for its CA bundle."""
SETTINGS_VERSION = f"{PREFIX}settings-version"
RESCUE = f"{PREFIX}rescue"
"""On a run that is there to repair the workspace from: what it is, and why."""
RECORD = f"{PREFIX}record"
"""On what keeps the server's newest word about a workspace."""


def labels_for(identity: Identity, workspace: str = "") -> dict[str, str]:
    """The labels of an agent's object, and of a workspace's."""
    own = {MANAGED_BY: MOORAGE, INSTALLATION: identity.installation, AGENT: str(identity.agent)}
    return {**own, WORKSPACE: workspace} if workspace else own


def is_ours(labels: Mapping[str, str], identity: Identity) -> bool:
    """Whether these are the labels of an object of that agent."""
    return all(labels.get(name) == value for name, value in labels_for(identity).items())
