from __future__ import annotations

import copy
from typing import Any

import pytest

from moorage.agent.runtimes.kubernetes.api.model import Deployment, Node
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, NODE
from moorage.agent.runtimes.kubernetes.cluster import abilities


def node(runtime: str, *, kubelet: str = "v1.35.0", maps_users: bool = False) -> Node:
    info = {"containerRuntimeVersion": runtime, "kubeletVersion": kubelet}
    status: dict[str, Any] = {"nodeInfo": info}
    if maps_users:
        status["runtimeHandlers"] = [{"name": "", "features": {"userNamespaces": True}}]
    return NODE.read({"metadata": {"name": "n"}, "status": status})


def answer(*, without: tuple[str, ...] = ()) -> Deployment:
    """What a server gives back that knows everything but `without`."""
    item = copy.deepcopy(abilities.probe("default"))
    spec = item["spec"]["template"]["spec"]
    if "image" in without:
        spec["volumes"] = [{"name": "image", "emptyDir": {}}]
    if "hostUsers" in without:
        del spec["hostUsers"]
    if "restartPolicy" in without:
        del spec["initContainers"][0]["restartPolicy"]
    return DEPLOYMENT.read(item)


def test_an_old_server_can_do_the_least() -> None:
    """A server that drops everything (1.20 does) is known to do nothing of it."""
    found = abilities.read(
        "v1.20.2",
        answer(without=("image", "hostUsers", "restartPolicy")),
        [node("containerd://1.6.20")],
        ["apps"],
    )
    assert found == abilities.Abilities(version="v1.20.2")


def test_a_new_cluster_can_do_everything() -> None:
    """A server that keeps every field, with nodes that can do it."""
    found = abilities.read(
        "", answer(), [node("containerd://2.1.4", maps_users=True)], ["security.openshift.io"]
    )
    assert found == abilities.Abilities(
        image_volumes=True,
        image_volumes_accepted=True,
        user_namespaces=True,
        sidecars=True,
        assigns_user=True,
    )


@pytest.mark.parametrize(
    ("runtimes", "can"),
    [
        (["containerd://2.1.0"], True),
        (["containerd://v2.2.1-rc.1"], True),
        (["cri-o://1.31.0"], True),
        (["containerd://1.7.28"], False),
        (["cri-o://1.30.9"], False),
        (["docker://20.10.24"], False),
        (["containerd://2.1.0", "containerd://1.7.0"], False),
        ([], False),
    ],
)
def test_images_are_mounted_where_every_node_can(runtimes: list[str], can: bool) -> None:
    """One node whose container runtime is too old rules image volumes out: a pod may land there."""
    found = abilities.read("", answer(), [node(text) for text in runtimes], [])
    assert found.image_volumes is can


@pytest.mark.parametrize(
    ("kubelets", "can"),
    [
        (["v1.35.0"], True),
        (["v1.36.2+k3s1", "v1.35.1-gke.1234"], True),
        (["v2.0.0"], True),
        (["v1.33.4"], False),
        (["v1.34.9"], False),
        (["v1.35.0", "v1.34.9"], False),
        ([""], False),
    ],
)
def test_images_are_mounted_where_every_kubelet_does_so_unasked(
    kubelets: list[str], can: bool
) -> None:
    """An API server may be three versions newer than a node, whose kubelet then has the feature
    switched off. Only who asks for it by name (`editor_tree: image`) may have switched it on there,
    too."""
    nodes = [node("containerd://2.1.0", kubelet=text) for text in kubelets]
    found = abilities.read("v1.35.0", answer(), nodes, [])
    assert (found.image_volumes, found.image_volumes_accepted) == (can, True)


def test_a_refused_dry_run_is_nothing() -> None:
    """Where the probe was refused, nothing is taken for granted."""
    assert (
        abilities.read("", None, [node("containerd://2.1.0", maps_users=True)], [])
        == abilities.Abilities()
    )


def test_users_are_mapped_where_a_node_says_so() -> None:
    """A server may keep the field while no node can do it."""
    assert not abilities.read("", answer(), [node("containerd://2.1.0")], []).user_namespaces
