"""From a cluster's words about pods, claims and nodes to causes. Pure; what engines have in common
is in `agent.causes`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from moorage.agent import causes
from moorage.agent.causes import Verdict
from moorage.agent.runtimes.kubernetes.api import faults
from moorage.contract import Cause, WorkspaceSpec

AUTOSCALER_SECONDS = 180
"""The time that an autoscaler usually takes for a node."""

_PASSING = (
    r"internal error occurred|status unknown for quota|operation cannot be fulfilled|etcdserver:"
)
"""A pattern of refusals that are none: the cluster was not able to decide."""
_RESOURCES = {
    "cpu": ("CPU", "cpuRequest"),
    "memory": ("memory", "memoryRequest"),
    "ephemeral-storage": ("disk space", "the size of ephemeral volumes"),
    "pods": ("room for pods", ""),
}


class ObstacleCause(NamedTuple):
    """Why a node may not take a pod for which it has room."""

    code: str
    pattern: str
    """In the scheduler's words, which count the nodes that it holds for."""
    message: str
    hint: str


OBSTACLES = (
    ObstacleCause(
        "volume-elsewhere",
        r"volume node affinity conflict|no available volume zone|didn't find available persistent",
        "The workspace's volume is where no node may take the workspace now.",
        "The volume is bound to a node or a zone (`kubectl describe pv`): there a node has to be ready, "
        "with room, and allowed by the agent's settings.",
    ),
    ObstacleCause(
        "nodes-cordoned",
        r"were unschedulable|node\.kubernetes\.io/unschedulable",
        "No node of the cluster takes new pods: they are cordoned, as for maintenance.",
        "The workspace starts once a node is open again (`kubectl get nodes`, `kubectl uncordon NODE`).",
    ),
    ObstacleCause(
        "nodes-not-ready",
        r"were not ready|node\.kubernetes\.io/(not-ready|unreachable|network-unavailable)"
        r"|node\.cloudprovider\.kubernetes\.io/(uninitialized|shutdown)",
        "No node of the cluster that could take this workspace is ready.",
        "`kubectl describe nodes` says why they are not ready.",
    ),
    ObstacleCause(
        "nodes-under-pressure",
        r"node\.kubernetes\.io/(disk|memory|pid)-pressure|(disk|memory|pid) ?pressure",
        "No node of the cluster takes this workspace: they run short of disk space, memory or processes.",
        "`kubectl describe nodes` says of what; stop a workspace, or make room there.",
    ),
    ObstacleCause(
        "no-suitable-node",
        r"didn't match (Pod's )?node (affinity|selector)|didn't match node selector|had (untolerated )?taint(?! \{node\.)"
        r"|didn't match pod (anti-)?affinity|didn't have free ports|exceed max volume count|didn't match ",
        "No node of the cluster may take this workspace.",
        "Node selector, tolerations and affinity of the agent's settings rule nodes out.",
    ),
)


def unschedulable(message: str, *, scaling: str = "", not_scaling: str = "") -> Verdict:
    """Explains the scheduler's words (`0/3 nodes are available: 3 Insufficient cpu.`). `scaling`:
    an autoscaler's, if it acts; `not_scaling`: its reason not to."""
    if "unbound immediate PersistentVolumeClaims" in message or "persistentvolumeclaim" in (
        message.lower()
    ):
        return volume_pending("", message)
    short = [
        _RESOURCES.get(name, (name, ""))
        for name in dict.fromkeys(re.findall(r"Insufficient ([\w./-]+?)[.,;]?(?=\s|$)", message))
    ]
    if "Too many pods" in message:
        short.append(_RESOURCES["pods"])
    obstacles = [row for row in OBSTACLES if re.search(row.pattern, message)]
    hints = [row.hint for row in obstacles]
    if short:
        what = " and ".join(name for name, _ in short)
        text = f"No node of the cluster has enough {what} left for this workspace."
        if fields := [field for _, field in short if field]:
            asked = ", ".join(fields)
            hints.insert(0, f"Ask for less ({asked} in the devfile), or stop another workspace.")
        code = "insufficient-" + "-".join(name.lower().replace(" ", "-") for name, _ in short[:1])
    elif obstacles:
        code, text = obstacles[0].code, obstacles[0].message
    else:
        text, code = "The cluster has no node for this workspace yet.", "unschedulable"
    hint = " ".join(hints)
    if scaling:
        text += (
            f" A node is being added, which usually takes about {AUTOSCALER_SECONDS // 60} minutes."
        )
        message = f"{message}\n{scaling}"
    elif not_scaling:
        text += " The cluster's autoscaler adds none for it."
        message = f"{message}\n{not_scaling}"
    return Verdict(Cause(code=code, message=text, detail=message, hint=hint), False)


def volume_pending(claim: str, message: str) -> Verdict:
    """Explains why a volume is not provided, by the provisioner's or the controller's words."""
    of = f" {claim}" if claim else ""
    if found := re.search(r'storageclass\S* "([^"]+)" not found', message):
        return Verdict(
            Cause(
                code="storage-class-not-found",
                message=f"The cluster has no StorageClass {found[1]}.",
                detail=message,
                hint="Set storage.class in the agent's settings to one that it has, or to nothing for its default, and start "
                "the workspace again.",
            ),
            True,
        )
    if "no persistent volumes available" in message and "no storage class is set" in message:
        return Verdict(
            Cause(
                code="no-default-storage-class",
                message="The cluster has no default StorageClass, so that nobody makes the workspace's volume.",
                detail=message,
                hint="Mark one as the default, or name one as storage.class in the agent's settings, and start the workspace "
                "again.",
            ),
            True,
        )
    return Verdict(
        Cause(
            code="volume-pending",
            message=f"The workspace's volume{of} is not there yet.",
            detail=message,
            hint="The cluster's storage provisioner makes it; its log says why it does not.",
        ),
        False,
    )


def pod_stuck(message: str) -> Verdict:
    """Explains why a kubelet cannot begin with a pod: its volumes, its sandbox."""
    if re.search(r"runtime handler|no runtime for|RuntimeHandler", message):
        code, text = "runtime-class-unusable", "The workspace's node cannot run its runtime class."
        hint = "Correct default_runtime_class in the agent's settings, or set that runtime up on the nodes."
    elif re.search(r"user ?namespace|idmap|ID-mapped", message, re.IGNORECASE):
        code, text = (
            "user-namespaces-unavailable",
            "The workspace's node cannot give it a user namespace.",
        )
        hint = "Set use_kubernetes_user_namespaces to false, or upgrade the nodes' kernel and container runtime."
    elif re.search(r"pod ?sandbox", message, re.IGNORECASE):
        code, text = "pod-not-begun", "The workspace's node cannot begin with its pod."
        hint = "The node's own words are below."
    else:
        code, text, hint = "volume-not-mounted", "A volume of the workspace cannot be mounted.", ""
    return Verdict(Cause(code=code, message=text, detail=message, hint=hint), False)


def pod_refused(message: str) -> Verdict:
    """Explains why a ReplicaSet may not make its pod (quota, admission), or cannot be told whether
    it may."""
    if "exceeded quota" in message:
        asked = re.search(r"requested: ([^,]+(?:,[^,:]+=[^,]+)*)", message)
        what = f"It asks for {asked[1]}, Moorage's own container included. " if asked else ""
        return Verdict(
            Cause(
                code="quota-exceeded",
                message="The workspace asks for more than its namespace's quota allows.",
                detail=message,
                hint=f"{what}Ask for less in the devfile, or raise max_resources_per_workspace in the agent's settings.",
            ),
            True,
        )
    if found := re.search(r'failed calling webhook "([^"]+)"', message):
        text = f"A webhook that the cluster asks about each pod ({found[1]}) does not answer."
        hint = "The pod is made as soon as it does; the cluster's administrator can say more."
        return Verdict(
            Cause(code="webhook-not-answering", message=text, detail=message, hint=hint), False
        )
    if re.search(_PASSING, message, re.IGNORECASE) and "denied the request" not in message:
        text, hint = "The cluster could not make the workspace's pod yet.", "It goes on trying."
        return Verdict(Cause(code="pod-not-made", message=text, detail=message, hint=hint), False)
    return faults.refused(message)


def parts_named(message: str, spec: WorkspaceSpec) -> tuple[str, ...]:
    """The containers of a workspace that a refusal of its pod is about, by name; (): it does not
    say so. Policies name images, containers, or a container's place in the pod (after ours)."""
    found = []
    for number, container in enumerate(spec.containers, 1):
        marks = (
            rf"(?<![\w./:@-]){re.escape(container.image)}(?![\w./:@-])",
            rf"\bcontainer[\s:=<(]*[\"'`]?{re.escape(container.name)}(?![\w-])",
            rf"\bcontainers\[{number}\]",
            rf"\bcontainers\[[\"']?{re.escape(container.name)}[\"']?\]",
        )
        if any(re.search(mark, message) for mark in marks):
            found.append(container.name)
    return tuple(found)


def about_parts(cause: Cause, names: Sequence[str]) -> Cause:
    """The cause with the containers that it is about."""
    if not names:
        return cause
    which = f"its container{'s' if len(names) > 1 else ''} {' and '.join(names)}"
    way = "Change its image or its settings in the devfile; started for repair, its files can be reached meanwhile."
    return msgspec.structs.replace(
        cause,
        message=f"{cause.message} It is about {which}.",
        hint=f"{cause.hint} {way}".strip(),
    )


def node_not_answering(node: str, message: str = "") -> Cause:
    """The cause where the cluster no longer hears of a workspace's node, or the node says that it
    is not ready."""
    return Cause(
        code="node-not-answering",
        message=f"The node {node}, on which the workspace runs, does not answer the cluster.",
        detail=message,
        hint="The workspace is there again when the node is. If it stays away, the cluster moves the workspace to another "
        "node after about five minutes.",
    )


def image(name: str, reason: str, message: str) -> Verdict:
    """Explains why a container waits for its image. `reason`: the kubelet's word for it."""
    if reason == "InvalidImageName":
        message = f"invalid reference format: {message}"
    elif reason == "ErrImageNeverPull":
        return causes.of_pull(name, 404, message, causes.KUBERNETES)
    elif reason == "SignatureValidationFailed":
        message = f"{reason}: {message}"
    return causes.of_pull(name, 0, message, causes.KUBERNETES)


def given_up(reason: str, message: str) -> Cause:
    """Explains why a node gave a pod up: evicted, not admitted, or lost with its node."""
    if "exceeds the limit" in message or "exceeds its local ephemeral storage limit" in message:
        text = "The node ended the workspace's pod because it used more disk space than it may."
        hint = "Write less to ephemeral volumes and outside of volumes, or raise the volume's size in the devfile."
    elif reason == "Evicted":
        text, hint = "The node ended the workspace's pod because it ran short of resources.", ""
    else:
        text, hint = "The node gave the workspace's pod up.", ""
    return Cause(
        code="evicted", message=f"{text} Another is made.", detail=message or reason, hint=hint
    )
