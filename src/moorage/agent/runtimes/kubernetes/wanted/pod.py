"""The pod of a workspace: the sandbox that clones, beside the devfile's containers. Pure.

Everything runs as user 5001, group 0, without a capability, unless the settings allow privilege
escalation.
"""

from __future__ import annotations

from typing import Any

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.wanted import names, sandbox, security, volumes
from moorage.agent.runtimes.kubernetes.wanted.containers import container_of
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.contract.spec import is_reserved
from moorage.workspace_settings import Toleration


def template(plan: Plan) -> dict[str, Any]:
    """`spec.template` of the Deployment."""
    settings = plan.settings
    init_containers = [
        *sandbox.init_containers(plan),
        *(container_of(plan, container) for container in plan.spec.init_containers),
    ]
    spec: dict[str, Any] = {
        "serviceAccountName": plan.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostname": plan.name,
        "terminationGracePeriodSeconds": plan.stop_timeout,
        "securityContext": security.of_pod(plan),
        "initContainers": init_containers,
        "containers": [
            sandbox.sandbox(plan),
            *(container_of(plan, container) for container in plan.spec.containers),
        ],
        "volumes": volumes.of_pod(plan),
    }
    if not spec["initContainers"]:
        del spec["initContainers"]
    if settings.use_kubernetes_user_namespaces:
        spec["hostUsers"] = False
    optional = {
        "runtimeClassName": settings.default_runtime_class,
        "priorityClassName": settings.priority_class,
        "nodeSelector": settings.node_selector,
        "affinity": settings.affinity,
        "tolerations": [_toleration(entry) for entry in settings.tolerations],
        "imagePullSecrets": [
            {"name": plan.pull_secret_name(secret)} for secret in names.pull_secrets(settings)
        ],
    }
    spec |= {key: value for key, value in optional.items() if value}
    annotations = dict(settings.annotations) | _component_metadata(plan, "annotations")
    annotations[names.RUN] = plan.run
    return {
        "metadata": {
            "labels": settings.labels
            | _component_metadata(plan, "labels")
            | ownership.labels_for(plan.identity, plan.name),
            "annotations": annotations,
        },
        "spec": spec,
    }


def _component_metadata(plan: Plan, field: str) -> dict[str, str]:
    """The labels or annotations that the devfile's containers ask for, but for what a cluster would
    act on (`container.apparmor.….kubernetes.io`)."""
    merged: dict[str, str] = {}
    for container in plan.spec.containers:
        merged |= getattr(container, field)
    return {name: value for name, value in merged.items() if not is_reserved(name)}


def _toleration(entry: Toleration) -> dict[str, Any]:
    optional = {"key": entry.key, "value": entry.value, "effect": entry.effect}
    body: dict[str, Any] = {"operator": entry.operator} | {k: v for k, v in optional.items() if v}
    if entry.toleration_seconds is not None:
        body["tolerationSeconds"] = entry.toleration_seconds
    return body
