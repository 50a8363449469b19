"""Decides by which plan a workspace is made. Pure.

A run that goes on keeps what it was started with; a new one takes what is set.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import msgspec

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.bounds import Bounds, excess
from moorage.agent.runtimes.kubernetes.api.model import (
    ClusterObject,
    Deployment,
    Secret,
    VolumeClaim,
)
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.kubernetes.observed import states
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.names import SANDBOX
from moorage.agent.runtimes.kubernetes.wanted.plan import (
    MEMORY_LIMIT,
    LeftOut,
    Plan,
    PullSecretContent,
)
from moorage.agent.runtimes.kubernetes.wanted.trust import EXTRA_FILE
from moorage.agent.runtimes.port import Identity, Rescue, digest_of
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.agent.settings import AgentSettings
from moorage.contract import Cause, DesiredWorkspace
from moorage.workspace_settings import PullSecret, RemoteDevelopment, decode


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """All that the workspaces of an agent have in common."""

    identity: Identity
    options: AgentSettings
    settings: VersionedSettings
    """By which workspaces start from now on."""
    abilities: Abilities
    bounds: Bounds | None = None
    """The bounds of what a run may have kept. Its settings lie on its Deployment, which more people
    may edit than the agent's settings. None: there are none, as for those whose agent has a file of
    its own."""

    def accepts(self, kept: RemoteDevelopment) -> bool:
        """Whether the settings that a run has kept are within the bounds.

        Pull secrets are no part of this: see `PullSecrets`.
        """
        if self.bounds is None or kept == self.settings.settings:
            return True
        try:
            return not excess(msgspec.structs.replace(kept, image_pull_secrets=()), self.bounds)
        # a range that is none: what is set was checked, but not what somebody wrote there
        except ValueError:
            return False


def plan_of(
    frame: Frame,
    desired: DesiredWorkspace,
    deployment: Deployment | None,
    found: Sequence[ClusterObject],
    *,
    run: str,
    rescue: Rescue | None = None,
    left_out: Mapping[str, LeftOut] | None = None,
) -> Plan:
    """The plan by which a workspace is made.

    `deployment`: of a run that goes on; its settings and its tools are kept. `found`: all objects
    that there are. `run`: see `names.RUN`. `rescue`: what `desired` stands for, where it is not the
    workspace's own environment. `left_out`: the side containers that a new run goes without.
    """
    options, abilities, tools = frame.options, frame.abilities, frame.options.tools_image
    settings, version = frame.settings.settings, frame.settings.version
    if deployment is not None:
        kept = _kept(frame, desired.name, deployment, found)
        if kept is not None and frame.accepts(kept):
            settings = kept
            version = states.number(
                states.annotations_of(deployment).get(ownership.SETTINGS_VERSION)
            )
        tools, mounted = _tools_of(deployment, tools)
        abilities = msgspec.structs.replace(abilities, image_volumes=mounted)
    return Plan(
        workspace=desired,
        identity=frame.identity,
        namespace=_namespace_of_claim(found) or names.namespace_of(desired.name, settings),
        settings=settings,
        settings_version=version,
        abilities=abilities,
        tools_image=tools,
        gateway_namespace=options.gateway_namespace,
        clone_memory_limit=options.clone_memory_limit,
        default_memory_limit=MEMORY_LIMIT
        if options.default_memory_limit < 0
        else options.default_memory_limit,
        ephemeral_limit=options.ephemeral_limit,
        stop_timeout=options.stop_timeout,
        run=run,
        rescue=rescue,
        left_out=states.left_out_of(deployment) if deployment is not None else left_out or {},
    )


def with_sources(
    plan: Plan, found: Sequence[ClusterObject], sources: Mapping[PullSecret, Secret]
) -> Plan:
    """The plan with the content of its image pull secrets.

    `sources`: those that are known now. Of the others, the copies count as they are; one that is
    not there differs from whatever it should be.
    """
    copies = {item.name: item for item in found if isinstance(item, Secret)}
    contents = []
    for source in names.pull_secrets(plan.settings):
        secret = sources.get(source) or copies.get(plan.pull_secret_name(source), Secret())
        contents.append(PullSecretContent(source, secret.type, secret.data))
    return msgspec.structs.replace(plan, pull_secrets=tuple(contents))


def without_lacking(plan: Plan) -> tuple[Plan, PullSecret | None]:
    """The plan without the pull secrets of which there is neither source nor copy, so that nothing
    empty is written; and the first of these."""
    lacking = [
        content
        for content in plan.pull_secrets
        if not content.data and content.source.namespace != plan.namespace
    ]
    if not lacking:
        return plan, None
    rest = tuple(content for content in plan.pull_secrets if content not in lacking)
    return msgspec.structs.replace(plan, pull_secrets=rest), lacking[0].source


def impossible(plan: Plan) -> Cause | None:
    """The reason why this cluster cannot do what the settings ask for; None: it can."""
    if plan.settings.use_kubernetes_user_namespaces and not plan.abilities.user_namespaces:
        return Cause(
            code="user-namespaces-unavailable",
            message="The agent's settings want user namespaces, which this cluster's API server or nodes do not have.",
            hint="Set use_kubernetes_user_namespaces to false, or upgrade Kubernetes and the nodes' container runtime.",
        )
    if plan.settings.editor_tree == "image" and not plan.abilities.image_volumes_accepted:
        return Cause(
            code="image-volumes-unavailable",
            message="The agent's settings want the tools as an image volume, which this cluster's API server or nodes cannot mount.",
            hint="Set editor_tree to auto or copy.",
        )
    return None


def is_run_of(deployment: Deployment, desired: DesiredWorkspace) -> bool:
    annotations = states.annotations_of(deployment)
    return annotations.get(ownership.SPEC) == digest_of(desired.spec) and annotations.get(
        ownership.RESTARTS
    ) == str(desired.restarts)


def run_of(deployment: Deployment) -> str:
    """The life of the containers that a Deployment is for; see `names.RUN`."""
    return deployment.template.metadata.annotations.get(names.RUN, "")


def _kept(
    frame: Frame, name: str, deployment: Deployment, found: Sequence[ClusterObject]
) -> RemoteDevelopment | None:
    """The settings that a run was started with, whole. When nobody has the CA bundle of then any
    more, the newest one counts, so that there is one."""
    annotations = states.annotations_of(deployment)
    kept = decode(annotations.get(ownership.SETTINGS, ""))
    digest = annotations.get(names.CA_BUNDLE, "")
    if kept is None or not digest:
        return kept  # an agent of an earlier version kept the bundle there, too
    newest, there = frame.settings.settings.ca_bundle, _bundle_in(name, found)
    known = [bundle for bundle in (there, newest) if names.bundle_digest(bundle) == digest]
    return msgspec.structs.replace(kept, ca_bundle=known[0] if known else newest or there)


def _bundle_in(name: str, found: Sequence[ClusterObject]) -> str:
    """The CA bundle of a workspace's Secret; "" when there is none."""
    called = names.bundle_name(name)
    for item in found:
        if isinstance(item, Secret) and item.name == called:
            try:
                return base64.b64decode(item.data.get(EXTRA_FILE, "")).decode()
            except ValueError:
                return ""
    return ""


def _namespace_of_claim(found: Sequence[ClusterObject]) -> str:
    """The namespace of the workspace's volume: a setting that changed since moves nobody."""
    return next((item.namespace for item in found if isinstance(item, VolumeClaim)), "")


def _tools_of(deployment: Deployment, default: str) -> tuple[str, bool]:
    """The tools image that a run was made with, and whether it is mounted."""
    spec = deployment.template.spec
    image = next(
        (container.image for container in spec.containers if container.name == SANDBOX), default
    )
    mounted = any(volume.name == "tools" and volume.image is not None for volume in spec.volumes)
    return image, mounted
