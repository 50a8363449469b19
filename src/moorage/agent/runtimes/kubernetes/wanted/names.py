"""What objects are made from, and how they are called and labelled."""

from __future__ import annotations

import hashlib

import msgspec

from moorage.agent.runtimes.kubernetes.api.resources import Kind, Object
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.port import Identity, digest_of
from moorage.agent.settings import AgentSettings
from moorage.contract import DesiredWorkspace, WorkspaceSpec
from moorage.workspace_settings import PullSecret, RemoteDevelopment

MANAGED_BY = "app.kubernetes.io/managed-by"
WORKSPACE = "moorage.dev/workspace"
AGENT = "moorage.dev/agent"
INSTALLATION = "moorage.dev/installation"
OWN_LABELS = (MANAGED_BY, INSTALLATION, AGENT, WORKSPACE)
"""What tells whose an object is: see `labels`."""
OWNER = "moorage.dev/owner"
GENERATION = "moorage.dev/generation"
SPEC = "moorage.dev/spec"
RESTARTS = "moorage.dev/restarts"
SETTINGS = "moorage.dev/settings"
CA_BUNDLE = "moorage.dev/ca-bundle"
"""Digest of the settings' CA bundle, which lies in a Secret: annotations of an object may have 256 KiB in all."""
SETTINGS_VERSION = "moorage.dev/settings-version"
MAIN = "moorage.dev/main"
HALTED = "moorage.dev/halted"
RUN = "moorage.dev/run"
"""Of the pod template: seconds since the epoch at which this run was asked for. Another value makes new containers."""
RECORD = "moorage.dev/record"
"""On the Secret that keeps the server's newest word about a workspace."""
TEMPLATE = "moorage.dev/template"
"""Digest of the pod template as it was applied. An agent of another version, which would write it otherwise, sees from it
that nothing is wrong: a run keeps its template until it is restarted."""

SANDBOX = "moorage-sandbox"
"""Name of the container that clones."""
TOOLS_STEP = "moorage-tools"
"""Name of the init container that brings the first of the tools where images cannot be mounted."""
CLONE_STEP = "moorage-clone"
"""Name of the init container that clones, when the devfile has preStart steps: these may work on the projects."""
NAME_LIMIT = 63
MEMORY_LIMIT = 4 << 30
"""What a container gets at most that nobody thought of: enough for an editor with its language servers, and less than a node has."""


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
    """Where the gateway's pods are, unless the settings say so."""
    clone_memory_limit: int = 1 << 30
    """Bytes of the container that clones."""
    default_memory_limit: int = MEMORY_LIMIT
    """Bytes of a container for which neither the devfile nor the settings set a limit; 0: none."""
    ephemeral_limit: int = AgentSettings().ephemeral_limit
    """Bytes that a container may write outside of its volumes, and to an ephemeral volume without a size; 0: no limit."""
    stop_timeout: int = 5
    """Seconds between SIGTERM and SIGKILL."""
    run: str = ""
    """Names one life of the containers: another one makes new containers."""
    pull_secrets: tuple[Object, ...] = ()
    """The Secrets that `settings.image_pull_secrets` name, as they are in the cluster."""

    @property
    def name(self) -> str:
        return self.workspace.name

    @property
    def spec(self) -> WorkspaceSpec:
        return self.workspace.spec

    @property
    def has_own_namespace(self) -> bool:
        """Whether the namespace is the workspace's alone. Which one it is the volume decides, before any setting: see
        `planning.plan_of`."""
        return self.namespace == self.name

    @property
    def mounts_tools(self) -> bool:
        """Whether the tools come from an image volume, rather than by copying."""
        if self.settings.editor_tree == "auto":
            return self.abilities.image_volumes
        return self.settings.editor_tree == "image"


def namespace_of(name: str, settings: RemoteDevelopment) -> str:
    """The shared one, or one of the workspace's own, which has its name."""
    return settings.shared_namespace or name


def selector(identity: Identity) -> str:
    """The label selector of all that this agent may touch."""
    return f"{MANAGED_BY}=moorage,{INSTALLATION}={identity.installation},{AGENT}={identity.agent}"


def labels(name: str, identity: Identity) -> dict[str, str]:
    return {
        MANAGED_BY: "moorage",
        INSTALLATION: identity.installation,
        AGENT: str(identity.agent),
        WORKSPACE: name,
    }


def metadata(plan: Plan, name: str, annotations: dict[str, str] | None = None) -> Object:
    """Of an object in the workspace's namespace."""
    table: Object = {
        "name": name,
        "namespace": plan.namespace,
        "labels": plan.settings.labels | labels(plan.name, plan.identity),
    }
    if given := dict(plan.settings.annotations) | (annotations or {}):
        table["annotations"] = given
    return table


def item(kind: Kind, meta: Object, **rest: object) -> Object:
    return {"apiVersion": kind.api, "kind": kind.name, "metadata": meta, **rest}


def part_name(name: str, part: str) -> str:
    """`<name>-<part>`, shortened with a digest where that is too long for an object's name."""
    whole = f"{name}-{part.lower()}"
    if len(whole) <= NAME_LIMIT:
        return whole
    return f"{whole[: NAME_LIMIT - 9]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def pull_secrets(settings: RemoteDevelopment) -> tuple[PullSecret, ...]:
    """Each once."""
    return tuple(dict.fromkeys(settings.image_pull_secrets))


def pull_secret_name(plan: Plan, source: PullSecret) -> str:
    """Of a pull secret, where the workspace is. In a namespace that it shares, a copy is its own: another workspace has one
    too, and what is there under that name already is somebody else's. Of several that have one name, in namespaces of their
    own, each copy has another."""
    if source.namespace == plan.namespace:
        return source.name
    name = source.name
    if any(other.name == name and other != source for other in plan.settings.image_pull_secrets):
        name = part_name(name, hashlib.sha256(source.namespace.encode()).hexdigest()[:8])
    return name if plan.has_own_namespace else part_name(plan.name, f"pull-{name}")


def record_name(workspace: str) -> str:
    return part_name(workspace, "record")


def bundle_name(workspace: str) -> str:
    """Of the Secret with the CA bundle."""
    return part_name(workspace, "extra-ca")


def bundle_digest(bundle: str) -> str:
    return hashlib.sha256(bundle.encode()).hexdigest() if bundle else ""


def spec_digest(plan: Plan) -> str:
    return digest_of(plan.spec)
