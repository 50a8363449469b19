"""A workspace that is to run, on this cluster, under these settings: what its objects are made
from. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.port import Identity, Rescue
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause, DesiredWorkspace, WorkspaceSpec
from moorage.workspace_settings import PullSecret, RemoteDevelopment

MEMORY_LIMIT = 4 << 30
"""Bytes of a container that nobody thought of: enough for an editor with its language servers, and
less than a node has."""


class PullSecretContent(msgspec.Struct, frozen=True):
    """The content of an image pull secret, to be copied to where the workspace is."""

    source: PullSecret
    type: str = "Opaque"
    data: Mapping[str, str] = {}
    """In base64; empty: it is not known."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A side container that a run goes without, as the cluster or the agent's settings do not allow
    it."""

    image: str
    cause: Cause


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace that is to run, on this cluster, under these settings."""

    workspace: DesiredWorkspace
    identity: Identity
    namespace: str
    settings: RemoteDevelopment = RemoteDevelopment()
    settings_version: int = 0
    abilities: Abilities = Abilities()
    tools_image: str = "moorage/tools:latest"
    gateway_namespace: str = "moorage"
    """The namespace of the gateway's pods, unless the settings name one."""
    clone_memory_limit: int = 1 << 30
    """Bytes of the container that clones."""
    default_memory_limit: int = MEMORY_LIMIT
    """Bytes of a container for which neither the devfile nor the settings set a limit; 0: none."""
    ephemeral_limit: int = AgentSettings().ephemeral_limit
    """Bytes that a container may write outside of its volumes, and to an ephemeral volume without a
    size; 0: no limit."""
    stop_timeout: int = 5
    """Seconds between SIGTERM and SIGKILL."""
    run: str = ""
    """Names one life of the containers; see `names.RUN`."""
    rescue: Rescue | None = None
    """What the run is to be repaired from, if it is that."""
    pull_secrets: tuple[PullSecretContent, ...] = ()
    """The content of those that `settings.image_pull_secrets` names."""

    @property
    def name(self) -> str:
        return self.workspace.name

    left_out: Mapping[str, LeftOut] = {}
    """Side containers that are not made, by name."""

    @property
    def spec(self) -> WorkspaceSpec:
        """The part of the workspace's that is made."""
        whole = self.workspace.spec
        if not self.left_out:
            return whole
        made = tuple(each for each in whole.containers if each.name not in self.left_out)
        return msgspec.structs.replace(whole, containers=made)

    @property
    def has_own_namespace(self) -> bool:
        """Whether the namespace is the workspace's alone. The volume decides which one it is,
        before any setting: see `apply.planning`."""
        return self.namespace == self.name

    @property
    def mounts_tools(self) -> bool:
        """Whether the tools come from an image volume, rather than by copying."""
        if self.settings.editor_tree == "auto":
            return self.abilities.image_volumes
        return self.settings.editor_tree == "image"

    def metadata(self, name: str, annotations: dict[str, str] | None = None) -> Object:
        """The metadata of an object in the workspace's namespace."""
        table: Object = {
            "name": name,
            "namespace": self.namespace,
            "labels": self.settings.labels | ownership.labels_for(self.identity, self.name),
        }
        if given := dict(self.settings.annotations) | (annotations or {}):
            table["annotations"] = given
        return table

    def pull_secret_name(self, source: PullSecret) -> str:
        """The name of a pull secret's copy in the workspace's namespace.

        In a namespace that it shares, a copy is its own: another workspace has one too, and what is
        there under that name already is somebody else's. Of several that have one name, in
        namespaces of their own, each copy has another.
        """
        if source.namespace == self.namespace:
            return source.name
        name = source.name
        if any(
            other.name == name and other != source for other in self.settings.image_pull_secrets
        ):
            name = names.part_name(name, hashlib.sha256(source.namespace.encode()).hexdigest()[:8])
        return name if self.has_own_namespace else names.part_name(self.name, f"pull-{name}")
