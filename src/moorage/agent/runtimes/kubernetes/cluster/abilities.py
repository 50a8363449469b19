"""The abilities of a cluster, by its own word and not by its version. Pure.

An API server drops what it does not know or has switched off, or refuses it. So one object with
everything that the agent might use is created as a dry run, and what comes back tells. Nodes say
what their kubelet and their container runtime are; what a kubelet has switched on, it does not say,
so that there its version decides.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

from moorage.agent.runtimes.kubernetes.api.model import Deployment, Node, TemplateSpec
from moorage.agent.runtimes.kubernetes.api.resources import Object

IMAGE_VOLUME_KUBELET = (1, 35)
"""The version from which a kubelet mounts images unasked: before, the gate `ImageVolume` is off
(and has no subPath before 1.33). An older kubelet under a newer API server leaves such a pod
waiting."""


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are the least that any supported cluster (1.20 and later) has."""

    version: str = ""
    """For people only."""
    image_volumes: bool = False
    """A container image is mounted read-only as a volume, on every node, as it comes."""
    image_volumes_accepted: bool = False
    """The same, if every kubelet has its feature gate `ImageVolume` on."""
    user_namespaces: bool = False
    """`hostUsers: false` is kept, and a node's container runtime can do it."""
    sidecars: bool = False
    """Init containers that go on running (`restartPolicy: Always`)."""
    assigns_user: bool = False
    """The cluster gives each namespace its own range of user ids (OpenShift)."""


def probe(namespace: str, *, image_volume: bool = True) -> Object:
    """A Deployment with everything; only ever created as a dry run. Some servers know image volumes
    but refuse them: then `image_volume` False tells about the rest."""
    volume: Object = {"image": {"reference": "none"}} if image_volume else {"emptyDir": {}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "moorage-abilities", "namespace": namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "moorage-abilities"}},
            "template": {
                "metadata": {"labels": {"app": "moorage-abilities"}},
                "spec": {
                    "hostUsers": False,
                    "initContainers": [
                        {"name": "init", "image": "none", "restartPolicy": "Always"}
                    ],
                    "containers": [
                        {
                            "name": "main",
                            "image": "none",
                            "volumeMounts": [
                                {
                                    "name": "image",
                                    "mountPath": "/image",
                                    "readOnly": True,
                                    "subPath": "opt",
                                }
                            ],
                        }
                    ],
                    "volumes": [{"name": "image", **volume}],
                },
            },
        },
    }


def read(
    version: str, answer: Deployment | None, nodes: Sequence[Node], groups: Collection[str]
) -> Abilities:
    """`answer`: what the dry run of `probe` gave back; None when it was refused. `groups`: names of
    API groups."""
    template = answer.template.spec if answer is not None else TemplateSpec()
    accepted = (
        any(volume.image is not None for volume in template.volumes)
        and bool(nodes)
        and all(_mounts_images(node) for node in nodes)
    )
    return Abilities(
        version=version,
        image_volumes=accepted and all(_kubelet(node) >= IMAGE_VOLUME_KUBELET for node in nodes),
        image_volumes_accepted=accepted,
        user_namespaces=template.host_users is False and any(_maps_users(node) for node in nodes),
        sidecars=any(
            container.restart_policy == "Always" for container in template.init_containers
        ),
        assigns_user="security.openshift.io" in groups,
    )


def _mounts_images(node: Node) -> bool:
    """Whether a node's container runtime can mount an image: containerd since 2.1, CRI-O since
    1.31."""
    runtime = node.status.node_info.container_runtime_version
    found = re.fullmatch(r"(containerd|cri-o)://v?(\d+)\.(\d+)\b.*", runtime)
    if found is None:
        return False
    least = {"containerd": (2, 1), "cri-o": (1, 31)}[found[1]]
    return (int(found[2]), int(found[3])) >= least


def _kubelet(node: Node) -> tuple[int, int]:
    """Its version; (0, 0) when it does not say."""
    found = re.match(r"v?(\d+)\.(\d+)\b", node.status.node_info.kubelet_version)
    return (int(found[1]), int(found[2])) if found is not None else (0, 0)


def _maps_users(node: Node) -> bool:
    features = (handler.features for handler in node.status.runtime_handlers)
    return any(known is not None and known.user_namespaces for known in features)
