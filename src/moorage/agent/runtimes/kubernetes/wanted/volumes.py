"""The volumes of a workspace: claims for what persists, those of the pod, and where its containers
have them. Pure."""

from __future__ import annotations

from typing import Any

from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.names import part_name
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.agent.runtimes.trust import CA_FOLDER
from moorage.contract import Container
from moorage.contract.spec import PROJECTS_ROOT, TOOLS_ROOT
from moorage.kernel import quantities

TOOLS_SIZE, TRUST_SIZE = 4 << 30, 64 << 20
"""Bytes of the copied tree, while an older one is replaced, and of the joined CAs. Only Moorage's
own containers write there."""


def claims(plan: Plan) -> list[Object]:
    """The claim of the workspace's own volume, for projects and home, and those of the devfile's
    that persist."""
    made = [_claim(plan, plan.name, plan.settings.storage.size)]
    for volume in plan.spec.volumes:
        if not volume.ephemeral:
            size = quantities.size(volume.size) if volume.size else plan.settings.storage.size
            made.append(_claim(plan, part_name(plan.name, volume.name), size))
    return made


def _claim(plan: Plan, name: str, size: str) -> Object:
    storage = plan.settings.storage
    spec: Object = {
        "accessModes": [storage.access_mode],
        "resources": {"requests": {"storage": size}},
    }
    if storage.class_:
        spec["storageClassName"] = storage.class_
    return resources.VOLUME_CLAIM.new(plan.metadata(name), spec=spec)


def volume_name(volume: str) -> str:
    """The pod's name of a devfile's volume."""
    return part_name("volume", volume)


def of_pod(plan: Plan) -> list[dict[str, Any]]:
    """`volumes` of the pod."""
    volumes: list[dict[str, Any]] = [
        {"name": "projects", "persistentVolumeClaim": {"claimName": plan.name}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {
            "name": "clone",
            "emptyDir": {"sizeLimit": quantities.size(ephemeral_sizes(plan)["moorage/clone"])},
        },
        {
            "name": "tools",
            **(
                {"image": {"reference": plan.tools_image, "pullPolicy": "IfNotPresent"}}
                if plan.mounts_tools
                else {"emptyDir": {"sizeLimit": quantities.size(TOOLS_SIZE)}}
            ),
        },
    ]
    if plan.settings.ca_bundle:
        volumes.append({"name": "trust", "emptyDir": {"sizeLimit": quantities.size(TRUST_SIZE)}})
        volumes.append({"name": "extra-ca", "secret": {"secretName": names.bundle_name(plan.name)}})
    for volume in plan.spec.volumes:
        source: dict[str, Any] = {
            "persistentVolumeClaim": {"claimName": part_name(plan.name, volume.name)}
        }
        if volume.ephemeral:
            size = ephemeral_sizes(plan)[volume.name]
            source = {"emptyDir": {"sizeLimit": quantities.size(size)} if size else {}}
        volumes.append({"name": volume_name(volume.name), **source})
    return volumes


def mounts(plan: Plan, container: Container, *, is_main: bool) -> list[dict[str, Any]]:
    """`volumeMounts` of a devfile's container."""
    tools: dict[str, Any] = {"name": "tools", "mountPath": TOOLS_ROOT, "readOnly": True}
    if plan.mounts_tools:
        tools["subPath"] = TOOLS_ROOT.lstrip("/")
    mounts = [tools]
    roots = {container.source_mapping} if container.mount_sources else set()
    if is_main:
        roots.add(PROJECTS_ROOT)
    mounts += [{"name": "projects", "mountPath": root} for root in sorted(roots)]
    mounts += trust_mount(plan)
    mounts += [
        {"name": volume_name(mount.volume), "mountPath": mount.path}
        for mount in container.volume_mounts
    ]
    return mounts


def trust_mount(plan: Plan) -> list[dict[str, Any]]:
    """The mount of the joined CAs, if there are extra ones."""
    return (
        [{"name": "trust", "mountPath": CA_FOLDER, "readOnly": True}]
        if plan.settings.ca_bundle
        else []
    )


def ephemeral_sizes(plan: Plan) -> dict[str, int]:
    """The bytes of the volumes on the node's own disk, by name; 0: no limit."""
    # What is cloned there moves to the workspace's volume, which holds no more.
    ours = {"moorage/clone": int(quantities.parse(plan.settings.storage.size))}
    if not plan.mounts_tools:
        ours["moorage/tools"] = TOOLS_SIZE
    if plan.settings.ca_bundle:
        ours["moorage/trust"] = TRUST_SIZE
    return ours | {
        volume.name: volume.size or plan.ephemeral_limit
        for volume in plan.spec.volumes
        if volume.ephemeral
    }
